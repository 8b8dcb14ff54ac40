"""What every kind of partner answers to a document."""

from decimal import Decimal

from msgspec import Struct


class Outcome(Struct, frozen=True, gc=False):
    """What a partner made of a document: its own number for it, and for a label what came with it.

    `remark` is what a person should look at although the document is there, such as another amount; "" for
    nothing.
    """

    reference: str
    tracking: str = ""
    price: Decimal = Decimal(0)
    currency: str = ""
    pages: bytes = b""
    remark: str = ""
