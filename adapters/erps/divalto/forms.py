"""Fills the templates of a site's own actions, and reads what they answer. Pure; it owns escaping and paths.

Harmony Markup Parameters are `<k>v<k2>v2`, without closing tags. A path is names with dots between; in JSON
and XML alike a number counts from 0 where there are several, in lines of text from 1.
"""

import html
import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from string import Template
from typing import Any

from adapters.erps.divalto.questions import AnswerForm, Form, Question
from adapters.erps.divalto.wire import WireError

_ABSENT = object()
"""Stands for what is not there at all, since null is something that a site says."""

_DECLARATION = re.compile(r"\s*<\?xml[^>]*\?>")
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")

ROWS_MAX = 500_000
"""A depot's stock; more rows in one answer are a mistake, and would take the daemon's memory."""


def escaped(value: str, form: Form) -> str:
    r"""Return a value as it stands in a template of that form; none can end its own tag or string.

    >>> escaped('a<b "c"', "hmp"), escaped('a<b "c"', "json")
    ('a&lt;b "c"', 'a<b \\"c\\"')
    """
    match form:
        case "hmp":
            return html.escape(" ".join(value.split()), quote=False)
        case "json":
            return json.dumps(value, ensure_ascii=False)[1:-1]
        case "xml":
            return html.escape(_NOT_IN_XML.sub(" ", value))


def ask(question: Question, values: Mapping[str, str]) -> str:
    """Return the parameters of one read; values are what `${NAME}` stands for.

    Raises:
        WireError: the template asks for a value that there is none of: everything would be selected.
    """
    try:
        return Template(question.ask).substitute(_safe(values, question.form))
    except KeyError as error:
        raise WireError(f"the template asks for {error.args[0]}, which is not known here") from error


def fill(
    question: Question,
    values: Mapping[str, str],
    lines: Sequence[Mapping[str, str]] = (),
    address: Mapping[str, str] = {},
) -> str:
    """Return the parameters of one write; a column that is not there is blank, which means "as it is".

    Args:
        question: its templates.
        values: the columns of the whole piece, or of the customer.
        lines: the columns of each of its lines.
        address: the columns of its address.
    """
    form = question.form
    filled = question.between.join(_filled(question.line, _safe(line, form)) for line in lines)
    parts = {"lines": filled, "address": _filled(question.address, _safe(address, form))}
    return _filled(question.ask, {**_safe(values, form), **parts})


def _safe(values: Mapping[str, str], form: Form) -> dict[str, str]:
    return {name: escaped(value, form) for name, value in values.items()}


def _filled(template: str, values: Mapping[str, str]) -> str:
    names = Template(template).get_identifiers()
    return Template(template).substitute({**dict.fromkeys(names, ""), **values})


class Content:
    """What an action answered, whatever its form.

    Args:
        value: the whole, in which rows are looked for.
        single: where single values are looked for, if not there: the first line of a text.
        tells_none: whether it says so where there are no rows, as JSON does; XML leaves them out.
    """

    def __init__(self, value: Any, single: Any = None, *, tells_none: bool = False) -> None:  # noqa: ANN401 - any JSON
        self._value = value
        self._single = value if single is None else single
        self._tells_none = tells_none

    def at(self, path: str) -> str:
        """Return the trimmed text at a path, "" where there is none."""
        value = _find(self._single, path) if path else None
        if isinstance(value, Mapping):
            value = value.get("#text")
        return str(value).strip() if isinstance(value, str | int | Decimal) else ""

    def rows(self, path: str) -> list[Mapping[str, str]]:
        """Return the rows at a path; one that is alone need not stand in a list.

        Raises:
            WireError: what stands there are no rows, or nothing stands there: an answer that is no answer
                must not pass for one that there are none.
        """
        value = _find(self._value, path, _ABSENT) if path else self._value
        if value is _ABSENT:
            if self._tells_none:
                raise WireError("the answer holds nothing where its rows should be")
            return []
        if value is None or value == "":
            return []
        found = value if isinstance(value, list) else [value]
        if not all(isinstance(row, Mapping) for row in found):
            raise WireError("the answer holds something else where its rows should be")
        if len(found) > ROWS_MAX:
            raise WireError(f"the answer holds more than {ROWS_MAX} rows")
        return [_row(row) for row in found]


def read(text: str, form: AnswerForm) -> Content:
    """Read an answer.

    Raises:
        WireError: it is not of that form. The error never quotes it.
    """
    match form:
        case "json":
            try:
                return Content(json.loads(text, parse_float=Decimal), tells_none=True)
            except (ValueError, RecursionError) as error:
                raise WireError("the answer is no JSON") from error
        case "xml":
            return Content(read_xml(text))
        case "text":
            lines = [_counted(line) for line in text.splitlines() if line.strip()]
            return Content(lines, lines[0] if lines else {})


def read_xml(text: str) -> Any:  # noqa: ANN401 - nested dicts, lists and text
    """Return the root element's content as JSON would show it; its declaration is ignored, as it may lie.

    Raises:
        WireError: it is no XML.
    """
    from lxml import etree  # late: a large library, and most sites answer JSON

    safe = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    try:
        # Text rather than bytes: what its declaration says of the encoding has been settled before.
        return _element(etree.fromstring(_DECLARATION.sub("", text, count=1).strip().encode(), safe))
    except (etree.XMLSyntaxError, ValueError, RecursionError) as error:
        raise WireError("the answer is no XML") from error


def _find(value: Any, path: str, absent: Any = None) -> Any:  # noqa: ANN401 - any JSON
    for name in path.split("."):
        match value:
            case Mapping():
                value = value.get(name, absent)
            case list() if name.isdecimal():
                value = value[int(name)] if int(name) < len(value) else absent
            case _:
                return absent
    return value


def _element(element: Any) -> Any:  # noqa: ANN401 - lxml's elements in, JSON out
    from lxml import etree

    content: dict[str, Any] = dict(element.attrib)
    for child in element:
        if not isinstance(child.tag, str):
            continue  # a comment or an entity that is not resolved
        name, value = etree.QName(child).localname, _element(child)
        if name not in content:
            content[name] = value
        elif isinstance(content[name], list):
            content[name].append(value)
        else:
            content[name] = [content[name], value]
    text = (element.text or "").strip()
    if not content:
        return text
    return {**content, "#text": text} if text else content


def _counted(line: str) -> dict[str, str]:
    return {str(number): value.strip() for number, value in enumerate(line.split(";"), 1)}


def _row(row: Mapping[str, Any]) -> Mapping[str, str]:
    return {
        name: str(value).rstrip(" \0") if isinstance(value, str | int | Decimal) else ""
        for name, value in row.items()
    }
