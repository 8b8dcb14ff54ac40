"""Reads the settings' file, and on SIGHUP the rules alone; says everything that is wrong at once.

It owns the order of the sections and which plugin reads which table; it starts and connects nothing.
"""

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from actors.domain.assortment import Assortment
from actors.domain.carrier_choice import CarrierRule
from adapters.settings import Problem
from daemon import settings_checks
from daemon.plugin import Fault, Plugins
from daemon.settings import (
    Carrier,
    Channel,
    ChannelTerms,
    Daemon,
    Database,
    Erp,
    Rules,
    Settings,
    SettingsError,
    Warehouse,
    assortment,
)
from daemon.settings_checks import Declared
from daemon.settings_reading import Reader, Secrets, given_as, join

FILE_BYTES_MAX = 1024 * 1024
"""A hundred shops and as many warehouses stay far below."""

SECTIONS = ("database", "daemon", "channels", "erp", "carriers", "warehouses", "rules", "rules_file")

Table = Mapping[str, object]
T = TypeVar("T")


def load(path: Path, plugins: Plugins, environ: Mapping[str, str]) -> Settings:
    """Read and check the settings, and the rules' own file where there is one.

    Raises:
        SettingsError: with everything that is wrong.
    """
    document = _parsed(path)
    secrets = _secrets(path, environ)
    reader = Reader(secrets)
    reader.known_only("", document, SECTIONS)
    rules_path = _rules_path(reader, document, path)
    about_database = _section(reader, document, "database")
    database = reader.struct("database", about_database, Database)
    dsn_key = join("database", given_as(about_database, "dsn"))
    daemon = reader.struct("daemon", _section(reader, document, "daemon"), Daemon)
    erp = _erp(reader, _section(reader, document, "erp"), plugins)
    channels = _each(reader, document, "channels", lambda name, table: _channel(reader, name, table, plugins))
    carriers = _each(reader, document, "carriers", lambda name, table: _carrier(reader, name, table, plugins))
    warehouses = _each(
        reader,
        document,
        "warehouses",
        lambda name, table: reader.struct(join("warehouses", name), table, Warehouse),
    )
    rules = _rules(reader, document, rules_path if rules_path != path else None)
    declared = Declared(*(_names(document, section) for section in ("channels", "carriers", "warehouses")))

    problems = reader.problems + settings_checks.names(declared)
    problems += _sales_problems(channels, carriers, plugins, declared)
    if database is not None:
        problems += settings_checks.database(database, dsn_key)
    if daemon is not None:
        problems += settings_checks.daemon(daemon)
        problems += settings_checks.ports(daemon, _addresses(database, dsn_key, erp, channels, carriers))
    if erp is not None:
        kind = next(plugin for plugin in plugins.erps if plugin.name == erp.type)
        problems += settings_checks.erp(erp, kind, declared)
    if rules is not None:
        problems += settings_checks.rules(rules, declared.warehouses)
    if problems or database is None or daemon is None or erp is None or rules is None:
        raise SettingsError(str(path), tuple(problems))
    exposed = tuple(secrets.exposed)
    return Settings(
        path,
        rules_path,
        database,
        daemon,
        channels,
        erp,
        carriers,
        warehouses,
        rules,
        exposed,
        dict(_lasting(document)),
    )


def _addresses(
    database: Database | None,
    dsn_key: str,
    erp: Erp | None,
    channels: Mapping[str, Channel],
    carriers: Mapping[str, Carrier],
) -> dict[str, str]:
    """Return every address we call, by its key."""
    found = {join("channels", name) + ".url": channel.settings for name, channel in channels.items()}
    found |= {join("carriers", name) + ".url": carrier.settings for name, carrier in carriers.items()}
    if erp is not None:
        found["erp.url"] = erp.settings
    addresses = {key: str(getattr(settings, "url", "")) for key, settings in found.items()}
    if database is not None and database.dsn is not None:
        addresses[dsn_key] = database.dsn.reveal()
    return addresses


def _sales_problems(
    channels: Mapping[str, Channel], carriers: Mapping[str, Carrier], plugins: Plugins, declared: Declared
) -> list[Problem]:
    kinds = {plugin.name: plugin for plugin in plugins.channels}
    problems = settings_checks.channels(channels, kinds)
    problems += settings_checks.products(channels)
    problems += settings_checks.shared_stock(channels, declared)
    if len(carriers) == len(declared.carriers):  # else a service may be missing because its carrier is wrong
        problems += settings_checks.services(channels, kinds, tuple(carriers.values()))
    return problems


def waiting_for_restart(settings: Settings) -> tuple[str, ...]:
    """Return the keys whose values in the file are others by now, and are not read again before a restart.

    Raises:
        SettingsError: the file cannot be read.
    """
    then, now = settings.lasting, dict(_lasting(_parsed(settings.path)))
    return tuple(sorted(key for key in {*then, *now} if key not in then or then.get(key) != now.get(key)))


def _lasting(table: Table, within: tuple[str, ...] = ()) -> Iterator[tuple[str, object]]:
    """Yield each value that is not read again, with its key."""
    for name, value in table.items():
        path = (*within, name)
        match path:
            case ("rules",) | ("channels", _, "products") | ("carriers", _, "services"):
                continue
            case _ if isinstance(value, Mapping):
                yield from _lasting(value, path)
            case _:
                yield ".".join(path), value


def load_rules(settings: Settings) -> Rules:
    """Read the rules again, as SIGHUP asks; everything else in the file is left alone.

    Raises:
        SettingsError: with everything that is wrong; the rules in force stay so.
    """
    path = settings.rules_path
    document = _parsed(path)
    reader = Reader(Secrets(path.parent, {}))
    own_file = path != settings.path
    rules = _rules_of(reader, document if own_file else _section(reader, document, "rules"))
    problems = reader.problems
    if rules is not None:
        problems += settings_checks.rules(rules, settings.warehouses)
    if problems or rules is None:
        raise SettingsError(str(path), tuple(problems))
    return rules


def load_carrier_rules(
    settings: Settings, plugins: Plugins, environ: Mapping[str, str]
) -> tuple[CarrierRule, ...]:
    """Read again which parcels the carriers take, as SIGHUP asks; a carrier that is new waits for a restart.

    Raises:
        SettingsError: with everything that is wrong; the rules in force stay so.
    """
    document = _parsed(settings.path)
    reader = Reader(_secrets(settings.path, environ))
    carriers = _each(reader, document, "carriers", lambda name, table: _carrier(reader, name, table, plugins))
    known = tuple(carrier for name, carrier in carriers.items() if name in settings.carriers)
    problems = reader.problems
    if not problems:
        kinds = {plugin.name: plugin for plugin in plugins.channels}
        problems = settings_checks.services(settings.channels, kinds, known)
    if problems:
        raise SettingsError(str(settings.path), tuple(problems))
    return tuple(rule for carrier in known for rule in carrier.rules)


def load_assortments(
    settings: Settings, plugins: Plugins, environ: Mapping[str, str]
) -> Mapping[str, Assortment]:
    """Read again what the channels' articles hold, as SIGHUP asks; a channel that is new waits for a restart.

    Raises:
        SettingsError: with everything that is wrong; the articles in force stay so.
    """
    document = _parsed(settings.path)
    reader = Reader(_secrets(settings.path, environ))
    channels = _each(reader, document, "channels", lambda name, table: _channel(reader, name, table, plugins))
    problems = reader.problems + settings_checks.products(channels)
    if problems:
        raise SettingsError(str(settings.path), tuple(problems))
    known = {name: channel for name, channel in channels.items() if name in settings.channels}
    return {name: assortment(channel.terms) for name, channel in known.items()}


def _secrets(path: Path, environ: Mapping[str, str]) -> Secrets:
    """Return where these settings' secrets lie: wharfinger.toml has credentials/, x.toml x.credentials/."""
    name = "credentials" if path.stem == "wharfinger" else f"{path.stem}.credentials"
    return Secrets(path.parent, environ, path.parent / name)


def _parsed(path: Path) -> Table:
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
        if len(raw) > FILE_BYTES_MAX:
            raise SettingsError(str(path), (Problem("", f"is larger than {FILE_BYTES_MAX} bytes"),))
        return tomllib.loads(raw.decode("utf-8-sig"))  # some editors put a byte order mark before it
    except OSError as error:
        why = f"cannot be read: {error.strerror or type(error).__name__}"
    except UnicodeDecodeError:
        why = "is not UTF-8 text"
    except tomllib.TOMLDecodeError as error:
        why = f"is not TOML: {error}"
    raise SettingsError(str(path), (Problem("", why),))


def _section(reader: Reader, document: Table, section: str) -> Table:
    return reader.table(section, document.get(section, {})) or {}


def _names(document: Table, section: str) -> tuple[str, ...]:
    table = document.get(section)
    return tuple(table) if isinstance(table, Mapping) else ()


def _each(
    reader: Reader, document: Table, section: str, read: Callable[[str, Table], T | None]
) -> dict[str, T]:
    """Return what could be read of a section of named tables, by name."""
    found: dict[str, T] = {}
    for name, value in _section(reader, document, section).items():
        table = reader.table(join(section, name), value)
        read_one = read(name, table) if table is not None else None
        if read_one is not None:
            found[name] = read_one
    return found


def _channel(reader: Reader, name: str, table: Table, plugins: Plugins) -> Channel | None:
    path = join("channels", name)
    kinds = {plugin.name: plugin for plugin in plugins.channels}
    chosen = reader.choice(path, table, "type", kinds)
    if chosen is None:
        return None
    plugin = kinds[chosen]
    terms, own = reader.structs(path, table, (ChannelTerms, plugin.settings), also=("type",))
    if not isinstance(terms, ChannelTerms) or own is None or _faulty(reader, path, plugin.faults(own)):
        return None
    return Channel(name, chosen, terms, own)


def _erp(reader: Reader, table: Table, plugins: Plugins) -> Erp | None:
    kinds = {plugin.name: plugin for plugin in plugins.erps}
    chosen = reader.choice("erp", table, "type", kinds)
    if chosen is None:
        return None
    plugin = kinds[chosen]
    (own,) = reader.structs("erp", table, (plugin.settings,), also=("type",))
    if own is None or _faulty(reader, "erp", plugin.faults(own)):
        return None
    return Erp(chosen, own)


def _carrier(reader: Reader, name: str, table: Table, plugins: Plugins) -> Carrier | None:
    path = join("carriers", name)
    kinds = {plugin.name: plugin for plugin in plugins.carriers}
    chosen = reader.choice(path, table, "type", kinds)
    if chosen is None:
        return None
    plugin = kinds[chosen]
    (own,) = reader.structs(path, table, (plugin.settings,), also=("type",))
    if own is None or _faulty(reader, path, plugin.faults(own)):
        return None
    return Carrier(name, chosen, own, plugin.rules(name, own))


def _faulty(reader: Reader, path: str, faults: Sequence[Fault]) -> bool:
    for fault in faults:
        reader.complain(f"{path}.{fault.key}", fault.why)
    return bool(faults)


def _rules_path(reader: Reader, document: Table, path: Path) -> Path:
    given = document.get("rules_file", "")
    if not isinstance(given, str):
        reader.complain("rules_file", f"expected str, got {type(given).__name__}")
        return path
    if given and "rules" in document:
        reader.complain("rules_file", "is one too many beside [rules]")
    return path.parent / given if given else path


def _rules(reader: Reader, document: Table, own_file: Path | None) -> Rules | None:
    if own_file is None:
        return _rules_of(reader, _section(reader, document, "rules"))
    try:
        return _rules_of(reader, _parsed(own_file))
    except SettingsError as error:
        reader.complain("rules_file", f"{own_file} {error.problems[0].why}")
        return None


def _rules_of(reader: Reader, table: Table) -> Rules | None:
    return reader.struct("rules", table, Rules)
