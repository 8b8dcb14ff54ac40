"""The settings' shape: what stands in which table, in which bounds. What SIGHUP may change is `Rules` alone.

`settings_file` reads them, `settings_checks` compares them with each other; nothing here reads or listens.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from actors.domain.assortment import Assortment, Contents
from actors.domain.carrier_choice import CarrierRule
from actors.domain.routing import RoutingRules, WarehouseRule
from adapters.settings import Problem, Secret

PARTS_MAX = 4
"""Routing looks at every set of warehouses up to this size: ten warehouses in fours make 385 sets."""

Seconds = Annotated[float, Meta(gt=0, le=3600)]
Port = Annotated[int, Meta(ge=1, le=65535)]
Priority = Annotated[int, Meta(ge=0, le=10_000)]
Units = Annotated[int, Meta(ge=0, le=1_000_000)]
PiecesIn = Annotated[int, Meta(ge=1, le=1_000)]
"""With a million pieces in an order's line the ledger still counts far below any limit."""


class SettingsError(Exception):
    """The settings cannot be used; each problem names its key, and none shows a secret."""

    def __init__(self, source: str, problems: tuple[Problem, ...]) -> None:
        lines = [f"{problem.key}: {problem.why}" if problem.key else problem.why for problem in problems]
        super().__init__("\n".join(f"{source}: {line}" for line in lines))
        self.problems = problems


class Database(Struct, frozen=True, kw_only=True):
    """Where the journal lies: somebody's Postgres (`dsn`), or one of our own below `data_dir`.

    `dsn` is a secret because it may hold a password. `wait_seconds` is how long the start waits for it.
    """

    dsn: Secret | None = None
    data_dir: str = ""
    wait_seconds: Seconds = 60.0


class Daemon(Struct, frozen=True, kw_only=True):
    """The process itself.

    Attributes:
        socket: where the control socket lies, unless the service manager hands one over.
        viewers, operators, admins: the groups whose members may look, work, and steer; each role may do what
            those before it may. A group that the machine does not have gives its role to nobody; root and
            the daemon's own user may do everything.
        web_host, web_port: metrics and health. They tell figures, so loopback, unless `web_anywhere`.
        web_anywhere: allow another address than loopback.
        drain_seconds: how long SIGTERM waits for the work in hand.
    """

    socket: str = "/run/wharfinger/control.sock"
    viewers: str = "wharfinger-viewers"
    operators: str = "wharfinger-operators"
    admins: str = "wharfinger-admins"
    web_host: str = "127.0.0.1"
    web_port: Port = 9464
    web_anywhere: bool = False
    drain_seconds: Seconds = 30.0

    @property
    def socket_path(self) -> Path:
        """Where the control socket lies."""
        return Path(self.socket)


class Article(Struct, frozen=True, kw_only=True):
    """An article of a channel that is not simply one unit of the SKU of its name.

    Attributes:
        contains: the units of each SKU of ours that one piece holds: { BOLT = 6 } for a carton of six.
        price_shares: how the piece's price is split over its SKUs; without them all units cost alike.
    """

    contains: Annotated[Mapping[str, PiecesIn], Meta(min_length=1, max_length=100)]
    price_shares: Mapping[str, Annotated[int, Meta(ge=0, le=1_000_000)]] = {}


class ChannelTerms(Struct, frozen=True, kw_only=True):
    """What every channel has, whatever its type.

    Attributes:
        poll_seconds: how often it is asked for changes.
        reread_seconds: how often orders are read again that a person was asked to mend in it, and 300 of
            those that have still to leave: an edited address moves no date that a poll could see.
        safety_stock: units of each SKU that no channel may sell.
        buffer: units of each SKU that this channel may not sell, for what is sold faster than it is told.
        first_import_hours: what a new channel takes over by itself: open orders that were placed so long ago
            at most. Somebody may have shipped what is older; `wharfinger adopt` takes over more.
        release_wait_seconds: how long an order that waited (for units, a payment, a person) may wait for a
            shop that does not answer to be read again, before a floor gets it by the copy that was read last.
            An outage then stops no floor, and a shop that is away takes no cancellation either; 0 never
            waits. At most four hours, since each ten minutes cost the order one of the fifty parts that it
            may plan.
        products: the articles that are not one unit of the SKU of their name, by name; SIGHUP reads them
            again.
        sells_all: whether the shop is meant to sell every SKU; where it is not, nobody is told of those that
            it does not know.
        stock_with: another channel whose shop shows the same stock figures (shared in a shop group): that one
            shows them for both.
    """

    poll_seconds: Annotated[float, Meta(ge=0.05, le=3600)] = 5.0
    reread_seconds: Annotated[float, Meta(ge=1, le=3600)] = 60.0
    safety_stock: Units = 0
    buffer: Units = 0
    first_import_hours: Annotated[int, Meta(ge=0, le=876_000)] = 24
    release_wait_seconds: Annotated[float, Meta(ge=0, le=14_400)] = 300.0
    products: Mapping[str, Article] = {}
    sells_all: bool = True
    stock_with: str = ""


class Channel(Struct, frozen=True):
    """One channel; `settings` is its plugin's Struct."""

    name: str
    type: str
    terms: ChannelTerms
    settings: Struct


class Erp(Struct, frozen=True):
    """The ERP; `settings` is its plugin's Struct."""

    type: str
    settings: Struct


class Carrier(Struct, frozen=True):
    """One carrier; `settings` is its plugin's Struct, `rules` what it takes."""

    name: str
    type: str
    settings: Struct
    rules: tuple[CarrierRule, ...]


class Warehouse(Struct, frozen=True, kw_only=True):
    """One warehouse; `name` is for people. A lower `priority` is preferred."""

    country: Annotated[str, Meta(pattern="^[A-Z]{2}$")]
    name: str = ""
    priority: Priority = 100


class Rules(Struct, frozen=True, kw_only=True):
    """What SIGHUP reads again, beside what the carriers take.

    Attributes:
        parts_max: into how many fulfilments an order may be split at most.
        closed: warehouses that get no new orders for now.
        priority: by warehouse, instead of its own.
    """

    parts_max: Annotated[int, Meta(ge=1, le=PARTS_MAX)] = 2
    closed: tuple[str, ...] = ()
    priority: Mapping[str, Priority] = {}


class Settings(Struct, frozen=True):
    """Everything, checked.

    Attributes:
        rules_path: the file that SIGHUP reads again.
        exposed: files of secrets that every account of the machine may read.
        lasting: what stands in the file and is not read again, by its key.
    """

    path: Path
    rules_path: Path
    database: Database
    daemon: Daemon
    channels: Mapping[str, Channel]
    erp: Erp
    carriers: Mapping[str, Carrier]
    warehouses: Mapping[str, Warehouse]
    rules: Rules
    exposed: tuple[Path, ...] = ()
    lasting: Mapping[str, object] = {}

    @property
    def routing_rules(self) -> RoutingRules:
        """The rules as routing takes them, with the hash of their contents as their version."""
        return routing_rules(self.warehouses, self.rules)

    @property
    def carrier_rules(self) -> tuple[CarrierRule, ...]:
        """What the carriers take, in the order of the file: the first that fits gets the parcel."""
        return tuple(rule for carrier in self.carriers.values() for rule in carrier.rules)

    @property
    def assortments(self) -> Mapping[str, Assortment]:
        """What the articles of each channel hold."""
        return {name: assortment(channel.terms) for name, channel in self.channels.items()}


def assortment(terms: ChannelTerms) -> Assortment:
    """Return what the articles of a channel hold."""
    return Assortment(
        {name: Contents(each.contains, each.price_shares) for name, each in terms.products.items()}
    )


def routing_rules(warehouses: Mapping[str, Warehouse], rules: Rules) -> RoutingRules:
    """Return the rules as routing takes them; the same contents have the same version."""
    sites = tuple(
        WarehouseRule(
            name, site.country, rules.priority.get(name, site.priority), open=name not in rules.closed
        )
        for name, site in warehouses.items()
    )
    unversioned = RoutingRules(sites, rules.parts_max)
    digest = hashlib.sha256(msgspec.json.encode(unversioned)).hexdigest()
    return RoutingRules(sites, rules.parts_max, digest[:16])
