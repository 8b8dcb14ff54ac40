"""SOAP's envelope: what goes out is what a SOAP library would send, what comes in may lie about itself."""

import html
import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from adapters.erps.divalto import envelope
from adapters.erps.divalto.simulator.soap import WSDL
from adapters.erps.divalto.wire import WireError

steady = settings(deadline=None, derandomize=True)

BY_ZEEP = (
    '<soap-env:Envelope xmlns:soap-env="http://schemas.xmlsoap.org/soap/envelope/"><soap-env:Body>'
    '<ns0:WebServiceDiva xmlns:ns0="http://www.Divalto.fr/WebService/">'
    "<ns0:action>&lt;ACTION&gt;ENTETES</ns0:action>"
    "<ns0:param>&lt;DOS&gt;1&lt;TIERS&gt;&#201;&amp;B</ns0:param>"
    "</ns0:WebServiceDiva></soap-env:Body></soap-env:Envelope>"
)
"""What zeep 4.3 makes of the WSDL for the same call."""


def answered(retour: str, status: str = "0", declared: str = "utf-8", sent: str = "utf-8") -> bytes:
    return (
        f'<?xml version="1.0" encoding="{declared}"?>'
        f'<soap:Envelope xmlns:soap="{envelope.ENVELOPE}"><soap:Body>'
        f'<WebServiceDivaResponse xmlns="{envelope.NAMESPACE}">'
        f"<WebServiceDivaResult>{status}</WebServiceDivaResult>"
        f"<retour>{html.escape(retour)}</retour></WebServiceDivaResponse></soap:Body></soap:Envelope>"
    ).encode(sent)


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1"])
def test_a_call_is_what_a_soap_library_would_send(encoding: str) -> None:
    ours = envelope.request("ENTETES", "<DOS>1<TIERS>É&B", encoding)
    assert outline(etree.fromstring(ours)) == outline(etree.fromstring(BY_ZEEP))


def outline(element: etree._Element) -> tuple[object, ...]:
    return (element.tag, sorted(element.attrib.items()), (element.text or "").strip(), *map(outline, element))


@steady
@given(st.text(max_size=60), st.sampled_from(["utf-8", "iso-8859-1"]))
def test_every_text_can_be_sent_and_ends_no_tag_of_its_own(text: str, encoding: str) -> None:
    body = etree.fromstring(envelope.request("ACT", text, encoding))
    (param,) = body.iter(f"{{{envelope.NAMESPACE}}}param")
    assert len(param) == 0
    assert len(param.text or "") >= len(text) - text.count("\r")


@pytest.mark.parametrize(
    ("declared", "sent"),
    [("utf-8", "utf-8"), ("iso-8859-1", "utf-8"), ("utf-8", "iso-8859-1"), ("iso-8859-1", "iso-8859-1")],
)
def test_an_answer_is_read_in_the_encoding_it_has_whatever_it_declares(declared: str, sent: str) -> None:
    told = envelope.read(answered("Dépôt inexistant", "3", declared, sent))
    assert told == ("3", "Dépôt inexistant")


def test_letters_of_windows_are_read_too() -> None:
    assert (
        envelope.read(answered("Œuvre à 5 €", declared="iso-8859-1", sent="cp1252")).retour == "Œuvre à 5 €"
    )


@pytest.mark.parametrize(
    "retour",
    ['{"stock": [{"ref": "A&B", "qte": "1"}]}', "<rep><ref>A &amp; B</ref></rep>", "L'article doit être"],
)
def test_a_retour_that_is_escaped_once_more_is_understood_as_the_other_is(retour: str) -> None:
    assert envelope.read(answered(retour)).retour == retour
    assert envelope.read(answered(html.escape(retour))).retour == retour


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>Server Error</body></html>",
        b'{"error":0}',
        answered("x", status="well"),
        answered("x").replace(b"Response", b"Answer"),
        b"<" * 10_000,
        b"\xff\xfe\x00",
    ],
)
def test_what_is_no_answer_of_the_operation_is_malformed_and_not_quoted(body: bytes) -> None:
    with pytest.raises(WireError) as raised:
        envelope.read(body)
    assert "Server Error" not in repr(raised.value)


@steady
@given(st.binary(max_size=200))
def test_no_bytes_at_all_break_the_reader(body: bytes) -> None:
    with suppress(WireError):
        envelope.read(body)


def test_no_entity_is_expanded() -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY e "boom">]>' + answered("x").partition(b"?>")[2].replace(b">x<", b">&e;<")
    assert "boom" not in envelope.read(bomb).retour


def test_a_large_stock_fits_into_one_answer() -> None:
    retour = json.dumps({"stock": [{"ref": f"ARTICLE{number:018}"} for number in range(400_000)]})
    assert len(retour) > 10_000_000
    assert envelope.read(answered(retour)).retour == retour


def test_the_wsdl_tells_its_operation_and_another_is_none() -> None:
    wsdl = WSDL.format(namespace=envelope.NAMESPACE, location="http://x").encode()
    assert envelope.operations(wsdl) == ("WebServiceDiva",)
    with pytest.raises(WireError):
        envelope.operations(wsdl.replace(b"www.Divalto.fr", b"example.org"))
