"""RecordSql over the simulated company file: opened dictionaries, compiled conditions, pages.

It owns which rows a condition selects; how they look is `views`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from adapters.erps.divalto.simulator.switches import Switches
from adapters.erps.divalto.simulator.tables import Tables
from adapters.erps.divalto.simulator.views import Row, Views
from adapters.erps.divalto.spelling import Dictionary, Spelling

_NUMBER = re.compile(r"\A(-?\d+)\.(\d+)\Z")

Condition = Callable[[Mapping[str, str]], Iterable[Row]]


class RecordsError(Exception):
    """The technical no of RecordSql; its text goes into `txterr`."""


class Records:
    """The reads of one company file."""

    def __init__(self, tables: Tables, views: Views, switches: Switches, spelling: Spelling) -> None:
        self._tables = tables
        self._views = views
        self._switches = switches
        self._conditions: dict[tuple[str, str, str], Condition] = {}
        self._kept_for: tuple[object, ...] = ()
        self._kept: list[Row] = []
        pieces = spelling.pieces
        self._open(pieces, pieces.equal, lambda key: self._pieces(key, _of(key, "tiers")))
        self._open(pieces, pieces.beginning, lambda key: self._pieces_beginning(key, _of(key, "tiers")))
        self._open(pieces, pieces.reference, lambda key: self._pieces(key, None))
        self._open(pieces, pieces.reference_beginning, lambda key: self._pieces_beginning(key, None))
        self._open(spelling.lines, spelling.lines.equal, self._lines_of_piece)
        self._open(spelling.stock, spelling.stock.equal, self._stock)
        self._open(spelling.articles, spelling.articles.equal, lambda _key: views.articles())
        self._open(spelling.customers, spelling.customers.equal, self._customer)
        self._open(spelling.expected, spelling.expected.equal, lambda _key: views.expected())
        self._open(spelling.changed, spelling.changed.equal, self._changed)
        self._open(spelling.moved, spelling.moved.equal, self._moved)

    def _open(self, dictionary: Dictionary, condition: str, rows: Condition) -> None:
        if condition:
            self._conditions[dictionary.dhoq, dictionary.recordsql, condition] = rows

    def select(self, asked: Mapping[str, Any]) -> list[Row]:
        """Return one page of rows, reduced to the fields asked for.

        Raises:
            RecordsError: the dictionary is not opened, or the condition or a field does not exist.
        """
        name = (str(asked.get("dhoq", "")), str(asked.get("recordsql", "")))
        if not self._switches.opened or name not in {condition[:2] for condition in self._conditions}:
            raise RecordsError(f"Dictionnaire non autorisé: {name[0]}")
        condition = self._conditions.get((*name, str(asked.get("where", ""))))
        if condition is None:
            raise RecordsError("Condition inexistante")
        rows = self._in_order(
            condition, str(asked.get("where_parameters", "")), str(asked.get("orderby", ""))
        )
        offset, count = int(asked.get("offset", 0)), int(asked.get("count", 0)) or self._switches.rows_max
        page = rows[offset : offset + min(count, self._switches.rows_max)]
        fields = [column for column in str(asked.get("fields", "")).split(";") if column not in ("", "*")]
        if page and any(column not in page[0] for column in fields):
            raise RecordsError("Champ inexistant")
        return [{column: self._told(row[column]) for column in fields or row} for row in page]

    def _told(self, value: str) -> str:
        return _NUMBER.sub(r"\1,\2", value) if self._switches.decimal == "," else value

    def _in_order(self, condition: Condition, parameters: str, orderby: str) -> list[Row]:
        """Return all rows in order; those of stock are kept until it moves, as an index would serve pages."""
        asked = (condition, parameters, orderby, len(self._tables.movements))
        if asked == self._kept_for:
            return self._kept
        rows = list(condition(_parameters(parameters)))
        order = [column for column in orderby.split(";") if column]
        rows.sort(key=lambda row: [row.get(column, "") for column in order])
        if condition == self._stock:
            self._kept_for, self._kept = asked, rows
        return rows

    def _stock(self, key: Mapping[str, str]) -> Iterable[Row]:
        return self._views.stock(_of(key, "depo"))

    def _pieces(self, key: Mapping[str, str], tiers: str | None) -> Iterable[Row]:
        if "piref" in key:
            found = self._tables.with_piref(_of(key, "ticod"), tiers, key["piref"])
        else:
            found = self._tables.with_reference(_of(key, "ticod"), tiers, _of(key, "pinotiers"))
        return map(self._views.piece, found)

    def _pieces_beginning(self, key: Mapping[str, str], tiers: str | None) -> Iterable[Row]:
        if "piref" in key:
            found = self._tables.with_piref_prefix(_of(key, "ticod"), tiers, key["piref"])
        else:
            found = self._tables.with_prefix(_of(key, "ticod"), tiers, _of(key, "pinotiers"))
        return map(self._views.piece, found)

    def _lines_of_piece(self, key: Mapping[str, str]) -> Iterable[Row]:
        piece = self._tables.header(
            _of(key, "ticod"), int(_of(key, "picod")), _of(key, "prefpino"), int(_of(key, "pino"))
        )
        return [] if piece is None else [self._views.line(line) for line in piece.lines]

    def _customer(self, key: Mapping[str, str]) -> Iterable[Row]:
        return [row for row in self._views.customers() if row["TIERS"].rstrip() == _of(key, "tiers")]

    def _changed(self, key: Mapping[str, str]) -> Iterable[Row]:
        since, ticod = _of(key, "usermodh"), _of(key, "ticod")
        return [row for row in self._views.pieces(ticod) if row["USERMODH"] >= since]

    def _moved(self, key: Mapping[str, str]) -> Iterable[Row]:
        since, ticod = _of(key, "usermodh"), _of(key, "ticod")
        return [row for row in self._views.moved() if row["USERMODH"] >= since and row["TICOD"] == ticod]


def _parameters(text: str) -> dict[str, str]:
    return {
        name.strip().lower(): value.rstrip()
        for name, _, value in (part.partition("=") for part in text.split(";"))
    }


def _of(key: Mapping[str, str], name: str) -> str:
    try:
        return key[name]
    except KeyError:
        raise RecordsError(f"Paramètre manquant: {name}") from None
