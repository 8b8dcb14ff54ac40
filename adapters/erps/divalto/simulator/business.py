"""What `integration_piece` does: checks, numbers, lines that move to delivery notes, and the stock moved.

It owns the rules of business and their texts. Every check comes before the first change: a piece is written
whole or not.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from adapters.erps.divalto.simulator.asked import (
    BAD_REQUEST,
    NOT_FOUND,
    REFUSED,
    BusinessError,
    block_of,
    number,
    rows_of,
    texts,
    whole,
)
from adapters.erps.divalto.simulator.checks import AskedLine, Checks
from adapters.erps.divalto.simulator.switches import Switches
from adapters.erps.divalto.simulator.tables import (
    CLOSED,
    NOTE,
    ORDER,
    Header,
    Line,
    StockKey,
    Tables,
    ThirdParty,
)
from adapters.erps.divalto.spelling import Spelling


class Business:
    """The piece integrator of one company file.

    Attributes:
        locked: names of pieces that somebody has open in a screen.
        written: how often each foreign reference came in with a piece that was made.
    """

    def __init__(self, tables: Tables, switches: Switches, spelling: Spelling) -> None:
        self._tables = tables
        self._switches = switches
        self._spelling = spelling
        self.locked: set[str] = set()
        self._checks = Checks(tables, switches, spelling, self.locked)
        self.written: Counter[str] = Counter()

    def integrate(self, data: Mapping[str, Any]) -> Header:
        """Carry out one `integration_piece` and return the piece that it made or changed.

        Raises:
            BusinessError: it is refused; nothing has changed.
        """
        duty_block = texts(block_of(data, "ipar"), self._switches)
        header = texts(block_of(data, "ient"), self._switches)
        lines = [texts(line, self._switches) for line in rows_of(data, "imouvtb", "imouv")]
        addresses = [texts(line, self._switches) for line in rows_of(data, "ieadtb", "iead")]
        checked = duty_block.get("PcePiRefCtrFl") == "2" and self._switches.duplicate_check
        duty = duty_block.get(self._spelling.duty, "")
        if duty == self._spelling.duty_create:
            return self._create(header, lines, addresses, checked=checked)
        if duty == self._spelling.duty_modify:
            return self._modify(header, lines)
        if duty == self._spelling.duty_validate:
            target = whole(duty_block.get(self._spelling.target_stage, ""), "PICOD")
            return self._validate(header, lines, target, checked=checked)
        raise BusinessError(BAD_REQUEST, "Action inconnue")

    def make_customer(self, data: Mapping[str, Any]) -> str:
        """Make the customer of a block `icli`, and return its TIERS.

        Raises:
            BusinessError: it is refused; nothing has changed.
        """
        fields = texts(block_of(data, "icli"), self._switches)
        tiers = fields.pop("TIERS", "")
        if not tiers or not fields.get("NOM"):
            raise BusinessError(BAD_REQUEST, "Zone obligatoire: TIERS, NOM")
        if ("C", tiers) in self._tables.third_parties:
            raise BusinessError(REFUSED, "Tiers existe déjà")
        visa = fields.pop("VISA", "1") == "2"
        self._tables.third_parties["C", tiers] = ThirdParty(tiers, visa=visa, more=fields)
        self.written[f"customer {tiers}"] += 1
        return tiers

    # --- create ---

    def _create(
        self,
        header: Mapping[str, str],
        lines: Sequence[Mapping[str, str]],
        addresses: Sequence[Mapping[str, str]],
        *,
        checked: bool,
    ) -> Header:
        ticod, picod = header.get("TICOD", ""), whole(header.get("PICOD", ""), "PICOD")
        if picod not in (1, 2, 3, 4):
            raise BusinessError(BAD_REQUEST, "Type de pièce incorrect")
        tiers = self._checks.usable_third_party(ticod, header.get("TIERS", ""))
        depo = self._checks.depot(header.get("DEPO", ""))
        if not lines:
            raise BusinessError(BAD_REQUEST, "Pièce sans ligne")
        asked = [self._checks.line(line, depo, header.get("OP", "")) for line in lines]
        if checked:
            self._checks.refuse_duplicate(ticod, tiers, header)
        if picod >= NOTE:
            self._checks.refuse_shortage([(line.article, line.depo, line.op, line.units) for line in asked])
        piece = Header(
            ent_id=self._tables.next_record(),
            ticod=ticod,
            picod=picod,
            tiers=tiers,
            etb=header.get("ETB", "1"),
            prefix=header.get("PREFPINO", ""),
            pino=self._tables.next_number(header.get("ETB", "1"), ticod, picod, header.get("PREFPINO", "")),
            pidt=header.get("PIDT", ""),
            op=header.get("OP", ""),
            depo=depo,
            pinotiers=header.get("PINOTIERS", ""),
            piref=header.get("PIREF", ""),
            dev=header.get("DEV", ""),
            tacod=header.get("TACOD", ""),
            due=header.get("DELDEMDT", ""),
            footer=number(header.get("PIEDMT_0001") or "0"),
            more={column: header[column] for column in ("REGL", "BLMOD", "TVATIE") if header.get(column)},
            address=dict(addresses[0]) if addresses and header.get("ADRTYP_0003") == "2" else {},
        )
        self._tables.add_header(piece)
        self.written[piece.pinotiers] += 1
        for line in asked:
            self._add_line(piece, line)
        return piece

    def _add_line(self, piece: Header, asked: AskedLine) -> Line:
        line = Line(
            enrno=self._tables.next_record(),
            header=piece,
            article=asked.article,
            des=asked.des,
            depo=asked.depo,
            op=asked.op,
            pub=asked.pub,
            ppar=asked.ppar,
            units=asked.units,
            order_number=piece.pino if piece.picod == ORDER else 0,
            note_number=piece.pino if piece.picod == NOTE else 0,
        )
        piece.lines.append(line)
        if piece.picod >= NOTE:
            self._move_stock(line, piece)
        return line

    # --- change ---

    def _modify(self, header: Mapping[str, str], lines: Sequence[Mapping[str, str]]) -> Header:
        piece = self._checks.existing(header)
        self._tables.touch(piece)
        by_record = {line.enrno: line for line in piece.lines}
        known: list[tuple[Line, Mapping[str, str]]] = []
        created: list[AskedLine] = []
        for line in lines:
            record = whole(line.get("ENRNO") or "0", "ENRNO")
            if record in by_record:
                known.append((by_record[record], line))
            else:
                created.append(
                    self._checks.line(line, piece.depo, piece.op)
                )  # an unknown ENRNO creates a line
        for stands, line in known:
            if line.get("CEF") == "S":
                piece.lines.remove(stands)
                continue
            stands.units = number(line.get(self._spelling.quantity) or "0") or stands.units
            stands.pub = number(line.get("PUB") or "0") or stands.pub
            stands.ppar = number(line.get("PPAR") or "0") or stands.ppar
        for asked in created:
            self._add_line(piece, asked)
        if header.get("CE4") == CLOSED:
            self.close(piece)
        return piece

    def close(self, piece: Header) -> None:
        """Close what is open of a piece (CE4 8)."""
        self._tables.touch(piece)
        piece.state = CLOSED
        for line in piece.open_lines:
            line.state = CLOSED

    # --- validate: the same line moves on ---

    def _validate(
        self, header: Mapping[str, str], lines: Sequence[Mapping[str, str]], target: int, *, checked: bool
    ) -> Header:
        piece = self._checks.existing(header)
        if piece.state == CLOSED or target <= piece.picod:
            raise BusinessError(REFUSED, "Pièce soldée")
        if checked:
            self._checks.refuse_duplicate(piece.ticod, piece.tiers, header)
        by_record = {line.enrno: line for line in piece.open_lines}
        taken: list[tuple[Line, Decimal, str]] = []
        for line in lines:
            stands = by_record.pop(whole(line.get("ENRNO") or "0", "ENRNO"), None)
            if stands is None:
                raise BusinessError(NOT_FOUND, "Ligne inexistante")
            units = number(line.get(self._spelling.quantity, ""))
            if not 0 < units <= stands.units:
                raise BusinessError(REFUSED, "Quantité supérieure au reste à livrer")
            taken.append((stands, units, self._checks.depot(line.get("DEPO") or stands.depo)))
        if not taken:
            raise BusinessError(BAD_REQUEST, "Pièce sans ligne")
        if piece.picod < NOTE <= target:
            self._checks.refuse_shortage(
                [(line.article, depo, line.op, units) for line, units, depo in taken]
            )
        self.written[header.get("PINOTIERS", "")] += 1
        return self.advance(
            piece,
            target,
            taken,
            pidt=header.get("PIDT", ""),
            depo=header.get("DEPO", ""),
            pinotiers=header.get("PINOTIERS", ""),
            piref=header.get("PIREF", ""),
        )

    def advance(
        self,
        piece: Header,
        target: int,
        taken: Sequence[tuple[Line, Decimal, str]],
        *,
        pidt: str = "",
        depo: str = "",
        pinotiers: str = "",
        piref: str = "",
    ) -> Header:
        """Move units of lines to a new piece of a later stage; blanks are taken from the piece they leave."""
        made = Header(
            ent_id=self._tables.next_record(),
            ticod=piece.ticod,
            picod=target,
            tiers=piece.tiers,
            etb=piece.etb,
            prefix=piece.prefix,
            pino=self._tables.next_number(piece.etb, piece.ticod, target, piece.prefix),
            pidt=pidt or piece.pidt,
            op=piece.op,
            depo=depo or piece.depo,
            pinotiers=pinotiers or piece.pinotiers,
            piref=piref or piece.piref,
            dev=piece.dev,
            tacod=piece.tacod,
            more=dict(piece.more),
            address=dict(piece.address),
        )
        self._tables.add_header(made)
        self._tables.touch(piece)
        for line, units, line_depo in taken:
            moved = self._moving_part(piece, line, units)
            moved.header, moved.depo = made, line_depo
            moved.note_number = made.pino if target == NOTE else moved.note_number
            made.lines.append(moved)
            if piece.picod < NOTE <= target:
                self._move_stock(moved, made)
        if not piece.open_lines:
            piece.state = CLOSED
            if self._switches.delivered_header == "gone" and not piece.lines:
                self._tables.remove_header(piece)
        return made

    def _moving_part(self, piece: Header, line: Line, units: Decimal) -> Line:
        """Take `units` of a line off its piece: the line itself, unless the rest keeps its record number."""
        if units == line.units:
            piece.lines.remove(line)
            return line
        other = Line(
            self._tables.next_record(),
            piece,
            line.article,
            line.des,
            line.depo,
            line.op,
            line.pub,
            line.ppar,
            units,
        )
        other.order_number = line.order_number
        if self._switches.remainder == "same_line":
            line.units -= units
            return other
        other.units, line.units = line.units - units, units
        piece.lines[piece.lines.index(line)] = other
        return line

    def _move_stock(self, line: Line, piece: Header) -> None:
        if self._tables.articles[line.article.ref].stocked:
            self._tables.move(
                StockKey(line.article, line.depo), self._switches.operations[line.op] * line.units, piece.name
            )
