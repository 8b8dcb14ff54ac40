"""A piece as a file that the piece integrator takes, and the reasons in one that came back. Pure.

It owns three forms: DataHub XML (`<DataHub DataSetType="IMPPCE">`, an element for each block), and the table
of the spreadsheet import as CSV or xlsx, a row for each block, whose column FICHE says which.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from lxml import etree

from adapters.erps.divalto import xlsx
from adapters.erps.divalto.files_settings import FileSettings
from adapters.erps.divalto.forms import escaped
from adapters.erps.divalto.integration import unnested
from adapters.erps.divalto.wire import WireError, read_text

DATA_SET = "IMPPCE"
CUSTOMER_SET = "IMPCLI"
KIND = "FICHE"

COLUMNS = {
    "IPAR.DOS": "DOSSIER",
    "ENT.DOS": "DOSSIER",
    "MOUV.DOS": "DOSSIER",
    "ENT.ETB": "ETABLISSEMENT",
    "ENT.PINOTIERS": "REF_PIECE",
    "ENT.TICOD": "TYPE_TIERS",
    "ENT.PICOD": "TYPE_PIECE",
    "IPAR.PICODFIN": "TYPE_PIECE_FINALE",
    "ENT.PINO": "NO_PIECE",
    "ENT.TIERS": "CODE_TIERS",
    "ENT.OP": "CODE_OP",
    "ENT.DEPO": "DEPOT",
    "MOUV.DEPO": "DEPOT",
    "MOUV.ENRNO": "ENRNO",
    "MOUV.REF": "REFERENCE",
    "MOUV.SREF1": "SREF1",
    "MOUV.SREF2": "SREF2",
    "MOUV.DES": "DESIGNATION",
    "MOUV.QTE": "QUANTITE",
}
"""What the spreadsheet names otherwise; every other column is named after its block, such as ENT.PIREF."""

TEXT_COLUMNS = ("SREF1", "SREF2")
"""An apostrophe before them keeps a spreadsheet from taking 001 for a number."""

Block = tuple[str, Mapping[str, str]]


def blocks_of(data: Mapping[str, Any], dos: str) -> list[Block]:
    """Return the blocks of a piece in the order of the file: IPAR, ENT, EAD, MOUV; a customer is one CLI."""
    if "icli" in data:
        return [("CLI", {"DOS": dos, **data["icli"]})]
    addresses = [("EAD", dict(row)) for row in unnested(data, "ieadtb", "iead")]
    lines = [("MOUV", {"DOS": dos, **row}) for row in unnested(data, "imouvtb", "imouv")]
    return [("IPAR", {"DOS": dos, **data["ipar"]}), ("ENT", {"DOS": dos, **data["ient"]}), *addresses, *lines]


def write(blocks: Sequence[Block], settings: FileSettings) -> bytes:
    """Return the file. A character that the encoding lacks goes as "?": texts were fitted before."""
    if settings.form == "datahub":
        return _datahub(blocks, settings.encoding)
    table = _table(blocks, settings)
    if settings.form == "xlsx":
        head = settings.header_row - 1
        return xlsx.write([*([""] for _ in range(head)), *table])
    written = io.StringIO()
    csv.writer(written, delimiter=";", lineterminator="\r\n").writerows(table)
    return written.getvalue().encode(settings.encoding, "replace")


def reasons(content: bytes, settings: FileSettings) -> list[str]:
    """Return why a file came back, row by row: "MOUV 2: Article inexistant".

    Raises:
        WireError: it is no such file.
    """
    numbers: dict[str, int] = {}
    found: list[str] = []
    for kind, fields in read(content, settings):
        numbers[kind] = numbers.get(kind, 0) + 1
        why = " ".join(fields.get(settings.error, "").split())
        if why:
            found.append(f"{kind} {numbers[kind]}: {why}" if kind in ("MOUV", "EAD") else f"{kind}: {why}")
    return found


def read(content: bytes, settings: FileSettings) -> list[Block]:
    """Return the blocks of a file, under the dictionary's names.

    Raises:
        WireError: it is no such file.
    """
    if settings.form == "datahub":
        return _read_datahub(content, settings)
    return _read_table(_rows(content, settings), settings)


def read_csv(content: bytes, encoding: str) -> list[Mapping[str, str]]:
    """Return the rows of a table under the names in its first line, right-trimmed.

    Raises:
        WireError: there are no names, as in a file that is cut off, or a row has more values than names.
    """
    lines = csv.reader(io.StringIO(read_text(content, (encoding,))), delimiter=";")
    try:
        names = [name.strip() for name in next(lines, [])]
        if not any(names):
            raise WireError("its first line names no columns")
        return [_named(names, line) for line in lines if line]
    except csv.Error as error:
        raise WireError("it is no CSV") from error


def _named(names: Sequence[str], values: Sequence[str]) -> dict[str, str]:
    if len(values) > len(names):
        raise WireError("a row has more values than the first line has names")
    return {name: value.rstrip() for name, value in zip(names, values, strict=False)}


# --- DataHub ----------------------------------------------------------------------------------------------


def _datahub(blocks: Sequence[Block], encoding: str) -> bytes:
    data_set = CUSTOMER_SET if blocks[0][0] == "CLI" else DATA_SET
    told = "".join(_element(kind, fields) for kind, fields in blocks)
    text = (
        f'<?xml version="1.0" encoding="{encoding}"?>\n<DataHub DataSetType="{data_set}">{told}</DataHub>\n'
    )
    return text.encode(encoding, "xmlcharrefreplace")


def _element(kind: str, fields: Mapping[str, str]) -> str:
    inner = "".join(f"<{name}>{escaped(value, 'xml')}</{name}>" for name, value in fields.items())
    return f"<{kind}>{inner}</{kind}>"


def _read_datahub(content: bytes, settings: FileSettings) -> list[Block]:
    safe = etree.XMLParser(resolve_entities=False, no_network=True)
    text = read_text(content, (settings.encoding,))
    try:
        root = etree.fromstring(
            text.partition("?>")[2].encode() if text.startswith("<?") else text.encode(), safe
        )
    except (etree.XMLSyntaxError, ValueError) as error:
        raise WireError("it is no XML") from error
    return [
        (
            etree.QName(block).localname,
            {
                etree.QName(part).localname: (part.text or "").strip()
                for part in block
                if isinstance(part.tag, str)
            },
        )
        for block in root
        if isinstance(block.tag, str)
    ]


# --- the spreadsheet's table -------------------------------------------------------------------------------


def _table(blocks: Sequence[Block], settings: FileSettings) -> list[list[str]]:
    named = [
        (kind, {_column(kind, name, settings): value for name, value in fields.items()})
        for kind, fields in blocks
    ]
    names = list(dict.fromkeys((KIND, *(name for _, fields in named for name in fields), settings.error)))
    rows = [[{**fields, KIND: kind}.get(name, "") for name in names] for kind, fields in named]
    for row in rows:
        for place, name in enumerate(names):
            if name in TEXT_COLUMNS and row[place]:
                row[place] = f"'{row[place]}"
            elif name.endswith("DT") and len(row[place]) == len("YYYYMMDD"):
                year, month, day = row[place][:4], row[place][4:6], row[place][6:]
                row[place] = f"{day}/{month}/{year}"
    return [names, *rows]


def _rows(content: bytes, settings: FileSettings) -> list[list[str]]:
    if settings.form == "xlsx":
        try:
            return xlsx.read(content)[settings.header_row - 1 :]
        except xlsx.SheetError as error:
            raise WireError(str(error)) from error
    try:
        return list(csv.reader(io.StringIO(read_text(content, (settings.encoding,))), delimiter=";"))
    except csv.Error as error:
        raise WireError("it is no CSV") from error


def _read_table(rows: Sequence[Sequence[str]], settings: FileSettings) -> list[Block]:
    if not rows or KIND not in rows[0]:
        raise WireError(f"it has no column {KIND}")
    theirs = {**COLUMNS, **settings.columns}
    blocks: list[Block] = []
    for row in rows[1:]:
        values = {name: value.strip() for name, value in zip(rows[0], row, strict=False) if value.strip()}
        if not values:
            continue
        kind = values.pop(KIND, "")
        ours = {name: own.partition(".")[2] for own, name in theirs.items() if own.startswith(f"{kind}.")}
        fields = {
            ours.get(name, name.removeprefix(f"{kind}.")): _plain(name, value)
            for name, value in values.items()
        }
        blocks.append((kind, fields))
    return blocks


def _plain(name: str, value: str) -> str:
    if name in TEXT_COLUMNS:
        return value.removeprefix("'")
    if name.endswith("DT") and value[2:3] == value[5:6] == "/":
        return value[6:10] + value[3:5] + value[:2]
    return value


def _column(kind: str, name: str, settings: FileSettings) -> str:
    own = f"{kind}.{name}"
    return settings.columns.get(own) or COLUMNS.get(own) or own
