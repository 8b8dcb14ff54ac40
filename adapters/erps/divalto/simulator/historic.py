"""The older actions: XML over Execute, HMP over SOAP; stock, orders without a reference, headers and lines.

It owns their shapes. Tags of answers that no documentation shows are made up, as a site's own would be.
"""

import html
import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from lxml import etree

from adapters.erps.divalto.simulator.asked import BusinessError, whole
from adapters.erps.divalto.simulator.business import Business
from adapters.erps.divalto.simulator.custom import Custom
from adapters.erps.divalto.simulator.switches import Switches
from adapters.erps.divalto.simulator.tables import ArticleKey, Header, Tables
from adapters.erps.divalto.spelling import Spelling

HISTORIC_ACTION = "SYNCHRO_INFINITY_AGILEO"

_TAG = re.compile(r"<([A-Za-z0-9_]+)>([^<]*)")
_SAFE = etree.XMLParser(resolve_entities=False, no_network=True)


def hmp(text: str) -> list[tuple[str, str]]:
    """Return the tags of Harmony Markup Parameters in order, upper case: "<k>v<k2>v2", no closing tags.

    >>> hmp("<DOS>1<REF>A<ref>B")
    [('DOS', '1'), ('REF', 'A'), ('REF', 'B')]
    """
    return [(name.upper(), html.unescape(value).strip()) for name, value in _TAG.findall(text)]


class Historic:
    """The older actions over one company file."""

    def __init__(
        self, tables: Tables, business: Business, custom: Custom, switches: Switches, spelling: Spelling
    ) -> None:
        self._tables = tables
        self._custom = custom
        self._switches = switches
        self._business = business
        self._spelling = spelling
        self._actions: Mapping[str, Callable[[list[tuple[str, str]]], Mapping[str, Any]]] = {
            "INTERROGER_STOCK": self._stock,
            "CREER_CDE": self._create_order,
            "ENTETES": self._headers,
            "DETAIL_PIECE": self._lines,
        }

    def answer_hmp(self, action: str, param: str) -> tuple[int, str]:
        """Carry out an action by its name and HMP parameters; return the status and `retour`."""
        act, own = self._actions.get(action.upper()), self._custom.actions.get(action.upper())
        try:
            if act is not None:
                return 0, json.dumps(act(hmp(param)), ensure_ascii=False)
            if own is not None:
                return 0, own(param, hmp(param))
        except BusinessError as error:
            return int(error.code), error.message
        return 1, "Action inconnue"

    def answer_xml(self, param: str) -> str:
        """Carry out `<dem><action dos=".." nom="INTERROGER_STOCK"><ref>..</ref>...</dem>`; return XML."""
        answer = etree.Element("rep", version="1")
        try:
            action = etree.fromstring(param.encode(), _SAFE).find("action")
        except etree.XMLSyntaxError:
            action = None
        name = "" if action is None else (action.get("nom") or "")
        told = etree.SubElement(answer, "action", dos=self._tables.dos, nom=name.lower())
        if action is None or name.upper() != "INTERROGER_STOCK":
            etree.SubElement(told, "erreur").text = "Action inconnue"
        else:
            asked = [(str(tag.tag).upper(), (tag.text or "").strip()) for tag in action]
            try:
                for row in self._stock(asked)["stock"]:
                    line = etree.SubElement(told, "stock")
                    for column, value in row.items():
                        etree.SubElement(line, column).text = value
            except BusinessError as error:
                etree.SubElement(told, "erreur").text = error.message
        # Declared as ISO-8859-1, while the JSON around it is UTF-8: as Divalto does.
        return '<?xml version="1.0" encoding="ISO-8859-1"?>' + etree.tostring(answer, encoding="unicode")

    def _stock(self, asked: list[tuple[str, str]]) -> Mapping[str, Any]:
        given = dict(asked)
        ref = given.get("REF", "")
        if ref not in self._tables.articles and not (ref == "*" and self._switches.stock_of_all):
            raise BusinessError("2", "Article inexistant")
        depot = given.get("DEPOT", "*")
        if depot != "*" and depot not in self._tables.depots:
            raise BusinessError("2", "Dépôt inexistant")
        units: dict[tuple[ArticleKey, str, str], Decimal] = {}
        for key, balance in self._tables.balances.items():
            if ref in ("*", key.article.ref) and depot in ("*", key.depot):
                at = (key.article, key.depot, key.nature)
                units[at] = units.get(at, Decimal(0)) + balance
        return {
            "stock": [
                {"ref": at.ref, "sref1": at.sref1, "sref2": at.sref2, "depot": lies}
                | {"nature": nature, "qte": f"{total:.3f}"}
                for (at, lies, nature), total in sorted(units.items())
            ]
        }

    def _create_order(self, asked: list[tuple[str, str]]) -> Mapping[str, Any]:
        """Make an order without any foreign reference: sent twice, it is there twice."""
        given = dict(asked)
        lines: list[dict[str, str]] = []
        for name, value in asked:
            if name == "REF":
                lines.append({"REF": value})
            elif name in ("SREF1", "SREF2") and lines:
                lines[-1][name] = value
            elif name == "QTE" and lines:
                lines[-1][self._spelling.quantity] = value
        header = {"TICOD": "C", "PICOD": "2", "TIERS": given.get("TIERS", ""), "OP": "C"}
        depot = given.get("DEPOT") or next(iter(sorted(self._tables.depots)), "")
        piece = self._business.integrate(
            {
                "ipar": {self._spelling.duty: self._spelling.duty_create},
                "ient": {**header, "DEPO": depot, "BLMOD": given.get("BLMOD", "")},
                "imouvtb": lines,
            }
        )
        return {"num_cde": str(piece.pino)}

    def _headers(self, asked: list[tuple[str, str]]) -> Mapping[str, Any]:
        given = dict(asked)
        begins, ends = given.get("DEBUT", ""), given.get("FIN") or "99999999"
        found = [
            piece
            for piece in self._tables.headers
            if (piece.ticod, piece.tiers) == (given.get("TICOD", "C"), given.get("TIERS", ""))
            and str(piece.picod) == given.get("PICOD", "2")
            and begins <= piece.pidt <= ends
        ]
        return {"entete": [self._header(piece) for piece in found]}

    def _header(self, piece: Header) -> Mapping[str, str]:
        return {
            "numero": str(piece.pino),
            "prefixe": piece.prefix,
            "date": piece.pidt,
            "reference": piece.piref,
            "piecetiers": piece.pinotiers,
            "ce4": piece.state,
            "ht": f"{piece.amount:.2f}",
        }

    def _lines(self, asked: list[tuple[str, str]]) -> Mapping[str, Any]:
        given = dict(asked)
        stage, number = whole(given.get("PICOD", ""), "PICOD"), whole(given.get("NUMERO", ""), "NUMERO")
        piece = self._tables.header("C", stage, given.get("PREFIXE", ""), number)
        if piece is None:
            raise BusinessError("2", "Pièce inexistante")
        return {
            "lignes": [
                {"enrno": str(line.enrno), "ref": line.article.ref, "sref1": line.article.sref1}
                | {
                    "sref2": line.article.sref2,
                    "depot": line.depo,
                    "ce4": line.state,
                    "qte": f"{line.units:.3f}",
                    "pub": f"{line.pub:.4f}",
                }
                for line in piece.lines
            ]
        }
