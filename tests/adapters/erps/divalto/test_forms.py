"""Templates of a site's own actions: no value ends its own tag, every form of answer is read alike."""

import json
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree

from adapters.erps.divalto import forms
from adapters.erps.divalto.questions import Actions, AnswerForm, Form, Question, question_problems
from adapters.erps.divalto.simulator.historic import hmp
from adapters.erps.divalto.wire import WireError

steady = settings(deadline=None, derandomize=True)

LETTERS = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_categories=["Cc"]), max_size=30
)


@steady
@given(LETTERS, LETTERS)
@example("a<VIL>b & &lt;c>", "<NOM>")
def test_a_value_in_harmony_markup_ends_at_its_own_tag(name: str, city: str) -> None:
    asked = forms.ask(Question(ask="<NOM>${NOM}<VIL>${VIL}"), {"NOM": name, "VIL": city})
    assert hmp(asked) == [("NOM", " ".join(name.split())), ("VIL", " ".join(city.split()))]


@steady
@given(st.text(max_size=30))
@example('</a><b c="\\">')
def test_a_value_in_json_and_xml_stays_one_value(text: str) -> None:
    asked = forms.ask(Question(form="json", ask='{"nom":"${NOM}"}'), {"NOM": text})
    assert json.loads(asked) == {"nom": text}
    root = etree.fromstring(
        forms.ask(Question(form="xml", ask='<a b="${NOM}">${NOM}</a>'), {"NOM": text}).encode()
    )
    assert len(root) == 0


@steady
@given(st.sampled_from(["hmp", "json", "xml"]), st.text(max_size=20))
def test_a_value_cannot_ask_for_another(form: Form, text: str) -> None:
    question = Question(form=form, ask="[${A}][${B}]")
    assert "secret" not in forms.ask(question, {"A": f"${{C}}{text}", "B": "b", "C": "secret"})


def test_lines_stand_where_the_template_wants_them_and_what_is_not_there_is_blank() -> None:
    question = Question(
        form="json",
        ask='{"ref":"${PINOTIERS}","tacod":"${TACOD}","lignes":[${lines}],"adr":{${address}}}',
        line='{"art":"${REF}","qte":"${QTE}","s":"${SREF1}"}',
        between=",",
        address='"nom":"${NOM}"',
    )
    lines = [{"REF": "CUP", "QTE": "2.000"}, {"REF": 'T"P', "QTE": "1.000", "SREF1": "XL"}]
    assert json.loads(forms.fill(question, {"PINOTIERS": "main-1"}, lines, {"NOM": "Zoë"})) == {
        "ref": "main-1",
        "tacod": "",
        "lignes": [{"art": "CUP", "qte": "2.000", "s": ""}, {"art": 'T"P', "qte": "1.000", "s": "XL"}],
        "adr": {"nom": "Zoë"},
    }


def test_a_read_whose_key_is_unknown_is_not_asked_since_it_would_select_everything() -> None:
    with pytest.raises(WireError, match="PINOTEIRS"):
        forms.ask(Question(ask="<REF>${PINOTEIRS}"), {"PINOTIERS": "x"})


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("json", '{"res":{"code":0,"rows":[{"REF":"CUP  ","QTE":"1500,0"},{"REF":"TEAPOT","QTE":2.50}]}}'),
        (
            "xml",
            """<?xml version="1.0" encording="ISO-8859-1"?><rep><res><code>0</code><rows><REF>CUP  </REF>
            <QTE>1500,0</QTE></rows><!-- x --><rows><REF>TEAPOT</REF><QTE>2.50</QTE></rows></res></rep>""",
        ),
    ],
)
def test_json_and_xml_are_read_by_the_same_paths(form: AnswerForm, text: str) -> None:
    content = forms.read(text, form)
    assert content.at("res.code") == "0"
    assert content.at("res.rows.1.REF") == "TEAPOT"
    assert content.at("res.none.there") == ""
    assert content.rows("res.rows") == [{"REF": "CUP", "QTE": "1500,0"}, {"REF": "TEAPOT", "QTE": "2.50"}]


def test_a_row_that_is_alone_and_one_with_attributes_are_rows_too() -> None:
    content = forms.read('<rep><stock depot="D01"><qte>3</qte></stock></rep>', "xml")
    assert content.rows("stock") == [{"depot": "D01", "qte": "3"}]


def test_lines_of_text_are_counted_from_one() -> None:
    content = forms.read("0;OK;1042\r\n\r\n1; x ;\n", "text")
    assert [content.at(path) for path in ("1", "2", "3", "4")] == ["0", "OK", "1042", ""]
    assert content.rows("") == [{"1": "0", "2": "OK", "3": "1042"}, {"1": "1", "2": "x", "3": ""}]


@pytest.mark.parametrize(
    ("form", "text"), [("json", ""), ("json", '{"a"'), ("json", "[" * 100_000), ("xml", "<a>"), ("xml", "{}")]
)
def test_an_answer_of_another_form_is_malformed(form: AnswerForm, text: str) -> None:
    with pytest.raises(WireError):
        forms.read(text, form)


def test_rows_that_are_none_are_not_taken_for_some() -> None:
    with pytest.raises(WireError):
        forms.read('{"rows":["CUP"]}', "json").rows("rows")


@pytest.mark.parametrize("text", ["null", "{}", '{"res":{}}', '{"message":"x"}', '{"res":"OK"}', "[]"])
def test_json_that_tells_no_rows_is_no_answer_while_xml_leaves_them_out(text: str) -> None:
    with pytest.raises(WireError, match="nothing where its rows should be"):
        forms.read(text, "json").rows("res.rows")
    assert forms.read('{"res":{"rows":null}}', "json").rows("res.rows") == []
    assert forms.read('{"res":{"rows":[]}}', "json").rows("res.rows") == []
    assert forms.read("<rep><res/></rep>", "xml").rows("res.rows") == []


def test_numbers_of_an_answer_are_exact() -> None:
    assert Decimal(forms.read('{"q":0.1000000000000000055}', "json").at("q")) == Decimal(
        "0.1000000000000000055"
    )


@pytest.mark.parametrize(
    ("key", "question"),
    [
        ("actions.pieces.ask", Question(action="A", ask="<PRIX>$")),
        ("actions.pieces.ask", Question(action="A")),
        ("actions.pieces.ask", Question(action="A", ask="<TIERS>${TIERS}", stages=("1",))),
        ("actions.pieces", Question(action="A", ask="x", answer="text", code="code")),
    ],
)
def test_a_question_that_cannot_be_is_named_by_its_key(key: str, question: Question) -> None:
    assert [problem.key for problem in question_problems("actions", Actions(pieces=question))] == [key]
