"""What a PrestaShop channel is called and what its settings are."""

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from actors.domain.documents import ShopState
from adapters.settings import Problem, url_problems

KIND = "prestashop"
"""The value of `kind` in a channel's settings."""

PAGE_SIZE = 500
"""Orders a page. A shop gave 500 at 1,228 orders a second; over 1,000 its PHP ran out of 128 MB."""

OVERLAP_SECONDS = 300
"""How far a poll reaches back: dates have 1 s, and what is dated may show seconds later."""

SETTLE_SECONDS = 3.0
"""How long a write whose answer was lost may still be under way in the shop; the slowest seen took 1.4 s."""


SkuSource = Literal["reference", "ean13", "id"]
"""What names an article: its reference, its EAN, or the shop's ids, as "id:7" or "id:7-12"."""


STATE_OF: Mapping[ShopState, int] = {"preparing": 3, "backordered": 9, "shipped": 4, "cancelled": 6}
"""The order states of a fresh installation."""


class PrestaShopSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How to reach one shop and how to understand it. Order states are the shop's ids.

    Attributes:
        url: the shop's address without `/api`, such as https://shop.example; a wrong host is sent to the
            front page.
        key: the webservice's key, 32 characters. It needs GET on addresses, carriers, combinations,
            configurations, countries, currencies, customers, order_carriers, order_histories, order_states,
            orders, products, states and stock_availables, PATCH on order_carriers and stock_availables, POST
            on order_carriers and order_histories. GET on customer_messages, customer_threads, customizations,
            languages, order_cart_rules, order_details, order_payments, order_returns, shop_groups and shops
            tells what people want to know of an order; without it orders ship all the same.
        key_in_query: send the key as `ws_key=` from the first request on, for servers that drop the
            Authorization header. Where one does, it is sent so anyhow from then on. It then stands in the
            access logs of the shop.
        id_shop: which shop of several; None for a shop that is alone.
        after_order: the shop's id of the last order that is none of ours: it and all before it are never
            handed out, whatever happens to them in the shop. For rehearsals on a shop that lives.
        time_zone: what the shop's dates are local to; "" reads PS_TIMEZONE.
        language: the channel's language by its ISO code, such as "fr"; "" is the shop's own. Articles are
            titled in it, and an order whose own language is not to be read counts as bought in it. What the
            shop mails its customer is in the order's own.
        state_of: our statuses as the shop's states; one that is not named is that of a fresh installation.
            What is shown as shipped or cancelled means so as well, listed below or not.
        unpaid, cancelled, shipped: which of the shop's states mean so. A state in none of them is read from
            the shop's own flags: not paid is unpaid, shipped is shipped, the rest is open.
        sku_from: what names an article, and so is its SKU unless the channel's products list it: the first of
            these that it has.
        service_of: a carrier's `id_reference` (as text, since TOML's keys are) as one of our services.
        refunds: whether the shop's refunds are read: what is refunded before it is shipped is not shipped.
            The key then needs GET on order_slip, and on order_details for what was refunded by a voucher.
        mail: whether the shop mails its customer on a change of status.
        page_size: orders a page.
        overlap_seconds: how far each poll reaches back.
        settle_seconds: how long after a lost answer the outcome is not yet read back.
        rows_seconds: how long the shop is believed which of its stock rows are live.
        stock_batch: stock rows a request: 203 rows a second were seen with 20.
        connections: requests at the same time.
        seconds_max: the longest wait for an answer.
    """

    url: str
    key: Annotated[str, Meta(min_length=32, max_length=32)]
    key_in_query: bool = False
    id_shop: int | None = None
    after_order: Annotated[int, Meta(ge=0)] = 0
    time_zone: str = ""
    language: Annotated[str, Meta(pattern="^([a-z]{2})?$")] = ""
    state_of: Mapping[ShopState, int] = field(default_factory=lambda: dict(STATE_OF))
    unpaid: tuple[int, ...] = (1, 8, 10, 12)
    cancelled: tuple[int, ...] = (6, 7)
    shipped: tuple[int, ...] = (4, 5)
    open: tuple[int, ...] = (2, 3, 9, 11, 13)
    sku_from: Annotated[tuple[SkuSource, ...], Meta(min_length=1)] = ("reference",)
    service_of: Mapping[str, str] = {}
    refunds: bool = True
    mail: bool = False
    page_size: Annotated[int, Meta(ge=1, le=1000)] = PAGE_SIZE
    overlap_seconds: Annotated[int, Meta(ge=1, le=86_400)] = OVERLAP_SECONDS
    settle_seconds: Annotated[float, Meta(ge=0, le=60)] = SETTLE_SECONDS
    rows_seconds: Annotated[float, Meta(ge=0, le=3600)] = 60.0
    stock_batch: Annotated[int, Meta(ge=1, le=50)] = 50
    connections: Annotated[int, Meta(ge=1, le=8)] = 4
    seconds_max: Annotated[float, Meta(gt=0, le=300)] = 30.0

    @property
    def shown_as(self) -> Mapping[ShopState, int]:
        """The shop's state for each of our statuses."""
        return {**STATE_OF, **self.state_of}

    @property
    def shipped_states(self) -> frozenset[int]:
        """The shop's states that mean shipped."""
        return frozenset({*self.shipped, self.shown_as["shipped"]})

    @property
    def cancelled_states(self) -> frozenset[int]:
        """The shop's states that mean cancelled."""
        return frozenset({*self.cancelled, self.shown_as["cancelled"]})

    def __repr__(self) -> str:
        """Name the shop, never the key."""
        return f"PrestaShopSettings(url={self.url!r})"


def problems(settings: PrestaShopSettings) -> tuple[Problem, ...]:
    """Return everything that is wrong with the settings and that their types do not say."""
    found = url_problems("url", settings.url)
    if not found and settings.url.rstrip("/").endswith("/api"):
        return (Problem("url", "has to be the shop's own address, without /api"),)
    return found
