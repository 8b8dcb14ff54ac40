"""Bytes to and from Divalto's REST service. Pure: it builds requests, parses answers, and decides nothing.

Shapes are those of the public documentation ("authentication", "execute", "RecordSql"). Divalto pads chars to
their column's width and sends numbers as strings: everything read is right-trimmed, and numbers become
Decimals exactly.
"""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import msgspec
from msgspec import Struct

AUTH_PATH = "/api/v1/Authent/Auth"
EXECUTE_PATH = "/api/v1/WebService/Execute"
RECORDS_PATH = "/api/v1/RecordSql/Execute"

RESULT_CODE_PATH = "result.common.resultcode"
ERROR_MESSAGE_PATH = "result.common.errormessage"

ENCODINGS = ("utf-8", "cp1252")
"""What a body is taken for, the first that fits: Divalto declares one encoding and sends the other."""

_CODE = re.compile(r"\s*\d{1,9}\s*", re.ASCII)
_NUMBER = re.compile(r"([+-]?)(?=[.,]?\d)(\d{0,24})(?:[.,](\d{1,12}))?", re.ASCII)


class WireError(ValueError):
    """An answer that makes no sense. Its text never quotes it: it may hold a token or a person's data."""


# --- requests ---------------------------------------------------------------------------------------------


def auth_request(*, domain: str, user: str, password: str, env: str) -> bytes:
    """Return the body of Auth; the cloud takes no domain and no env, and asks for `infos` instead."""
    account = {"user": user, "password": password}
    return _json({"domain": domain, **account, "env": env} if domain or env else {**account, "infos": ""})


def execute_request(service: str, token: str, param: str) -> bytes:
    """Return the body of Execute; `param` is a string that holds JSON or XML.

    The token stands in the body rather than in a header: HTTP libraries log headers, and the token holds the
    password.
    """
    return _json({"action": service, "access_token": token, "param": param})


def business_param(
    action: str, parameters: Mapping[str, str], data: Mapping[str, Any], *, inside: bool
) -> str:
    """Return the `param` that asks WEB_SERVICE_INFINITY for a business action."""
    named: dict[str, Any] = {"swinfinity": action}
    beside: dict[str, Any] = {}
    (named if inside else beside)["parameters"] = dict(parameters)
    return _json({"action": named, **beside, "data": dict(data)}).decode()


class RecordQuery(Struct, frozen=True):
    """One page of a RecordSql. `where` names a compiled condition; it is not SQL."""

    dhoq: str
    recordsql: str
    fields: tuple[str, ...]
    where: str
    where_parameters: Mapping[str, str]
    orderby: str = ""
    offset: int = 0
    count: int = 100


def records_request(query: RecordQuery, token: str) -> bytes:
    """Return the body of RecordSql.

    Raises:
        ValueError: a value of a parameter would be read as another parameter.
    """
    for value in query.where_parameters.values():
        if set(value) & set(";=\r\n\0"):
            raise ValueError("a RecordSql parameter cannot hold ; or =")
    return _json(
        {
            "dhoq": query.dhoq,
            "recordsql": query.recordsql,
            "access_token": token,
            "parameters": "",
            "fields": ";".join(query.fields),
            "where": query.where,
            "where_parameters": ";".join(f"{name}={value}" for name, value in query.where_parameters.items()),
            "offset": query.offset,
            "count": query.count,
            "orderby": query.orderby,
            "having": "",
            "having_parameters": "",
            "infos": "",
        }
    )


def decimal_text(number: Decimal, places: int, separator: str = ".") -> str:
    """Return a number as a DECIMAL(_, places) column takes it, halves away from zero as accountants round."""
    text = format(number.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP), "f")
    return text.replace(".", separator)


def date_text(day: date) -> str:
    """Return a date as YYYYMMDD."""
    return day.strftime("%Y%m%d")


def _json(value: object) -> bytes:
    # Not escaped to ASCII: the characters are Latin-1 already, and Diva's own parser is not known to undo \u
    # escapes.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


# --- answers ----------------------------------------------------------------------------------------------


class Envelope(Struct, frozen=True):
    """What every answer is wrapped in. `error` is technical, "0" for none; `why` is Divalto's text for it.

    `records` is None where the answer tells none at all, which is not the same as that there are none.
    """

    error: str
    why: str
    token: str
    result: str
    records: tuple[Mapping[str, str], ...] | None

    def __repr__(self) -> str:
        return f"Envelope(error={self.error!r}, ...)"  # never the token


class _Row(Struct):
    record: dict[str, str | int | None]


class _Envelope(Struct):
    error: int | str
    access_token: str | None = ""
    txterr: str | None = ""
    txterror: str | None = ""  # so called in the documentation's table, `txterr` in its sample
    result: msgspec.Raw = msgspec.Raw(b'""')
    records: list[_Row] | None = None


_ENVELOPE = msgspec.json.Decoder(_Envelope)


def read_text(body: bytes, encodings: Sequence[str] = ENCODINGS) -> str:
    """Return a body as text, in the first of these encodings that it fits, whatever it declares."""
    body = body.removeprefix(b"\xef\xbb\xbf")
    for encoding in encodings:
        with suppress(UnicodeDecodeError):
            return body.decode(encoding)
    return body.decode("latin-1")


def read_envelope(body: bytes, encodings: Sequence[str] = ENCODINGS) -> Envelope:
    """Parse an answer of Auth, Execute or RecordSql.

    Raises:
        WireError: it is not JSON, or not of that shape.
    """
    try:
        parsed = _ENVELOPE.decode(read_text(body, encodings))
        result = msgspec.json.decode(parsed.result)
    except (msgspec.DecodeError, RecursionError) as error:
        raise WireError("the answer is no JSON of the documented shape") from error
    if not isinstance(result, str):
        result = "" if result is None else json.dumps(result)  # some gateways undo the double encoding
    return Envelope(
        error=str(parsed.error).strip(),
        why=(parsed.txterr or parsed.txterror or "").strip(),
        token=parsed.access_token or "",
        result=result,
        records=None if parsed.records is None else tuple(_trimmed(row.record) for row in parsed.records),
    )


class Result(Struct, frozen=True):
    """What a business action answered. `content` is its inner JSON, None where that was no JSON at all."""

    code: str
    message: str
    content: Mapping[str, Any] | None

    def at(self, path: str) -> str:
        """Return the trimmed text at a dotted path, "" where there is none."""
        value = _at(self.content, path)
        return str(value).rstrip() if isinstance(value, str | int | Decimal) else ""


def read_result(
    text: str, code_path: str = RESULT_CODE_PATH, message_path: str = ERROR_MESSAGE_PATH
) -> Result:
    """Parse the inner string of Execute; by pattern where it is no valid JSON, as Divalto's sample is not.

    Raises:
        WireError: it has no result code in any way.
    """
    try:
        content = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError):
        content = None
    code = _at(content, code_path)
    if code is None:
        return _result_by_pattern(text, code_path, message_path)
    if not isinstance(code, str | int) or not _CODE.fullmatch(str(code)):
        raise WireError("the result code is no number")
    message = _at(content, message_path)
    return Result(str(code).strip(), str("" if message is None else message).strip(), content)


def _at(content: Any, path: str) -> Any:  # noqa: ANN401 - any JSON
    for name in path.split("."):
        content = content.get(name) if isinstance(content, Mapping) else None
    return content


def _result_by_pattern(text: str, code_path: str, message_path: str) -> Result:
    """Find `"resultcode": "3"` wherever it stands."""
    code_name, message_name = (re.escape(path.rpartition(".")[2]) for path in (code_path, message_path))
    code = re.search(
        rf"""["']{code_name}\s*["']\s*:\s*["']?\s*(\d{{1,9}})(?!\d)""", text, re.IGNORECASE | re.ASCII
    )
    if code is None:
        raise WireError("the result holds no result code")
    message = re.search(rf"""["']{message_name}\s*["']\s*:\s*"((?:[^"\\]|\\.)*)\"""", text, re.IGNORECASE)
    return Result(code[1], message[1].strip() if message else "", None)


def read_decimal(text: str) -> Decimal:
    """Read a number exactly: "12.500", "-3", "1500,0000", ".5", padded on either side; never through a float.

    Raises:
        WireError: it is no number.
    """
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        raise WireError("a number was expected")
    sign, whole, decimals = match.groups()
    return Decimal(f"{sign}{whole}.{decimals}") if decimals else Decimal(f"{sign}{whole}")


def field(record: Mapping[str, str], name: str) -> str:
    """Return a column of a record.

    Raises:
        WireError: the record lacks it.
    """
    try:
        return record[name]
    except KeyError:
        raise WireError(f"a record lacks the column {name}") from None


def columns(records: Sequence[Mapping[str, str]], *names: str) -> list[tuple[str, ...]]:
    """Return these columns of every record; WireError where one lacks."""
    return [tuple(field(record, name) for name in names) for record in records]


def _trimmed(record: Mapping[str, str | int | None]) -> Mapping[str, str]:
    return {name: "" if value is None else str(value).rstrip(" \0") for name, value in record.items()}
