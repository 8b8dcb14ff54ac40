"""Bytes in and out: padding, numbers, broken JSON, encodings."""

import json
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.erps.divalto import wire

steady = settings(deadline=None, derandomize=True)

NUMBERS = st.decimals(min_value=-(10**9), max_value=10**9, places=3, allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(max_codepoint=0xFF, exclude_categories=("Cc", "Cs")), max_size=20)


@steady
@given(NUMBERS, st.sampled_from([".", ","]), st.integers(0, 5))
def test_a_number_comes_back_exactly_as_it_was_sent(number: Decimal, separator: str, padding: int) -> None:
    text = wire.decimal_text(number, 3, separator)
    assert wire.read_decimal(" " * padding + text + " " * padding) == number


@steady
@given(st.integers(0, 10**11))
def test_a_price_of_four_decimals_is_no_float(units: int) -> None:
    price = Decimal(units).scaleb(-4)
    assert wire.read_decimal(wire.decimal_text(price, 4)) == price


@pytest.mark.parametrize(
    ("number", "text"), [("0.00005", "0.0001"), ("-0.00005", "-0.0001"), ("1.00004999", "1.0000")]
)
def test_halves_are_rounded_away_from_zero(number: str, text: str) -> None:
    assert wire.decimal_text(Decimal(number), 4) == text


@pytest.mark.parametrize(("text", "number"), [(".500", "0.500"), ("-,5", "-0.5"), ("+0.25", "0.25")])
def test_a_number_below_one_may_begin_with_its_point(text: str, number: str) -> None:
    assert wire.read_decimal(text) == Decimal(number)


@pytest.mark.parametrize(
    "text", ["", ".", "-", "5.", "  ", "NaN", "1e5", "1.2.3", "Infinity", "١", "1 000", "0x10", "--1"]
)
def test_what_is_no_number_is_not_taken_for_one(text: str) -> None:
    with pytest.raises(wire.WireError):
        wire.read_decimal(text)


@steady
@given(st.dictionaries(st.sampled_from(["REF", "SREF1", "TIERS"]), TEXTS, min_size=1), st.integers(0, 30))
def test_padding_is_trimmed_on_the_right_and_nothing_else(record: dict[str, str], padding: int) -> None:
    padded = {name: value + " " * padding for name, value in record.items()}
    body = json.dumps({"error": 0, "records": [{"record": padded}]}).encode()
    records = wire.read_envelope(body).records
    assert records is not None
    (read,) = records
    assert read == {name: value.rstrip(" ") for name, value in record.items()}


def test_what_a_service_leaves_open_is_nothing_and_no_records_are_told_from_none() -> None:
    body = b'{"error":"0","access_token":null,"txterr":null,"txterror":null,"result":null,"records":null}'
    read = wire.read_envelope(body)
    assert (read.error, read.why, read.token, read.result, read.records) == ("0", "", "", "", None)
    assert wire.read_envelope(b'{"error":0,"records":[]}').records == ()


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-8-sig"])
def test_an_answer_is_read_in_the_encoding_it_has_whatever_it_declares(encoding: str) -> None:
    body = json.dumps({"error": 0, "txterr": "Dépôt inexistant"}, ensure_ascii=False).encode(encoding)
    assert wire.read_envelope(body).why == "Dépôt inexistant"


@pytest.mark.parametrize(
    "body",
    [b"", b"<html></html>", b"[]", b"{}", b'{"error":{}}', b'{"error":0,"records":[1]}',
     b'{"error":0,"records":"x"}', b'{"error":0,"records":[{"record":{"QTE":1.5}}]}',
     b"\xff\xfe", b'{"error":0', b"[" * 100_000],
)  # fmt: skip
def test_an_answer_of_another_shape_is_malformed(body: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.read_envelope(body)


@steady
@given(st.binary(max_size=200))
def test_no_bytes_at_all_break_the_reader(body: bytes) -> None:
    with suppress(wire.WireError):
        wire.read_envelope(body)


def test_an_error_never_quotes_the_answer() -> None:
    with pytest.raises(wire.WireError) as raised:
        wire.read_envelope(b'{"error":0,"access_token":["eyJ-a-token"]}')
    assert "eyJ" not in repr(raised.value) + repr(raised.value.__cause__)


@steady
@given(st.text(max_size=200))
def test_no_result_at_all_breaks_the_reader(text: str) -> None:
    try:
        result = wire.read_result(text)
    except wire.WireError:
        return
    assert result.code.isdecimal()


def test_the_documentations_own_sample_is_understood() -> None:
    sample = (
        '{"label": "infinity","codeScript": "integration_reglement","result":{"common":{"resultcode": "0",'
        '"errormessage": "Intégration règlements des échéances terminée |Consultez le livre de bord"},'
        '"response":"transactionId": "1354"}}'
    )
    result = wire.read_result(sample)
    assert (result.code, result.content) == ("0", None)
    assert result.message.startswith("Intégration")
    assert result.at("result.response.PINO") == ""


def test_a_result_whose_code_is_a_number_is_as_good_as_text() -> None:
    inner = '{"result":{"common":{"resultcode":3,"errormessage":"Non "},"response":{"PINO":"12  "}}}'
    result = wire.read_result(inner)
    assert (result.code, result.message, result.at("result.response.PINO")) == ("3", "Non", "12")


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{}", '{"result":{"common":{"resultcode":null}}}', "<html>"]
)
def test_a_result_without_a_code_is_malformed(text: str) -> None:
    with pytest.raises(wire.WireError):
        wire.read_result(text)


@pytest.mark.parametrize("value", ["a;tiers=X", "a=b", "a\nb"])
def test_a_reference_cannot_smuggle_in_a_second_parameter(value: str) -> None:
    query = wire.RecordQuery("d", "r", ("REF",), "Equal", {"ref": value})
    with pytest.raises(ValueError, match="cannot hold"):
        wire.records_request(query, "t")


def test_the_cloud_is_asked_for_a_token_without_domain_and_env() -> None:
    body = json.loads(wire.auth_request(domain="", user="u", password="p", env=""))
    assert body == {"user": "u", "password": "p", "infos": ""}


def test_the_parameter_of_a_business_action_is_a_string_that_holds_json() -> None:
    param = wire.business_param("integration_piece", {"dos": "1"}, {"ient": {"TIERS": "WEB"}}, inside=True)
    body = json.loads(wire.execute_request("WEB_SERVICE_INFINITY", "t", param))
    assert isinstance(body["param"], str)
    assert json.loads(body["param"]) == {
        "action": {"swinfinity": "integration_piece", "parameters": {"dos": "1"}},
        "data": {"ient": {"TIERS": "WEB"}},
    }
