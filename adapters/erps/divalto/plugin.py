"""What is to be known of this ERP before it is spoken to: its name, and a site's settings checked as a whole.

It owns no I/O. Each Divalto site is customised: what a site changes is a setting here, never code.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

from msgspec import Struct, field

from adapters.erps.divalto.spelling import Spelling
from adapters.settings import Problem, Secret, url_problems

NAME = "divalto"

DOS_LENGTH = 8
ETB_LENGTH = 3
DEPOT_LENGTH = 3
TIERS_LENGTH = 20
OPERATION_LENGTH = 3
PREFIX_LENGTH = 10
HEADER_LENGTHS: Mapping[str, int] = {
    "AVENANT": 8,
    "BLMOD": 8,
    "CONTACT": 8,
    "MARCHE": 8,
    "PORCOD": 1,
    "PRIOCOD": 1,
    "PROJET": 8,
    "REGL": 4,
    "REMCOD": 8,
    "REPR_0001": 20,
    "STRES": 1,
    "TOUR": 6,
    "TVATIE": 8,
}
"""Columns of a header (ENT) that a site may want the same on every order; none of them tells pieces apart."""

CONCURRENCY_MAX = 8
"""Divalto starts a process per request and asks a licence per account: more than this is a mistake."""

TOKEN_MARGIN_SECONDS = 60.0
"""A token this close to its end is renewed first: it has to outlive the wait for a process."""

WINDOW = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
"""From and to, by the site's clock; one that ends before it begins goes over midnight."""

ErrorKind = Literal["later", "refused", "token"]


class Operations(Struct, frozen=True, forbid_unknown_fields=True):
    """The site's operation codes (OP), at most 3 characters each."""

    sale: str = "C"
    purchase: str = "F"
    stock_in: str = "JI"
    stock_out: str = "II"


class DivaltoSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One site's profile. What is marked [I] in the notes on Divalto has a setting here or in `spelling`.

    Attributes:
        url: where the service lies: "http://host:8080/DhsDivaltoServiceDivaApiRest", or the cloud's site and
            environment.
        domain, user, password, env: the service account; the cloud knows no domain and no env.
        dos, etb: company file and site.
        depots: our warehouse to their DEPO; only these are written to and read.
        customer: the generic web customer's TIERS; `customers` has another for a channel that wants its own.
        supplier: the TIERS whose delivery notes receptions are booked as.
        internal: the TIERS of internal pieces.
        internal_stage: PICOD of internal pieces.
        prefix: PREFPINO of new pieces, "" for the site's own.
        tariff: TACOD of orders, "" for the customer's.
        order_header: other columns that every order bears, such as {"REGL": "CB", "BLMOD": "COLIS"}.
        tax_regimes: TVATIE by the delivery address's country (ISO 3166-1 alpha-2); "*" for all others.
        shipping: how the fee is shown: a line of `shipping_article`, a footer amount numbered
            `shipping_footer`, or not.
        sku_separator: stands in a SKU between REF, SREF1 and SREF2.
        articles: exceptions to that rule, our SKU to "REF<separator>SREF1<separator>SREF2".
        natures: the natures of stock that count as sellable.
        timezone: whose calendar day a piece bears; "UTC" or an IANA name.
        closed_hours: the site's nightly windows by its own clock, as "22:00-05:30": documents wait meanwhile.
        amount_tolerance: how far Divalto's amount of an order may lie from ours before that is told.
        decimal: what stands between units and decimals in both directions.
        token_seconds: how long a token lives; the cloud says 45 minutes.
        token_errors: beginnings of words in `txterr` that mean that the token is no longer good, lower case.
        locked: words in a refusal that mean that somebody has the piece open, so that later it may work;
            lower case.
        duplicate_check: whether Divalto can be asked to refuse a reference that exists (10.6 and later);
            otherwise every write is preceded by a look-up.
        settle_seconds: where there is no duplicate check, how long a write whose answer was lost may still be
            under way: it is not sent again before. Every document counts as lost at the daemon's start.
        error_kinds: what a technical `error` number means; one not named here may pass, so it is "later".
        concurrency: how many calls at once.
        auth_seconds_max, execute_seconds_max: what connectors in the field wait for.
        page_rows: how many rows one read asks for.
    """

    url: str
    user: str
    password: Secret
    dos: str
    customer: str
    depots: dict[str, str]
    domain: str = ""
    env: str = ""
    etb: str = "1"
    customers: dict[str, str] = {}
    supplier: str = "F0000001"
    internal: str = "I0000000"
    internal_stage: int = 3
    prefix: str = ""
    tariff: str = ""
    order_header: dict[str, str] = {}
    tax_regimes: dict[str, str] = {}
    operations: Operations = Operations()
    shipping: Literal["line", "footer", "none"] = "line"
    shipping_article: str = "PORT"
    shipping_footer: int = 1
    sku_separator: str = "/"
    articles: dict[str, str] = {}
    natures: tuple[str, ...] = ("N", "O")
    timezone: str = "UTC"
    closed_hours: tuple[str, ...] = ()
    amount_tolerance: Decimal = Decimal("0.05")
    decimal: Literal[".", ","] = "."
    token_seconds: float = 45 * 60.0
    token_errors: tuple[str, ...] = ("token", "jeton")
    locked: tuple[str, ...] = ("réserv", "verrou", "locked")
    duplicate_check: bool = True
    settle_seconds: float = 90.0
    error_kinds: dict[str, ErrorKind] = {}
    concurrency: int = 2
    auth_seconds_max: float = 30.0
    execute_seconds_max: float = 60.0
    page_rows: int = 10_000
    spelling: Spelling = field(default_factory=Spelling)

    @property
    def web_customers(self) -> tuple[str, ...]:
        """Every TIERS that an order of ours may stand under, the generic one first."""
        return tuple(dict.fromkeys((self.customer, *self.customers.values())))

    def customer_of(self, channel: str) -> str:
        """Return the TIERS that the channel's orders stand under."""
        return self.customers.get(channel, self.customer)


def problems(settings: DivaltoSettings) -> tuple[Problem, ...]:
    """Return everything that is wrong with the settings, so that a person mends it in one go."""
    found = [
        *url_problems("url", settings.url),
        *_wrong_lengths(settings),
        *_wrong_numbers(settings),
        *_wrong_depots(settings),
        *_wrong_timezone(settings),
        *_wrong_hours(settings),
    ]
    found += [
        Problem(f"order_header.{column}", f"is not one of {', '.join(HEADER_LENGTHS)}")
        for column in settings.order_header
        if column not in HEADER_LENGTHS
    ]
    if len(settings.sku_separator) != 1:
        found.append(Problem("sku_separator", "has to be one character"))
    if settings.shipping == "line" and not settings.shipping_article:
        found.append(Problem("shipping_article", 'is needed where shipping = "line"'))
    return tuple(found)


_LOOKED_UP_BY = ("customer", "customers", "supplier", "internal", "depots")


def _wrong_lengths(settings: DivaltoSettings) -> list[Problem]:
    operations = settings.operations
    bounds = [
        ("user", settings.user, 1, 255),
        ("dos", settings.dos, 1, DOS_LENGTH),
        ("etb", settings.etb, 1, ETB_LENGTH),
        ("customer", settings.customer, 1, TIERS_LENGTH),
        ("supplier", settings.supplier, 1, TIERS_LENGTH),
        ("internal", settings.internal, 1, TIERS_LENGTH),
        ("prefix", settings.prefix, 0, PREFIX_LENGTH),
        ("tariff", settings.tariff, 0, 8),
        *((f"tax_regimes.{country}", regime, 1, 8) for country, regime in settings.tax_regimes.items()),
        *(
            (f"order_header.{column}", value, 1, HEADER_LENGTHS[column])
            for column, value in settings.order_header.items()
            if column in HEADER_LENGTHS
        ),
        ("operations.sale", operations.sale, 1, OPERATION_LENGTH),
        ("operations.purchase", operations.purchase, 1, OPERATION_LENGTH),
        ("operations.stock_in", operations.stock_in, 1, OPERATION_LENGTH),
        ("operations.stock_out", operations.stock_out, 1, OPERATION_LENGTH),
        *((f"customers.{channel}", tiers, 1, TIERS_LENGTH) for channel, tiers in settings.customers.items()),
        *((f"depots.{warehouse}", depot, 1, DEPOT_LENGTH) for warehouse, depot in settings.depots.items()),
    ]
    too_long = [
        Problem(key, f"has to be {least} to {most} characters long")
        for key, value, least, most in bounds
        if not least <= len(value) <= most
    ]
    return too_long + [
        Problem(key, "must not hold ; or =, which part a look-up's parameters")
        for key, value, _, _ in bounds
        if key.partition(".")[0] in _LOOKED_UP_BY and set(value) & set(";=")
    ]


def _wrong_numbers(settings: DivaltoSettings) -> list[Problem]:
    bounds: list[tuple[str, float, float, float]] = [
        ("internal_stage", settings.internal_stage, 1, 4),
        ("shipping_footer", settings.shipping_footer, 1, 3),
        ("token_seconds", settings.token_seconds, 2 * TOKEN_MARGIN_SECONDS, 86_400),
        ("concurrency", settings.concurrency, 1, CONCURRENCY_MAX),
        ("auth_seconds_max", settings.auth_seconds_max, 0.1, 600),
        ("execute_seconds_max", settings.execute_seconds_max, 0.1, 600),
        ("settle_seconds", settings.settle_seconds, 0, 3600),
        ("page_rows", settings.page_rows, 2, 100_000),
    ]
    return [
        Problem(key, f"has to be between {least:g} and {most:g}")
        for key, value, least, most in bounds
        if not least <= value <= most
    ]


def _wrong_depots(settings: DivaltoSettings) -> list[Problem]:
    if not settings.depots:
        return [Problem("depots", "has to map at least one warehouse")]
    seen: dict[str, str] = {}
    found: list[Problem] = []
    for warehouse, depot in settings.depots.items():
        if depot in seen:
            found.append(Problem(f"depots.{warehouse}", f"is the depot of {seen[depot]} already"))
        seen.setdefault(depot, warehouse)
    return found


def _wrong_hours(settings: DivaltoSettings) -> list[Problem]:
    return [
        Problem("closed_hours", f'{window!r} is no window such as "22:00-05:30"')
        for window in settings.closed_hours
        if WINDOW.fullmatch(window) is None
    ]


def _wrong_timezone(settings: DivaltoSettings) -> list[Problem]:
    from zoneinfo import ZoneInfo  # read late: only a site outside UTC needs the machine's time zones

    if settings.timezone == "UTC":
        return []
    try:
        ZoneInfo(settings.timezone)
    except (KeyError, ValueError, OSError):  # a name it does not know, no name at all, a folder's name
        return [Problem("timezone", "is not a time zone that this machine knows")]
    return []
