"""SOAP's envelope around WebServiceDiva: two strings in, an int and a string out. Pure.

The operation has one shape, which no WSDL changes: so it is written by hand rather than built by a SOAP
library with an HTTP client, limits and errors of its own (see docs/architecture.md).
"""

import html
import re
from typing import NamedTuple

from lxml import etree

from adapters.erps.divalto.wire import ENCODINGS, WireError, read_text

NAMESPACE = "http://www.Divalto.fr/WebService/"
ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
OPERATION = "WebServiceDiva"

_DECLARATION = re.compile(r"\s*<\?xml[^>]*\?>")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z]{2,8});", re.IGNORECASE)
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_SAFE = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
"""`huge_tree`, since a depot's stock may be one string above the 10 MB that libxml2 takes by default; how
much is read at all is the HTTP client's limit, and no entity is expanded."""


class Answer(NamedTuple):
    """`WebServiceDivaResult` and `retour`."""

    status: str
    retour: str


def request(action: str, param: str, encoding: str) -> bytes:
    """Return the body of one call.

    `action` is itself in Harmony Markup Parameters, `<ACTION>NAME`. A character that the encoding lacks goes
    as a reference, which is the same to every XML parser.
    """
    parts = (("action", f"<ACTION>{action}"), ("param", param))
    told = "".join(f"<{name}>{html.escape(_NOT_IN_XML.sub(' ', text))}</{name}>" for name, text in parts)
    text = (
        f'<?xml version="1.0" encoding="{encoding}"?>'
        f'<soap:Envelope xmlns:soap="{ENVELOPE}"><soap:Body><{OPERATION} xmlns="{NAMESPACE}">{told}'
        f"</{OPERATION}></soap:Body></soap:Envelope>"
    )
    return text.encode(encoding, "xmlcharrefreplace")


def read(body: bytes, encodings: tuple[str, ...] = ENCODINGS) -> Answer:
    """Parse an answer.

    Raises:
        WireError: it is no envelope of that operation. The error never quotes it.
    """
    root = _parsed(body, encodings)
    told = root.find(f"{{{ENVELOPE}}}Body/{{{NAMESPACE}}}{OPERATION}Response")
    if told is None:
        raise WireError("the envelope holds no answer of WebServiceDiva")
    parts = {etree.QName(part).localname: (part.text or "").strip() for part in told if _is_element(part)}
    status = parts.get(f"{OPERATION}Result", "")
    if not re.fullmatch(r"-?\d{1,9}", status, re.ASCII):
        raise WireError("WebServiceDivaResult is no number")
    return Answer(str(int(status)), _unescaped(parts.get("retour", "")))


def operations(body: bytes, encodings: tuple[str, ...] = ENCODINGS) -> tuple[str, ...]:
    """Return the names of the operations that a WSDL describes in Divalto's namespace.

    Raises:
        WireError: it is no WSDL of that namespace.
    """
    root = _parsed(body, encodings)
    if etree.QName(root).localname != "definitions" or root.get("targetNamespace") != NAMESPACE:
        raise WireError(f"it is no WSDL of {NAMESPACE}")
    described = root.iterfind("{http://schemas.xmlsoap.org/wsdl/}portType/{*}operation")
    return tuple(dict.fromkeys(operation.get("name") or "" for operation in described))


def _parsed(body: bytes, encodings: tuple[str, ...]) -> etree._Element:
    text = _DECLARATION.sub("", read_text(body, encodings), count=1).strip()
    try:
        return etree.fromstring(text.encode(), _SAFE)
    except (etree.XMLSyntaxError, ValueError, RecursionError) as error:
        raise WireError("the answer is no XML") from error


def _is_element(part: etree._Element) -> bool:
    return isinstance(part.tag, str)


def _unescaped(retour: str) -> str:
    """Undo the HTML escaping that some sites put around `retour`; JSON, XML and plain text never look so.

    >>> _unescaped("{&quot;a&quot;:1}"), _unescaped('{"a":"&lt;"}'), _unescaped("Tiers inexistant")
    ('{"a":1}', '{"a":"&lt;"}', 'Tiers inexistant')
    """
    if "<" in retour or '"' in retour or not _ENTITY.search(retour):
        return retour
    return html.unescape(retour).strip()
