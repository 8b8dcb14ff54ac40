"""The simulated WebServiceDiva.asmx: a WSDL, one operation with two strings, no authentication of its own.

It owns the envelope; what is asked for is `historic` and `infinity`.
"""

import html

from lxml import etree

from adapters.erps.divalto.simulator.historic import Historic, hmp
from adapters.erps.divalto.simulator.infinity import Infinity
from adapters.erps.divalto.simulator.switches import Switches
from adapters.erps.divalto.spelling import Spelling
from adapters.http.server import Request, Response

SOAP_PATH = "/WebServiceDiva/WebServiceDiva.asmx"
NAMESPACE = "http://www.Divalto.fr/WebService/"
ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"

_SAFE = etree.XMLParser(resolve_entities=False, no_network=True)

WSDL = """<?xml version="1.0" encoding="utf-8"?>
<wsdl:definitions xmlns:s="http://www.w3.org/2001/XMLSchema" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"
    xmlns:tns="{namespace}" xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" targetNamespace="{namespace}">
  <wsdl:types><s:schema elementFormDefault="qualified" targetNamespace="{namespace}">
    <s:element name="WebServiceDiva"><s:complexType><s:sequence>
      <s:element minOccurs="0" maxOccurs="1" name="action" type="s:string"/>
      <s:element minOccurs="0" maxOccurs="1" name="param" type="s:string"/>
    </s:sequence></s:complexType></s:element>
    <s:element name="WebServiceDivaResponse"><s:complexType><s:sequence>
      <s:element minOccurs="1" maxOccurs="1" name="WebServiceDivaResult" type="s:int"/>
      <s:element minOccurs="0" maxOccurs="1" name="retour" type="s:string"/>
    </s:sequence></s:complexType></s:element>
  </s:schema></wsdl:types>
  <wsdl:message name="WebServiceDivaSoapIn">
    <wsdl:part name="parameters" element="tns:WebServiceDiva"/></wsdl:message>
  <wsdl:message name="WebServiceDivaSoapOut">
    <wsdl:part name="parameters" element="tns:WebServiceDivaResponse"/></wsdl:message>
  <wsdl:portType name="DivaltoServiceSoap"><wsdl:operation name="WebServiceDiva">
    <wsdl:input message="tns:WebServiceDivaSoapIn"/><wsdl:output message="tns:WebServiceDivaSoapOut"/>
  </wsdl:operation></wsdl:portType>
  <wsdl:binding name="DivaltoServiceSoap" type="tns:DivaltoServiceSoap">
    <soap:binding transport="http://schemas.xmlsoap.org/soap/http"/>
    <wsdl:operation name="WebServiceDiva">
      <soap:operation soapAction="{namespace}WebServiceDiva" style="document"/>
      <wsdl:input><soap:body use="literal"/></wsdl:input><wsdl:output><soap:body use="literal"/></wsdl:output>
    </wsdl:operation>
  </wsdl:binding>
  <wsdl:service name="DivaltoService"><wsdl:port name="DivaltoServiceSoap" binding="tns:DivaltoServiceSoap">
    <soap:address location="{location}"/></wsdl:port></wsdl:service>
</wsdl:definitions>
"""


class Soap:
    """The SOAP endpoint over one company file."""

    def __init__(
        self, infinity: Infinity, historic: Historic, switches: Switches, spelling: Spelling
    ) -> None:
        self._infinity = infinity
        self._historic = historic
        self._switches = switches
        self._spelling = spelling

    def writes(self, request: Request) -> bool:
        """Return whether the action called takes the time of a business action."""
        called = (self._spelling.service, "INTEGRER_PIECE", "CREER_CDE", "CREER_CLIENT")
        return any(f"ACTION&gt;{name}".encode() in request.body for name in called)

    def answer(self, request: Request) -> Response:
        """Answer a request for the WSDL or a call of the one operation."""
        if request.method == "GET":
            location = f"http://{request.header('host') or 'localhost'}{SOAP_PATH}"
            return _xml(200, WSDL.format(namespace=NAMESPACE, location=location))
        try:
            envelope = etree.fromstring(request.body, _SAFE)
        except (etree.XMLSyntaxError, ValueError):
            return _fault("soap:Client", "Server was unable to read request.")
        call = envelope.find(f"{{{ENVELOPE}}}Body/{{{NAMESPACE}}}WebServiceDiva")
        if call is None:
            return _fault("soap:Client", "Server did not recognize the operation.")
        asked = {etree.QName(part).localname: part.text or "" for part in call}
        status, told = self._act(asked.get("action", ""), asked.get("param", ""))
        if self._switches.escaped_retour:
            told = html.escape(told)
        return _xml(
            200,
            f'<?xml version="1.0" encoding="{self._switches.declared}"?>'
            f'<soap:Envelope xmlns:soap="{ENVELOPE}"><soap:Body><WebServiceDivaResponse xmlns="{NAMESPACE}">'
            f"<WebServiceDivaResult>{status}</WebServiceDivaResult><retour>{html.escape(told)}</retour>"
            "</WebServiceDivaResponse></soap:Body></soap:Envelope>",
            self._switches.sent,
        )

    def _act(self, action: str, param: str) -> tuple[int, str]:
        name = dict(hmp(action)).get("ACTION", "")
        if name == self._spelling.service:
            return 0, self._infinity.answer(param)
        return self._historic.answer_hmp(name, param)


def _fault(code: str, text: str) -> Response:
    return _xml(
        500,
        f'<soap:Envelope xmlns:soap="{ENVELOPE}"><soap:Body><soap:Fault><faultcode>{code}</faultcode>'
        f"<faultstring>{text}</faultstring></soap:Fault></soap:Body></soap:Envelope>",
    )


def _xml(status: int, text: str, encoding: str = "utf-8") -> Response:
    return Response(status, text.encode(encoding, "replace"), (("Content-Type", "text/xml"),))
