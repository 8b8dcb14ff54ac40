"""How a site's own service actions are asked and what they answer; each value is a setting of its profile.

It owns names, templates and paths, and what is wrong with them; filling and reading them is `forms`. A site
without RecordSql, as every SOAP site is, answers what is read through such actions.
"""

from collections.abc import Mapping
from string import Template
from typing import Literal

from msgspec import Struct

from adapters.settings import Problem

Form = Literal["hmp", "json", "xml"]
AnswerForm = Literal["json", "xml", "text"]


class Question(Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that is asked of a service action.

    Attributes:
        action: the service action's name; "" where the site has none for this.
        form: how a value is escaped: Harmony Markup Parameters, JSON or XML.
        ask: the parameters, with `${TIERS}` and the like where values go. `${lines}` is where the lines of a
            piece go, `${address}` where its address goes. "" stands for the whole of `integration_piece` as
            JSON, which only a write can be.
        line, between, address: each line of a piece, what stands between two, and the address, in the same
            manner. In a write a column that is not there is blank, which means "as it is".
        stages: the values of `${PICOD}`, each of which is asked for; empty where the template has none.
        answer: how the answer is read: JSON, XML, or lines of values with `;` between, which are counted from
            1.
        code, good, nothing: the path of the result's code, what it is when all is well, and what it is when
            there is nothing to tell; without a path, whatever has no error text is well.
        message: the path of the error's text.
        rows: the path of the rows, "" for the whole answer. JSON has to hold it, be it null or an empty list;
            XML leaves out what there is none of.
        columns: where a row names a column otherwise: ours to theirs. What the template asks for need not be
            told again, except a piece's reference and its USERMODH. A value that the site never tells, such
            as a nature of stock that is always new, is given as "=N".
        number, prefix, stage, amount: the paths of what a write tells of the piece that it made.
    """

    action: str = ""
    form: Form = "hmp"
    ask: str = ""
    line: str = ""
    between: str = ""
    address: str = ""
    stages: tuple[str, ...] = ()
    answer: AnswerForm = "json"
    code: str = ""
    good: tuple[str, ...] = ("0",)
    nothing: tuple[str, ...] = ()
    message: str = ""
    rows: str = ""
    columns: dict[str, str] = {}
    number: str = ""
    prefix: str = ""
    stage: str = ""
    amount: str = ""


class Actions(Struct, frozen=True, forbid_unknown_fields=True):
    """The service actions of one site, by what they are asked for.

    The defaults are those of the connectors that are public, where they can be: `ENTETES` lists a customer's
    pieces of a stage between two days, `DETAIL_PIECE` a piece's lines, `INTERROGER_STOCK` what lies in a
    depot. A site that books receptions and counts needs a look-up that takes `${TICOD}` too. `write`
    and `customer` go through the service action of the spelling, as over REST.
    """

    write: Question = Question(form="json")
    customer: Question = Question(form="json")
    pieces: Question = Question(
        action="ENTETES",
        ask="<DOS>${DOS}<TIERS>${TIERS}<PICOD>${PICOD}<DEBUT>${FROM}<FIN>${TO}",
        stages=("1", "2", "3", "4"),
        rows="entete",
        columns={
            "PREFPINO": "prefixe",
            "PINO": "numero",
            "CE4": "ce4",
            "PINOTIERS": "piecetiers",
            "HTMT": "ht",
        },
    )
    lines: Question = Question(
        action="DETAIL_PIECE",
        ask="<DOS>${DOS}<TIERS>${TIERS}<PICOD>${PICOD}<PREFIXE>${PREFPINO}<numero>${PINO}",
        rows="lignes",
        nothing=("2",),
        columns={
            "ENRNO": "enrno",
            "REF": "ref",
            "SREF1": "sref1",
            "SREF2": "sref2",
            "DEPO": "depot",
            "CDCE4": "ce4",
            "CDQTE": "qte",
            "PUB": "pub",
        },
    )
    stock: Question = Question(
        action="INTERROGER_STOCK",
        ask="<DOS>${DOS}<REF>*<DEPOT>${DEPO}",
        rows="stock",
        columns={
            "REFERENCE": "ref",
            "SREFERENCE1": "sref1",
            "SREFERENCE2": "sref2",
            "DEPOT": "depot",
            "NATURESTOCK": "nature",
            "QTETJSENSTOCK": "qte",
        },
    )
    articles: Question = Question()
    customers: Question = Question()
    expected: Question = Question()
    changed: Question = Question()
    moved: Question = Question()


LISTED = ("pieces", "lines", "stock", "articles", "customers", "expected", "changed", "moved")
"""The questions that read."""


def question_problems(key: str, actions: Actions) -> list[Problem]:
    """Return what is wrong with the questions, each by its key below `key`."""
    found: list[Problem] = []
    for name in Actions.__struct_fields__:
        question: Question = getattr(actions, name)
        for part in ("ask", "line", "address"):
            text: str = getattr(question, part)
            if not Template(text).is_valid():
                found.append(Problem(f"{key}.{name}.{part}", "has a $ that begins no ${NAME}; write $$"))
        if name in LISTED and question.action and not question.ask:
            found.append(Problem(f"{key}.{name}.ask", "is needed where the site has an action for it"))
        if question.stages and "PICOD" not in Template(question.ask).get_identifiers():
            found.append(Problem(f"{key}.{name}.ask", "has no ${PICOD} that the stages could go to"))
        if question.answer == "text" and _words(question):
            found.append(Problem(f"{key}.{name}", "values of a text are counted: give numbers for its paths"))
    return found


def _words(question: Question) -> list[str]:
    paths = (question.code, question.message, question.number, question.prefix, question.stage)
    named: Mapping[str, str] = question.columns
    columns = [name for name in named.values() if not name.startswith("=")]
    return [path for path in (*paths, question.amount, *columns) if path and not path.isdecimal()]
