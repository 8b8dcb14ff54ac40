"""Service actions that this site has had made for itself: pieces in HMP, lists in JSON, XML and text.

It owns their shapes, which are made up, as a site's own are; `PROFILE` is what a profile has to say of them.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from lxml import etree

from adapters.erps.divalto.questions import Actions, Question
from adapters.erps.divalto.simulator.asked import NOT_FOUND, BusinessError
from adapters.erps.divalto.simulator.business import Business
from adapters.erps.divalto.simulator.views import Row, Views

Asked = Sequence[tuple[str, str]]

PROFILE = Actions(
    write=Question(
        action="INTEGRER_PIECE",
        ask=(
            "<DOS>${DOS}<PCEACTION>${PCEACTION}<PICODFIN>${PICODFIN}<CTRL>${PcePiRefCtrFl}<TICOD>${TICOD}"
            "<PICOD>${PICOD}<TIERS>${TIERS}<PREFPINO>${PREFPINO}<PINO>${PINO}<PINOTIERS>${PINOTIERS}<PIREF>${PIREF}"
            "<PIDT>${PIDT}<OP>${OP}<DEPO>${DEPO}<DEV>${DEV}<CE4>${CE4}<ADRTYP_0003>${ADRTYP_0003}"
            "<ADRESSE>${address}${lines}"
        ),
        line="<LIGNE><ENRNO>${ENRNO}<REF>${REF}<SREF1>${SREF1}<SREF2>${SREF2}<QTE>${QTE}<PUB>${PUB}<PPAR>${PPAR}"
        "<DEPO>${DEPO}<OP>${OP}<CEF>${CEF}<GRATUITFL>${GRATUITFL}",
        address="<NOM>${NOM}<RUE>${RUE}<CPOSTAL>${CPOSTAL}<VIL>${VIL}<PAY>${PAY}",
        answer="text",
        code="1",
        message="2",
        number="3",
        prefix="4",
        stage="5",
        amount="6",
    ),
    pieces=msgspec.structs.replace(
        Actions().pieces,
        ask="<DOS>${DOS}<TICOD>${TICOD}<TIERS>${TIERS}<PICOD>${PICOD}<DEBUT>${FROM}<FIN>${TO}",
    ),
    customer=Question(
        action="CREER_CLIENT",
        form="xml",
        ask="<client><TIERS>${TIERS}</TIERS><NOM>${NOM}</NOM><VISA>${VISA}</VISA></client>",
        answer="xml",
        message="erreur",
    ),
    customers=Question(
        action="CLIENT",
        ask="<DOS>${DOS}<TIERS>${TIERS}",
        answer="text",
        nothing=("2",),
        columns={"TIERS": "1", "VISA": "2", "FEU": "3", "HSDT": "4"},
    ),
    articles=Question(
        action="LISTE_ARTICLES", form="xml", ask="<dos>${DOS}</dos>", answer="xml", rows="article"
    ),
    expected=Question(
        action="ATTENDUS", form="json", ask='{"dos":"${DOS}","picod":"${PICOD}"}', rows="lignes"
    ),
    changed=Question(action="MODIFIEES", ask="<DOS>${DOS}<DEPUIS>${USERMODH}", rows="pieces"),
    moved=Question(action="MOUVEMENTS", ask="<DOS>${DOS}<TICOD>${TICOD}<DEPUIS>${USERMODH}", rows="lignes"),
)


class Custom:
    """The site's own actions over one company file."""

    def __init__(self, business: Business, views: Views) -> None:
        self._business = business
        self._views = views
        self.actions: Mapping[str, Callable[[str, Asked], str]] = {
            "INTEGRER_PIECE": self._integrate,
            "CREER_CLIENT": self._make_customer,
            "CLIENT": self._customer,
            "LISTE_ARTICLES": self._articles,
            "ATTENDUS": self._expected,
            "MODIFIEES": self._changed,
            "MOUVEMENTS": self._moved,
        }

    def _integrate(self, _param: str, asked: Asked) -> str:
        parts: list[tuple[str, dict[str, str]]] = [("ient", {})]
        for name, value in asked:
            if name in ("ADRESSE", "LIGNE"):
                parts.append((name, {}))
            elif value:
                parts[-1][1][name] = value
        header = parts[0][1]
        header["PcePiRefCtrFl"] = header.pop("CTRL", "1")
        try:
            piece = self._business.integrate(
                {
                    "ipar": header,
                    "ient": header,
                    "ieadtb": [fields for name, fields in parts if name == "ADRESSE"],
                    "imouvtb": [fields for name, fields in parts if name == "LIGNE"],
                }
            )
        except BusinessError as error:
            return f"{error.code};{error.message}"
        return f"0;;{piece.pino};{piece.prefix};{piece.picod};{piece.amount:.2f}"

    def _make_customer(self, param: str, _asked: Asked) -> str:
        answer = etree.Element("reponse")
        fields = {str(part.tag): part.text or "" for part in etree.fromstring(param)}
        try:
            etree.SubElement(answer, "tiers").text = self._business.make_customer({"icli": fields})
        except BusinessError as error:
            etree.SubElement(answer, "erreur").text = error.message
        return etree.tostring(answer, encoding="unicode")

    def _customer(self, _param: str, asked: Asked) -> str:
        for row in self._views.customers():
            if row["TIERS"].rstrip() == dict(asked).get("TIERS"):
                return ";".join(row[column] for column in ("TIERS", "VISA", "FEU", "HSDT"))
        raise BusinessError(NOT_FOUND, "Tiers inexistant")

    def _articles(self, _param: str, _asked: Asked) -> str:
        answer = etree.Element("articles")
        for row in self._views.articles():
            line = etree.SubElement(answer, "article")
            for column, value in row.items():
                etree.SubElement(line, column).text = value
        return '<?xml version="1.0" encording="ISO-8859-1"?>' + etree.tostring(answer, encoding="unicode")

    def _expected(self, _param: str, _asked: Asked) -> str:
        return _json(lignes=self._views.expected())

    def _changed(self, _param: str, asked: Asked) -> str:
        since = dict(asked).get("DEPUIS", "")
        return _json(pieces=[row for row in self._views.pieces("C") if row["USERMODH"] >= since])

    def _moved(self, _param: str, asked: Asked) -> str:
        since, ticod = dict(asked).get("DEPUIS", ""), dict(asked).get("TICOD", "")
        rows = [row for row in self._views.moved() if row["USERMODH"] >= since and row["TICOD"] == ticod]
        return _json(lignes=rows)


def _json(**tables: list[Row]) -> str:
    told: Mapping[str, Any] = tables
    return json.dumps(told, ensure_ascii=False)
