"""The least of a spreadsheet: one sheet of texts, out and in. Pure; it owns no meaning of a cell.

What the piece integrator takes has no formulas, styles or numbers: every cell is text, so that nothing turns
a reference into 1.2E+10. Limits keep a file that somebody dropped from filling the memory.
"""

import io
import re
import zipfile
import zlib
from collections.abc import Sequence
from html import escape
from typing import Any

from lxml import etree

CELLS_BYTES_MAX = 64 * 1024 * 1024
"""What a sheet may come to when it is unpacked; a piece of ten thousand lines is a tenth of it."""

ROWS_MAX = 100_000
"""Ten times the lines of the largest piece."""

CELLS_MAX = 2_000_000
"""Ten thousand lines of two hundred columns; one cell far to the right makes all before it."""

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_SAFE = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
_PLACE = re.compile(r"([A-Z]{1,3})(\d{1,7})", re.ASCII)
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same rows give the same bytes

_PARTS = {
    "[Content_Types].xml": (
        f'{_HEAD}<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_OFFICE}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_OFFICE}.worksheet+xml"/></Types>'
    ),
    "_rels/.rels": (
        f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
        f'Type="{_RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
    ),
    "xl/workbook.xml": (
        f'{_HEAD}<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}"><sheets>'
        '<sheet name="Import" sheetId="1" r:id="rId1"/></sheets></workbook>'
    ),
    "xl/_rels/workbook.xml.rels": (
        f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
        f'Type="{_RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>'
    ),
}


class SheetError(ValueError):
    """A file that is no such spreadsheet. Its text never quotes the file."""


def write(rows: Sequence[Sequence[str]]) -> bytes:
    """Return a workbook with one sheet of these rows."""
    lines = [
        f'<row r="{number}">{"".join(_cell(number, column, text) for column, text in enumerate(row))}</row>'
        for number, row in enumerate(rows, 1)
    ]
    sheet = f'{_HEAD}<worksheet xmlns="{_MAIN}"><sheetData>{"".join(lines)}</sheetData></worksheet>'
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as book:
        for name, part in {**_PARTS, "xl/worksheets/sheet1.xml": sheet}.items():
            book.writestr(zipfile.ZipInfo(name, _EPOCH), part.encode(), zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def read(packed: bytes, bytes_max: int = CELLS_BYTES_MAX) -> list[list[str]]:
    """Return the rows of the first sheet, as texts; cells that are not there are "".

    Raises:
        SheetError: it is no workbook, or too large a one.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as book:
            sheet, shared = _first_sheet(book, bytes_max)
    except SheetError:
        raise
    except (zipfile.BadZipFile, zlib.error, KeyError, RuntimeError, ValueError, OSError, EOFError) as error:
        raise SheetError("it is no workbook") from error  # zipfile has all of these for what is none
    rows: list[list[str]] = []
    cells = 0
    for number, row in enumerate(sheet.iterfind(f".//{{{_MAIN}}}sheetData/{{{_MAIN}}}row"), 1):
        at = _row_number(row.get("r") or str(number))
        rows += [[] for _ in range(at - len(rows))]
        rows[at - 1] = texts = _texts(row, shared)
        cells += len(texts)
        if cells > CELLS_MAX:
            raise SheetError(f"the sheet has more than {CELLS_MAX} cells")
    return rows


def _first_sheet(book: zipfile.ZipFile, bytes_max: int) -> tuple[Any, list[str]]:
    names = [name for name in book.namelist() if re.fullmatch(r"xl/worksheets/[^/]+\.xml", name)]
    if not names:
        raise SheetError("the workbook holds no sheet")
    shared = _shared(book, bytes_max) if "xl/sharedStrings.xml" in book.namelist() else []
    return _part(book, min(names, key=lambda name: (len(name), name)), bytes_max), shared


def _row_number(told: str) -> int:
    if not told.isdecimal() or not 1 <= int(told[: len(str(ROWS_MAX)) + 1]) <= ROWS_MAX:
        raise SheetError(f"a row has no number between 1 and {ROWS_MAX}")
    return int(told)


def _cell(row: int, column: int, text: str) -> str:
    if not text:
        return ""
    shown = escape(_NOT_IN_XML.sub(" ", text))
    return f'<c r="{_letters(column)}{row}" t="inlineStr"><is><t xml:space="preserve">{shown}</t></is></c>'


def _letters(column: int) -> str:
    """Return a column's letters: A for 0, AA for 26."""
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _column(letters: str) -> int:
    column = 0
    for letter in letters:
        column = column * 26 + ord(letter) - ord("A") + 1
    return column - 1


def _texts(row: Any, shared: Sequence[str]) -> list[str]:  # noqa: ANN401 - lxml's element
    texts: list[str] = []
    for number, cell in enumerate(row.iterfind(f"{{{_MAIN}}}c")):
        place = _PLACE.fullmatch(cell.get("r") or "")
        column = _column(place[1]) if place else number
        texts += [""] * (column + 1 - len(texts))
        texts[column] = _text(cell, shared)
    return texts


def _text(cell: Any, shared: Sequence[str]) -> str:  # noqa: ANN401 - lxml's element
    if cell.get("t") == "inlineStr":
        return "".join(part.text or "" for part in cell.iter(f"{{{_MAIN}}}t"))
    value = cell.findtext(f"{{{_MAIN}}}v") or ""
    if cell.get("t") != "s":
        return str(value)
    if not value.isdecimal() or int(value) >= len(shared):
        raise SheetError("a cell names a text that is not there")
    return shared[int(value)]


def _shared(book: zipfile.ZipFile, bytes_max: int) -> list[str]:
    root = _part(book, "xl/sharedStrings.xml", bytes_max)
    return [
        "".join(part.text or "" for part in item.iter(f"{{{_MAIN}}}t"))
        for item in root.iterfind(f"{{{_MAIN}}}si")
    ]


def _part(book: zipfile.ZipFile, name: str, bytes_max: int) -> Any:  # noqa: ANN401 - lxml's element
    with book.open(name) as part:
        content = part.read(bytes_max + 1)
    if len(content) > bytes_max:
        raise SheetError("the workbook is too large")
    try:
        return etree.fromstring(content, _SAFE)
    except etree.XMLSyntaxError as error:
        raise SheetError("the workbook holds no XML") from error
