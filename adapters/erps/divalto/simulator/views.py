"""The simulated company file's tables as they are read: chars padded to their width, numbers as text.

It owns how rows look, whether RecordSql or an export shows them.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from adapters.erps.divalto.simulator.switches import Switches
from adapters.erps.divalto.simulator.tables import (
    ACTIVE,
    INVOICE,
    NOTE,
    ORDER,
    WIDTHS,
    ArticleKey,
    Header,
    Line,
    StockKey,
    Tables,
    ThirdParty,
)
from adapters.erps.divalto.spelling import Spelling

Row = dict[str, str]

QUANTITY = Decimal("0.001")
PRICE = Decimal("0.0001")
AMOUNT = Decimal("0.01")

CLOSED_ON = "20200101"
"""HSDT of whatever is closed."""


class Views:
    """The rows of one company file.

    Attributes:
        names: what the columns of the stock view are called.
    """

    def __init__(self, tables: Tables, switches: Switches, spelling: Spelling) -> None:
        self._tables = tables
        self._switches = switches
        self.names = spelling.stock_columns

    def pieces(self, ticod: str) -> list[Row]:
        """Return every header of a kind (ENT)."""
        return [self.piece(header) for header in self._tables.headers if header.ticod == ticod]

    def piece(self, piece: Header) -> Row:
        """Return a header (ENT)."""
        chars = {
            "DOS": self._tables.dos,
            "TICOD": piece.ticod,
            "TIERS": piece.tiers,
            "ETB": piece.etb,
            "PREFPINO": piece.prefix,
            "PINOTIERS": piece.pinotiers,
            "PIREF": piece.piref,
            "DEPO": piece.depo,
            "OP": piece.op,
            "CE4": piece.state,
            "DEV": piece.dev,
            "USERMO": piece.changed_by,
        }
        numbers = {
            "PICOD": str(piece.picod),
            "PINO": str(piece.pino),
            "PIDT": piece.pidt,
            "ENT_ID": str(piece.ent_id),
            "USERMODH": piece.changed_at,
        }
        return {**_padded(chars), **numbers, "HTMT": _text(piece.amount, AMOUNT)}

    def line(self, line: Line) -> Row:
        """Return a line (MOUV), with what a join with its header shows."""
        chars = {
            "DOS": self._tables.dos,
            "TICOD": line.header.ticod,
            "TIERS": line.header.tiers,
            "PREFPINO": line.header.prefix,
            "REF": line.article.ref,
            "SREF1": line.article.sref1,
            "SREF2": line.article.sref2,
            "DES": line.des,
            "DEPO": line.depo,
            "OP": line.op,
            "CDCE4": line.state,
            "PINOTIERS": line.header.pinotiers,
            "PIREF": line.header.piref,
            "USERMO": line.header.changed_by,
        }
        noted = line.units if line.note_number else Decimal(0)
        billed = line.units if line.header.picod == INVOICE else Decimal(0)
        return {
            **_padded(chars),
            "ENRNO": str(line.enrno),
            "PICOD": str(line.header.picod),
            "PINO": str(line.header.pino),
            "CDNO": str(line.order_number),
            "BLNO": str(line.note_number),
            "DELDEMDT": line.header.due,
            "CDQTE": _text(line.units, QUANTITY),
            "BLQTE": _text(noted, QUANTITY),
            "FAQTE": _text(billed, QUANTITY),
            "SENS": "1" if self._switches.operations[line.op] > 0 else "2",
            "USERMODH": line.header.changed_at,
            "PUB": _text(line.pub, PRICE),
            "PPAR": _text(line.ppar, QUANTITY),
            "MONT": _text(line.amount, AMOUNT),
        }

    def lines(self) -> list[Row]:
        """Return every line (MOUV)."""
        return [self.line(line) for header in self._tables.headers for line in header.lines]

    def expected(self) -> list[Row]:
        """Return the open lines of purchase orders."""
        return [
            self.line(line)
            for header in self._tables.headers
            if (header.ticod, header.picod, header.state) == ("F", ORDER, ACTIVE)
            for line in header.open_lines
        ]

    def moved(self) -> list[Row]:
        """Return the lines of all pieces that moved stock."""
        notes = [header for header in self._tables.headers if header.picod >= NOTE]
        return [self.line(line) for header in notes for line in header.lines]

    def stock(self, depot: str | None) -> list[Row]:
        """Return what lies in a depot, or in all (MVTL_STOCK_V)."""
        reserved = self._reserved()
        return [
            {
                **self._stock_row(stock, units),
                "RESQTE": _text(reserved.get((stock.article, stock.depot), Decimal(0)), QUANTITY),
            }
            for stock, units in self._tables.balances.items()
            if (depot is None or depot.lower() == stock.depot.lower())
            and self._tables.articles[stock.article.ref].stocked
        ]

    def _reserved(self) -> dict[tuple[ArticleKey, str], Decimal]:
        """Return what customers' open orders want of each article in each depot."""
        wanted: dict[tuple[ArticleKey, str], Decimal] = {}
        for header in self._tables.headers:
            if (header.ticod, header.picod) == ("C", ORDER):
                for line in header.open_lines:
                    at = (line.article, line.depo)
                    wanted[at] = wanted.get(at, Decimal(0)) + line.units
        return wanted

    def _stock_row(self, stock: StockKey, units: Decimal) -> Row:
        names = self.names
        chars = {
            "DOSSIER": self._tables.dos,
            names.ref: stock.article.ref,
            names.sref1: stock.article.sref1,
            names.sref2: stock.article.sref2,
            names.depot: stock.depot,
            names.nature: stock.nature,
            "EMPLACEMENT": stock.place,
            "SERIELOT": stock.lot,
        }
        return {**_padded(chars), names.units: _text(units, QUANTITY)}

    def articles(self) -> list[Row]:
        """Return articles joined with their sub-references (ART, SART); one that has any is not alone."""
        return [
            {
                **_padded(
                    {
                        "DOS": self._tables.dos,
                        "REF": article.ref,
                        "SREF1": sref1,
                        "SREF2": sref2,
                        "DES": article.des,
                        "EAN": ean or article.ean,
                        "VENUN": "U",
                        "CONF": "Usrd" if (sref1, sref2) in article.closed_subs else "",
                    }
                ),
                "POIN": _text(article.weight_kg, QUANTITY),
                "HSDT": CLOSED_ON if article.closed else "",
                "STCOD": "2" if article.stocked else "1",
            }
            for article in self._tables.articles.values()
            for (sref1, sref2), ean in (article.subs or {("", ""): article.ean}).items()
        ]

    def customers(self) -> Iterable[Row]:
        """Return every customer (CLI)."""
        return [_customer(known) for (ticod, _), known in self._tables.third_parties.items() if ticod == "C"]


def _customer(known: ThirdParty) -> Row:
    numbers = {"VISA": "2" if known.visa else "1", "FEU": str(known.feu)}
    return {**_padded({"TIERS": known.tiers}), **numbers, "HSDT": CLOSED_ON if known.closed else ""}


def _padded(chars: Mapping[str, str]) -> Row:
    return {column: value.ljust(WIDTHS.get(column, len(value))) for column, value in chars.items()}


def _text(number: Decimal, places: Decimal) -> str:
    return format(number.quantize(places), "f")
