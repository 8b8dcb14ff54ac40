"""What the settings have to say of each other: names that must exist elsewhere, things that must not meet.

Only what could be read is compared, and only against declared names, so that one mistake is told once.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from adapters.settings import Problem
from daemon.plugin import ChannelPlugin, ErpPlugin
from daemon.settings import Carrier, Channel, Daemon, Database, Erp, Rules
from daemon.settings_reading import join

SOCKET_PATH_BYTES_MAX = 107
"""sun_path of unix(7) holds 108, the last of them a zero."""

CHANNEL_NAME = re.compile(r"^[a-z0-9]{1,8}$")
"""It begins every order's reference in the ERP, which holds 20 characters."""

SITE_NAME = re.compile(r"^[a-z0-9][a-z0-9-]{0,15}$")
"""Of warehouses and carriers: it stands in streams, in the control socket's paths and on pick lists."""


_HOST = re.compile(r"(\[[0-9A-Fa-f:.%]*\]|[^\s:\[\]]*)(:\d{1,5})?")
"""A host of a database's address and its port, either of which may be missing."""

LOCAL_HOSTS = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Declared:
    """The names that stand in the file, whether or not what they name could be read."""

    channels: Collection[str]
    carriers: Collection[str]
    warehouses: Collection[str]


def names(declared: Declared) -> list[Problem]:
    """Check the names themselves, and that there is at least one of everything."""
    found = [
        Problem(section, f"is missing: expected at least one [{section}.NAME]")
        for section, given in (
            ("channels", declared.channels),
            ("carriers", declared.carriers),
            ("warehouses", declared.warehouses),
        )
        if not given
    ]
    found += [
        Problem(join("channels", name), "the name has to be 1 to 8 of a-z and 0-9")
        for name in declared.channels
        if not CHANNEL_NAME.match(name)
    ]
    found += [
        Problem(join(section, name), "the name has to be 1 to 16 of a-z, 0-9 and -, and not begin with -")
        for section, given in (("carriers", declared.carriers), ("warehouses", declared.warehouses))
        for name in given
        if not SITE_NAME.match(name)
    ]
    return found


def database(settings: Database, dsn_key: str) -> list[Problem]:
    """Check that there is one database and that its address, given by that key, looks like one."""
    if settings.dsn is None and not settings.data_dir:
        return [Problem("database", "expected dsn_file, dsn_env or data_dir")]
    if settings.dsn is not None and settings.data_dir:
        return [Problem("database.data_dir", f"is one database too many beside {dsn_key}")]
    if settings.data_dir and not Path(settings.data_dir).is_absolute():
        return [Problem("database.data_dir", "has to be an absolute path")]
    why = address_problem(settings.dsn.reveal()) if settings.dsn is not None else ""
    return [Problem(dsn_key, why)] if why else []


def address_problem(dsn: str) -> str:
    """Return why a database's address cannot be used, without any part of it; "" where it can."""
    if not dsn.startswith(("postgresql://", "postgres://")):
        return "has to begin with postgresql://"
    if not _names_hosts(dsn):
        return "names no host that can be read: in a password / is spelled %2F, @ %40, : %3A, ? %3F, # %23"
    return ""


def _names_hosts(dsn: str) -> bool:
    """Tell whether a client finds hosts where they should be; else it would quote what it found there."""
    try:
        hosts = urlsplit(dsn).netloc.rpartition("@")[2]
    except ValueError:
        return False
    return all(_HOST.fullmatch(host) for host in hosts.split(","))


def daemon(settings: Daemon) -> list[Problem]:
    """Check where the daemon wants to listen."""
    found: list[Problem] = []
    if not Path(settings.socket).is_absolute():
        found.append(Problem("daemon.socket", "has to be an absolute path"))
    if len(settings.socket.encode()) > SOCKET_PATH_BYTES_MAX:
        found.append(Problem("daemon.socket", f"is longer than {SOCKET_PATH_BYTES_MAX} bytes"))
    try:
        is_loopback = ip_address(settings.web_host).is_loopback
    except ValueError:
        found.append(Problem("daemon.web_host", "has to be an IP address"))
    else:
        if not is_loopback and not settings.web_anywhere:
            why = "is not loopback: figures would be told to the network; web_anywhere = true allows it"
            found.append(Problem("daemon.web_host", why))
    return found


def ports(settings: Daemon, addresses: Mapping[str, str]) -> list[Problem]:
    """Check that our web port is nobody else's on this machine; addresses come by their key."""
    return [
        Problem("daemon.web_port", f"is the port of {key} on this machine")
        for key, address in addresses.items()
        if _local_port(address) == settings.web_port
    ]


def _local_port(address: str) -> int | None:
    try:
        parts = urlsplit(address)
        return parts.port if parts.hostname in LOCAL_HOSTS else None
    except ValueError:  # what is wrong with it is the plugin's to say
        return None


def channels(given: Mapping[str, Channel], plugins: Mapping[str, ChannelPlugin]) -> list[Problem]:
    """Check that no two channels are the same shop: each of its orders would be taken twice."""
    found: list[Problem] = []
    first: dict[str, str] = {}
    for name, channel in given.items():
        place = plugins[channel.type].place(channel.settings)
        if place in first:
            found.append(Problem(join("channels", name), f"is the same shop as channels.{first[place]}"))
        first.setdefault(place, name)
    return found


def products(given: Mapping[str, Channel]) -> list[Problem]:
    """Check that a price is split over what an article holds, and over nothing else."""
    found: list[Problem] = []
    for name, channel in given.items():
        for article, holds in channel.terms.products.items():
            key = join(join(join("channels", name), "products"), article)
            if holds.price_shares and holds.price_shares.keys() != holds.contains.keys():
                found.append(Problem(f"{key}.price_shares", "has to name the SKUs of contains"))
            elif holds.price_shares and not any(holds.price_shares.values()):
                found.append(Problem(f"{key}.price_shares", "are all 0"))
    return found


def shared_stock(given: Mapping[str, Channel], declared: Declared) -> list[Problem]:
    """Check that the stock of a channel is shown by another one that shows its own."""
    found: list[Problem] = []
    for name, channel in given.items():
        other = channel.terms.stock_with
        key = f"{join('channels', name)}.stock_with"
        if other == name:
            found.append(Problem(key, "is the channel itself"))
        elif other and other not in declared.channels:
            why = f"there is no channel {other!r}{_meant(other, declared.channels)}"
            found.append(Problem(key, why))
        elif other in given and given[other].terms.stock_with:
            found.append(Problem(key, f"{other} shows no stock itself: it has stock_with too"))
    return found


def services(
    given: Mapping[str, Channel], plugins: Mapping[str, ChannelPlugin], carriers: Sequence[Carrier]
) -> list[Problem]:
    """Check that each service a channel sells is one that some carrier takes."""
    offered = {rule.service for carrier in carriers for rule in carrier.rules}
    if "" in offered:
        return []
    found: list[Problem] = []
    for name, channel in given.items():
        asked = plugins[channel.type].services(channel.settings)
        if not asked:
            found.append(Problem(join("channels", name), "maps none of its carriers to a service of ours"))
        for key, service in asked.items():
            if service not in offered:
                why = f"no carrier has the service {service!r}{_meant(service, offered)}"
                found.append(Problem(f"{join('channels', name)}.{key}", why))
    return found


def erp(given: Erp, plugin: ErpPlugin, declared: Declared) -> list[Problem]:
    """Check that the ERP knows each warehouse, and nothing that is none."""
    sites_key, sites = plugin.warehouses(given.settings)
    channels_key, mapped = plugin.channels(given.settings)
    found = [
        Problem(join("warehouses", name), f"has no entry in erp.{sites_key}")
        for name in declared.warehouses
        if name not in sites
    ]
    found += [
        Problem(
            join(f"erp.{sites_key}", name), f"there is no such warehouse{_meant(name, declared.warehouses)}"
        )
        for name in sites
        if name not in declared.warehouses
    ]
    found += [
        Problem(
            join(f"erp.{channels_key}", name), f"there is no such channel{_meant(name, declared.channels)}"
        )
        for name in mapped
        if name not in declared.channels
    ]
    return found


def rules(given: Rules, warehouses: Collection[str]) -> list[Problem]:
    """Check that the rules speak of warehouses that there are."""
    spoken_of = [(f"rules.closed[{place}]", name) for place, name in enumerate(given.closed)]
    spoken_of += [(join("rules.priority", name), name) for name in given.priority]
    return [
        Problem(key, f"there is no warehouse {name!r}{_meant(name, warehouses)}")
        for key, name in spoken_of
        if name not in warehouses
    ]


def _meant(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, sorted(known), n=1)
    return f": is {near[0]} meant?" if near else ""
