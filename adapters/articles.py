"""What a channel's plugin tells of an article that its shop sells, for people who set the channel up."""

from collections.abc import Mapping
from decimal import Decimal

from msgspec import Struct


class Article(Struct, frozen=True):
    """Something that a shop sells.

    Attributes:
        name: as orders and stock name it; "" where it has no name that the channel goes by.
        id: the shop's own.
        ean13: "" for none.
        weight_g: 0 where the shop does not know.
        price: without tax, in the shop's own currency.
        is_active: whether it is for sale now.
        title: what customers read, in the channel's language.
        contains: pieces of other articles that a pack holds, by their names.
    """

    name: str
    id: str
    ean13: str
    weight_g: int
    price: Decimal
    is_active: bool
    title: str = ""
    contains: Mapping[str, int] = {}
