"""The simulator itself: one state behind REST, SOAP and web hooks, as awkward as the notes say."""

import html
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import trio
from lxml import etree

from adapters.erps.divalto import wire
from adapters.erps.divalto.simulator import Divalto
from adapters.erps.divalto.simulator.rehearsal import Site, order
from adapters.erps.divalto.simulator.soap import ENVELOPE, NAMESPACE, SOAP_PATH
from adapters.http.client import Client

REST = "/DhsDivaltoServiceDivaApiRest"


@pytest.fixture
async def http(site: Site) -> AsyncGenerator[Client]:
    client = Client("raw", site.settings.url.removesuffix(REST))
    yield client
    await client.aclose()


async def soap(http: Client, action: str, param: str) -> tuple[int, str]:
    body = (
        f'<soap:Envelope xmlns:soap="{ENVELOPE}"><soap:Body><WebServiceDiva xmlns="{NAMESPACE}">'
        f"<action>{html.escape(action)}</action><param>{html.escape(param)}</param>"
        "</WebServiceDiva></soap:Body></soap:Envelope>"
    )
    answer = await http.exchange("POST", SOAP_PATH, content=body.encode())
    found = etree.fromstring(answer.body).find(f".//{{{NAMESPACE}}}WebServiceDivaResponse")
    assert found is not None
    return int(found[0].text or ""), found[1].text or ""


async def execute(http: Client, action: str, param: str) -> Any:  # noqa: ANN401 - whatever it answers
    account = Divalto().account
    asked = wire.auth_request(
        domain=account.domain, user=account.user, password=account.password, env=account.env
    )
    token = wire.read_envelope((await http.exchange("POST", REST + wire.AUTH_PATH, content=asked)).body).token
    body = wire.execute_request(action, token, param)
    return json.loads((await http.exchange("POST", REST + wire.EXECUTE_PATH, content=body)).body)


async def test_soap_and_rest_show_one_state(site: Site, http: Client) -> None:
    await site.erp.carry_out(order(), None)
    status, told = await soap(http, "<ACTION>ENTETES", "<DOS>1<TIERS>WEB<PICOD>2<DEBUT>20260101<FIN>20261231")
    (header,) = json.loads(told)["entete"]
    assert (status, header["piecetiers"]) == (0, "main-1042")
    status, told = await soap(
        http, "<ACTION>DETAIL_PIECE", f"<DOS>1<TIERS>WEB<PICOD>2<numero>{header['numero']}"
    )
    assert [line["ref"] for line in json.loads(told)["lignes"]] == ["TEAPOT", "CUP", "PORT"]
    status, told = await soap(http, "<action>INTERROGER_STOCK", "<REF>TEAPOT<DEPOT>*")
    assert [(row["depot"], row["qte"]) for row in json.loads(told)["stock"]] == [
        ("D01", "10.000"),
        ("D02", "5.000"),
    ]


async def test_an_order_without_a_reference_is_there_twice_when_it_is_sent_twice(
    site: Site, http: Client
) -> None:
    param = "<DOS>1<TIERS>WEB<PICOD>2<REF>CUP<SREF1><SREF2><QTE>2<REF>TEAPOT<QTE>1"
    assert [await soap(http, "<ACTION>CREER_CDE", param) for _ in range(2)] == [
        (0, '{"num_cde": "1"}'),
        (0, '{"num_cde": "2"}'),
    ]
    assert len(site.divalto.pieces()) == 2
    assert site.divalto.pieces()[0].lines == (("CUP", "D01", 2), ("TEAPOT", "D01", 1))


async def test_what_soap_refuses_has_a_status_and_a_text(site: Site, http: Client) -> None:
    assert await soap(http, "<ACTION>CREER_CDE", "<TIERS>NOBODY<REF>CUP<QTE>1") == (3, "Tiers inexistant")
    assert await soap(http, "<ACTION>INTERROGER_STOCK", "<REF>CUP<DEPOT>D99") == (2, "Dépôt inexistant")
    assert await soap(http, "<ACTION>NONE", "") == (1, "Action inconnue")
    site.divalto.switches.escaped_retour = True
    _, told = await soap(http, "<ACTION>INTERROGER_STOCK", "<REF>CUP<DEPOT>D01")
    assert told.startswith("{&quot;stock&quot;")
    answer = await http.exchange("POST", SOAP_PATH, content=b"no xml")
    assert (answer.status, b"Fault" in answer.body) == (500, True)


async def test_the_wsdl_names_the_operation_and_where_it_is(site: Site, http: Client) -> None:
    answer = await http.exchange("GET", f"{SOAP_PATH}?wsdl")
    definitions = etree.fromstring(answer.body)
    assert definitions.get("targetNamespace") == NAMESPACE
    (address,) = definitions.iter("{http://schemas.xmlsoap.org/wsdl/soap/}address")
    assert address.get("location") == site.settings.url.removesuffix(REST) + SOAP_PATH


async def test_the_older_xml_goes_through_execute_and_declares_an_encoding_that_it_has_not(
    http: Client,
) -> None:
    asked = '<dem><action dos="1" nom="INTERROGER_STOCK"><ref>CUP</ref><depot>*</depot></action></dem>'
    told = (await execute(http, "SYNCHRO_INFINITY_AGILEO", asked))["result"]
    assert told.startswith('<?xml version="1.0" encoding="ISO-8859-1"?>')
    assert "<qte>20.000</qte>" in told
    bomb = '<!DOCTYPE x [<!ENTITY e "CUP">]><dem><action nom="INTERROGER_STOCK"><ref>&e;</ref></action></dem>'
    assert "Article inexistant" in (await execute(http, "SYNCHRO_INFINITY_AGILEO", bomb))["result"]


async def test_divas_json_takes_single_quotes(site: Site, http: Client) -> None:
    param = (
        "{'action': {'swinfinity': 'integration_piece'},"
        " 'data': {'ipar': {'PCEACTION': 'C'}, 'ient': {'TICOD': 'C',"
        "'PICOD': '2', 'TIERS': 'WEB', 'DEPO': 'D01', 'OP': 'C'}, 'imouvtb': [{'REF': 'CUP', 'QTE': '1'}]}}"
    )
    answer = await execute(http, "WEB_SERVICE_INFINITY", param)
    assert wire.read_result(answer["result"]).code == "0"
    assert len(site.divalto.pieces()) == 1


async def test_a_web_hook_is_taken_under_a_known_code_alone(site: Site, http: Client) -> None:
    site.divalto.web_hooks.codes.add("s3cret")
    known = await http.exchange(
        "POST", f"{REST}/api/v1/WebHook/s3cret?dos=1", content=b'{"evenement":{"id":1}}'
    )
    other = await http.exchange("POST", f"{REST}/api/v1/WebHook/other", content=b"{}")
    assert (known.status, other.status) == (200, 400)
    assert site.divalto.web_hooks.taken == [{"dos": "1", "evenement": {"id": 1}}]


async def test_reads_are_padded_and_every_value_is_a_string(site: Site) -> None:
    await site.erp.carry_out(order(), None)
    seen: list[bytes] = []

    def keep(answer: Any) -> Any:  # noqa: ANN401 - passes through
        seen.append(answer.body)
        return answer

    site.divalto.faults.change_next(keep)
    await site.erp.find(order())
    (row,) = json.loads(seen[0])["records"]
    assert row["record"]["PINOTIERS"] == "main-1042".ljust(20)
    assert row["record"]["PICOD"] == "2"
    assert all(isinstance(value, str) for value in row["record"].values())


async def test_texts_that_columns_cannot_hold_are_refused_or_changed_as_the_site_does(
    site: Site, http: Client
) -> None:
    def asked(name: str, reference: str) -> str:
        ient = {"TICOD": "C", "PICOD": "2", "TIERS": "WEB", "DEPO": "D01", "OP": "C", "PINOTIERS": reference}
        lines = [{"REF": "CUP", "QTE": "1", "DES": name}]
        data = {"ipar": {"PCEACTION": "C"}, "ient": ient, "imouvtb": lines}
        return wire.business_param("integration_piece", {"dos": "1"}, data, inside=True)

    async def code(name: str, reference: str) -> str:
        answer = await execute(http, "WEB_SERVICE_INFINITY", asked(name, reference))
        return wire.read_result(answer["result"]).code

    assert await code("茶", "a") == "3"
    assert await code("tea", "x" * 21) == "3"
    site.divalto.switches.not_latin1, site.divalto.switches.too_long = "replace", "cut"
    assert await code("茶", "x" * 21) == "0"
    assert site.divalto.pieces()[0].reference == "x" * 20


async def test_the_first_call_is_slow_and_the_others_share_processes(site: Site) -> None:
    switches = site.divalto.switches
    switches.cold_seconds, switches.warm_seconds, switches.processes = 0.2, 0.0, 1
    began = trio.current_time()
    await site.erp.find(order())
    cold = trio.current_time() - began
    assert cold >= 0.2
