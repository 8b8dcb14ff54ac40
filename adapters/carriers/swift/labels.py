"""Draws a parcel's label as a carrier would: an A6 page of PDF, or the same in ZPL for a label printer.

It serves the simulator; the daemon only passes pages on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

DOTS_PER_MM = 8
"""Of the usual label printer, 203 dots per inch."""

LINE_LENGTH_MAX = 40
"""What fits on the label at the size of the address."""


@dataclass(frozen=True, slots=True)
class LabelText:
    """What stands on a label, already cut into lines."""

    carrier: str
    service: str
    tracking: str
    reference: str
    weight_g: int
    address: Sequence[str]


def zpl(label: LabelText) -> bytes:
    """Return the label as ZPL II, A6 at 203 dpi, in UTF-8."""
    lines = [
        "^XA",
        "^CI28",  # field data is UTF-8
        f"^PW{105 * DOTS_PER_MM}",
        f"^LL{148 * DOTS_PER_MM}",
        _text(40, 40, 56, f"{label.carrier} {label.service}"),
        *(_text(40, 160 + 48 * row, 40, line) for row, line in enumerate(label.address)),
        _text(40, 520, 32, f"{label.weight_g / 1000:.3f} kg"),
        "^FO40,600^BY3^BCN,240,Y,N,N" + _field(label.tracking),
        _text(40, 940, 32, f"Ref {label.reference}"),
        "^XZ",
    ]
    return "\n".join(lines).encode() + b"\n"


def pdf(label: LabelText) -> bytes:
    """Return the label as one A6 page of PDF; the same label is the same bytes."""
    from reportlab.graphics.barcode.code128 import Code128
    from reportlab.lib.pagesizes import A6
    from reportlab.lib.units import mm
    from reportlab.pdfgen.canvas import Canvas

    pages = BytesIO()
    canvas = Canvas(pages, pagesize=A6, invariant=1)
    canvas.setTitle(f"{label.carrier} {label.tracking}")
    canvas.setFont("Helvetica-Bold", 16)
    canvas.drawString(8 * mm, 135 * mm, f"{label.carrier} {label.service}")
    canvas.setFont("Helvetica", 11)
    for row, line in enumerate(label.address):
        # The standard fonts know Latin-1 alone; a real carrier embeds its own.
        canvas.drawString(
            8 * mm, (122 - 6 * row) * mm, _cut(line).encode("latin-1", "replace").decode("latin-1")
        )
    canvas.drawString(8 * mm, 78 * mm, f"{label.weight_g / 1000:.3f} kg")
    Code128(label.tracking, barHeight=30 * mm, barWidth=0.45 * mm, humanReadable=True).drawOn(
        canvas, 4 * mm, 38 * mm
    )
    canvas.setFont("Helvetica", 9)
    canvas.drawString(8 * mm, 12 * mm, f"Ref {label.reference}")
    canvas.showPage()
    canvas.save()
    return pages.getvalue()


def _cut(line: str) -> str:
    return line if len(line) <= LINE_LENGTH_MAX else line[: LINE_LENGTH_MAX - 1] + "…"


def _text(x: int, y: int, height: int, text: str) -> str:
    return f"^FO{x},{y}^A0N,{height},{height}" + _field(_cut(text))


def _field(data: str) -> str:
    """Return field data in which no character is taken for a command: ^FH makes _XX a byte."""
    escaped = "".join(f"_{ord(letter):02X}" if letter in "^~_" or letter < " " else letter for letter in data)
    return f"^FH^FD{escaped}^FS"
