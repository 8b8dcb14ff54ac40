"""What is to be known of this ERP before it is spoken to: its name, and the profile of a site.

It owns no I/O. Each Divalto site is customised: what a site changes is a setting here, never code. Whether a
profile can be is `checking`.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

from msgspec import Struct, field

from adapters.erps.divalto.files_settings import FileSettings
from adapters.erps.divalto.questions import Actions
from adapters.erps.divalto.spelling import Spelling
from adapters.erps.divalto.webhook_settings import WebHookSettings
from adapters.erps.divalto.wire import ENCODINGS
from adapters.settings import NO_SECRET, Secret

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
    "TACOD": 8,
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

Way = Literal["rest", "execute", "soap", "files"]
"""A way in: RecordSql and business actions by REST, the site's own actions by REST, those by SOAP, files."""

WriteWay = Literal["rest", "execute", "soap", "files", "webhook"]
"""A way in for writes: a web hook of the site's own takes, and tells nothing."""


class FlowSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Which way each flow goes.

    Attributes:
        write: pieces and customers.
        look_up: pieces by their reference, and their lines.
        stock: what lies in the depots.
        books: articles, customers, what is expected, what was changed.
    """

    write: WriteWay = "rest"
    look_up: Way = "rest"
    stock: Way = "rest"
    books: Way = "rest"

    @property
    def used(self) -> frozenset[WriteWay]:
        """Every way that some flow goes."""
        return frozenset((self.write, self.look_up, self.stock, self.books))


def flow_of(table: str, flows: FlowSettings) -> Way:
    """Return the way that reads of a table go."""
    match table:
        case "pieces" | "notes" | "lines":
            return flows.look_up
        case "stock":
            return flows.stock
        case _:
            return flows.books


class SoapSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Where WebServiceDiva lies, and how it is spoken to.

    Attributes:
        url: such as "http://host:8080/WebServiceDiva/WebServiceDiva.asmx", without `?wsdl`.
        soap_action: the header that ASP.NET tells operations apart by.
        encoding: what requests declare and are sent in.
    """

    url: str = ""
    soap_action: str = "http://www.Divalto.fr/WebService/WebServiceDiva"
    encoding: Literal["utf-8", "iso-8859-1"] = "utf-8"


class Operations(Struct, frozen=True, forbid_unknown_fields=True):
    """The site's operation codes (OP), at most 3 characters each."""

    sale: str = "C"
    credit: str = "D"
    purchase: str = "F"
    stock_in: str = "JI"
    stock_out: str = "II"


class DivaltoSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One site's profile. What is marked [I] in the notes on Divalto has a setting here or in `spelling`.

    Attributes:
        flows: which way each flow goes.
        soap, files, webhook, actions: how those ways are spoken to.
        url: where the REST service lies: "http://host:8080/DhsDivaltoServiceDivaApiRest", or the cloud's site
            and environment.
        domain, user, password, env: the service account; the cloud knows no domain and no env.
        dos, etb: company file and site.
        depots: our warehouse to their DEPO; only these are written to and read.
        customer: the generic web customer's TIERS; `customers` has another for a channel that wants its own.
        customer_policy: whether orders stand under that generic customer, or each under the person's own,
            whose TIERS is then made of the channel and the shop's customer id. Guests stay under the generic.
        customer_header: columns that every customer that is made bears, such as {"TACOD": "WEB"}.
        supplier: the TIERS whose delivery notes receptions are booked as.
        internal: the TIERS of internal pieces.
        internal_stage: PICOD of internal pieces.
        prefix: PREFPINO of new pieces, "" for the site's own.
        return_stage: PICOD of a return: 3 for a note that accounts credit later, 4 for a credit note at once.
        tariff: TACOD of orders, "" for the customer's; a header of its own goes before it.
        order_header: other columns that every order bears, such as {"REGL": "CB", "BLMOD": "COLIS"}.
        channel_headers: the same for the orders of one channel, over those of all.
        reference_field: the column that bears our reference: PINOTIERS, which is indexed with TIERS, or
            PIREF, where the site has another use for PINOTIERS.
        tax_regimes: TVATIE by the delivery address's country (ISO 3166-1 alpha-2); "*" for all others.
        shipping: how the fee is shown: a line of `shipping_article`, a footer amount numbered
            `shipping_footer`, or not.
        sku_separator: stands in a SKU between REF, SREF1 and SREF2.
        articles: exceptions to that rule, our SKU to "REF<separator>SREF1<separator>SREF2".
        natures: the natures of stock that count as sellable.
        timezone: whose calendar day a piece bears; "UTC" or an IANA name.
        closed_hours: the site's nightly windows by its own clock, as "22:00-05:30": documents wait meanwhile.
        amount_tolerance: how far Divalto's amount of an order may lie from ours before that is told.
        encodings: what an answer's bytes are taken for, the first that fits, whatever they declare.
        look_back_days: how far back pieces are listed where they cannot be looked up by their reference.
        decimal: what stands between units and decimals in both directions.
        token_seconds: how long a token lives; the cloud says 45 minutes.
        token_errors: beginnings of words in `txterr` that mean that the token is no longer good, lower case.
        locked: words in a refusal that mean that somebody has the piece open, so that later it may work;
            lower case.
        duplicate_check: whether Divalto can be asked to refuse a reference that exists (10.6 and later);
            otherwise every write is preceded by a look-up, and so is every write by a web hook.
        settle_seconds: how long a write whose answer was lost may still be under way: it is not sent again
            before, where Divalto cannot be asked to refuse a repeat. Every such document counts as lost at
            the daemon's start.
        error_kinds: what a technical `error` number means; one not named here may pass, so it is "later".
        result_kinds: what the code of a result that is not well means; one not named here is "refused".
        concurrency: how many calls at once, whichever ways they go.
        warm_seconds: a site that has not answered for so long has to start anew: the first call goes alone.
        auth_seconds_max, execute_seconds_max: what connectors in the field wait for.
        page_rows: how many rows one read asks for.
    """

    dos: str
    customer: str
    depots: dict[str, str]
    flows: FlowSettings = FlowSettings()
    url: str = ""
    user: str = ""
    password: Secret = NO_SECRET
    soap: SoapSettings = SoapSettings()
    files: FileSettings = FileSettings()
    webhook: WebHookSettings = WebHookSettings()
    actions: Actions = Actions()
    domain: str = ""
    env: str = ""
    etb: str = "1"
    customers: dict[str, str] = {}
    customer_policy: Literal["generic", "each"] = "generic"
    customer_header: dict[str, str] = {}
    supplier: str = "F0000001"
    internal: str = "I0000000"
    internal_stage: int = 3
    return_stage: int = 4
    prefix: str = ""
    tariff: str = ""
    order_header: dict[str, str] = {}
    channel_headers: dict[str, dict[str, str]] = {}
    reference_field: Literal["PINOTIERS", "PIREF"] = "PINOTIERS"
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
    encodings: tuple[str, ...] = ENCODINGS
    look_back_days: int = 400
    decimal: Literal[".", ","] = "."
    token_seconds: float = 45 * 60.0
    token_errors: tuple[str, ...] = ("token", "jeton")
    locked: tuple[str, ...] = ("réserv", "verrou", "locked")
    duplicate_check: bool = True
    settle_seconds: float = 90.0
    error_kinds: dict[str, ErrorKind] = {}
    result_kinds: dict[str, Literal["later", "refused"]] = {}
    concurrency: int = 2
    warm_seconds: float = 300.0
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
