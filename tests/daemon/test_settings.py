"""The settings' file: read whole, checked whole, every mistake named by its key, no secret ever shown."""

import copy
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.assortment import Assortment, Contents
from actors.partners import Partners
from actors.second_look import WAIT_S
from adapters.memory.journal import MemoryJournal
from adapters.memory.partners import MemoryCarrier, MemoryErp, MemoryShop
from adapters.settings import Secret
from daemon.compose import compose
from daemon.plugins import PLUGINS
from daemon.settings import Rules, SettingsError, routing_rules
from daemon.settings import Settings as WholeSettings
from daemon.settings_file import (
    load,
    load_assortments,
    load_carrier_rules,
    load_rules,
    waiting_for_restart,
)

GOOD = """
[database]
data_dir = "/var/lib/wharfinger/postgres"
wait_seconds = 10

[daemon]
socket = "/run/wharfinger/control.sock"
web_port = 9464

[channels.main]
type = "prestashop"
url = "https://shop.example"
key_file = "shop.key"
poll_seconds = 2.5
buffer = 1
service_of = { 2 = "home" }
[channels.main.state_of]
preparing = 3
backordered = 9
shipped = 4
cancelled = 6

[erp]
type = "divalto"
url = "http://erp.example:8080/DhsDivaltoServiceDivaApiRest"
user = "wharfinger"
password_env = "DIVALTO_PASSWORD"
dos = "998"
customer = "C0000001"
depots = { lyon = "LYO", lille = "LIL" }

[carriers.swift]
type = "swift"
url = "https://api.swift.example"
api_key_file = "swift.key"
[carriers.swift.services.home]
code = "HOME"
countries = ["FR", "BE"]

[warehouses.lyon]
name = "Lyon"
country = "FR"
priority = 10

[warehouses.lille]
country = "FR"

[rules]
parts_max = 3
closed = ["lille"]
"""

SHARES = "products.SET = { contains = { A = 1 }, price_shares = "

SECRETS = {"shop.key": "S" * 31 + "1", "swift.key": "swift-hunter2", "DIVALTO_PASSWORD": "divalto-hunter2"}
ENVIRON = {"DIVALTO_PASSWORD": SECRETS["DIVALTO_PASSWORD"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("shop.key", "swift.key"):
        (tmp_path / name).write_text(SECRETS[name] + "\n")
    return tmp_path


def read(folder: Path, text: str, environ: Mapping[str, str] = ENVIRON) -> WholeSettings:
    path = folder / "wharfinger.toml"
    path.write_text(text)
    return load(path, PLUGINS, environ)


def complaints(folder: Path, text: str, environ: Mapping[str, str] = ENVIRON) -> list[str]:
    """Return "key: what is wrong" of everything that is wrong."""
    with pytest.raises(SettingsError) as caught:
        read(folder, text, environ)
    for secret in SECRETS.values():
        assert secret not in str(caught.value)
    return [f"{problem.key}: {problem.why}" for problem in caught.value.problems]


def test_what_a_channel_is_told_in_the_file_is_what_its_actor_goes_by(folder: Path) -> None:
    told = "safety_stock = 3\nrelease_wait_seconds = 42.5\nsells_all = false\npoll_seconds = 2.5"
    settings = read(folder, GOOD.replace("poll_seconds = 2.5", told))
    partners = Partners({"main": MemoryShop()}, MemoryErp({}), {"swift": MemoryCarrier()})
    system = compose(settings, partners, MemoryJournal(), observe=lambda *_: None, moved=lambda *_: None)
    (channel,) = system.channels
    assert (channel.name, channel.poll_s, channel.safety, channel.buffer) == ("main", 2.5, 3, 1)
    assert (channel.release_wait_s, channel.sells_all) == (42.5, False)
    unsaid = compose(
        read(folder, GOOD), partners, MemoryJournal(), observe=lambda *_: None, moved=lambda *_: None
    )
    assert unsaid.channels[0].release_wait_s == WAIT_S


def test_good_settings_are_read_whole(folder: Path) -> None:
    got = read(folder, GOOD)
    assert got.channels["main"].terms.poll_seconds == 2.5
    assert got.channels["main"].settings.key == SECRETS["shop.key"]  # type: ignore[attr-defined] # PrestaShop's
    assert got.erp.settings.password == Secret("divalto-hunter2")  # type: ignore[attr-defined]
    assert [(rule.carrier, rule.carrier_service, rule.service) for rule in got.carrier_rules] == [
        ("swift", "HOME", "home")
    ]
    assert [(site.name, site.priority, site.open) for site in got.routing_rules.warehouses] == [
        ("lyon", 10, True),
        ("lille", 100, False),
    ]
    assert got.routing_rules.parts_max == 3


def test_no_secret_stands_in_what_settings_print(folder: Path) -> None:
    got = read(folder, GOOD)
    for secret in SECRETS.values():
        assert secret not in repr(got)
        assert secret not in str(got)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('url = "https://shop.example"', "url = 5", "channels.main.url: expected str, got int"),
        ("poll_seconds = 2.5", 'poll_seconds = "2"', "channels.main.poll_seconds: expected float, got str"),
        ("poll_seconds = 2.5", "poll_seconds = 0", "channels.main.poll_seconds: expected float >= 0.05"),
        ("poll_seconds = 2.5", "pol_seconds = 2.5", "channels.main.pol_seconds: unknown: is poll_seconds "),
        ("[rules]", "[ruls]", "ruls: unknown: is rules meant?"),
        ("priority = 10", "zzz = 1", "warehouses.lyon.zzz: unknown: known here are country, name, priority"),
        ('type = "swift"', "", "carriers.swift.type: is missing: expected 'swift'"),
        ('type = "swift"', 'type = "ups"', "carriers.swift.type: expected 'swift', got 'ups'"),
        ('type = "divalto"', "type = 1", "erp.type: expected str, got int"),
        ('dos = "998"', "", "erp.dos: is missing: expected str"),
        ('dos = "998"', 'dos = "998998998"', "erp.dos: has to be 1 to 8 characters long"),
        ("shipped = 4\n", "shipt = 4\n", "channels.main.state_of.shipt: expected 'preparing' or 'backorde"),
        ("shipped = 4", 'shipped = "4"', "channels.main.state_of.shipped: expected int, got str"),
        ('countries = ["FR", "BE"]', 'countries = ["FR", "be"]', "carriers.swift.services.home.countries["),
        ('code = "HOME"', "", "carriers.swift.services.home.code: is missing: expected str"),
        ("[carriers.swift.services.home]", "[carriers.swift.serv.home]", "carriers.swift.services: is mis"),
        ("parts_max = 3", "parts_max = 9", "rules.parts_max: expected int <= 4"),
        ('closed = ["lille"]', 'closed = ["lile"]', "rules.closed[0]: there is no warehouse 'lile': is li"),
        ("closed", "priority = { lyyon = 1 }\nclosed", "rules.priority.lyyon: there is no warehouse 'lyyo"),
        ('lille = "LIL"', 'lile = "LIL"', "warehouses.lille: has no entry in erp.depots"),
        ('lille = "LIL"', 'lile = "LIL"', "erp.depots.lile: there is no such warehouse: is lille meant?"),
        ("depots =", 'customers = { mian = "C1" }\ndepots =', "erp.customers.mian: there is no such chann"),
        ('2 = "home"', '2 = "hme"', "channels.main.service_of.2: no carrier has the service 'hme': is hom"),
        ('service_of = { 2 = "home" }', "", "channels.main: maps none of its carriers to a service of ours"),
        ("[channels.main]", "[channels.Boutique-1]", "channels.Boutique-1: the name has to be 1 to 8 of a"),
        ("[warehouses.lille]", '[warehouses."a b"]', 'warehouses."a b": the name has to be'),
        ('country = "FR"\n\n', 'country = "fr"\n\n', "warehouses.lille.country: expected str matching regex"),
        ('data_dir = "/var', 'data_dir = "var', "database.data_dir: has to be an absolute path"),
        ('data_dir = "/var/lib/wharfinger/postgres"', "", "database: expected dsn_file, dsn_env or data_dir"),
        ('socket = "/run', 'socket = "run', "daemon.socket: has to be an absolute path"),
        ('socket = "/run/', 'socket = "/run/' + "x" * 100, "daemon.socket: is longer than 107 bytes"),
        ("web_port = 9464", 'web_host = "0.0.0.0"', "daemon.web_host: is not loopback"),
        ("web_port = 9464", 'web_host = "localhost"', "daemon.web_host: has to be an IP address"),
        ("web_port = 9464", "web_port = 70000", "daemon.web_port: expected int <= 65535"),
        ("web_port = 9464", "web_port = true", "daemon.web_port: expected int, got bool"),
        ("[daemon]", "[[daemon]]", "daemon: expected a table, got array"),
        ('url = "https://api.swift.example"', 'url = "api.swift.example"', "carriers.swift.url: has to be"),
        ('key_file = "shop.key"', 'key = "SSSS"', "channels.main.key: is a secret and does not stand here"),
        ('key_file = "shop.key"', "", "channels.main.key: is missing: give key_file or key_env"),
        ('key_file = "shop.key"', 'key_file = "no"', "channels.main.key_file: cannot read "),
        ('key_file = "shop.key"', "key_file = 7", "channels.main.key_file: expected str, got int"),
        ('"DIVALTO_PASSWORD"', '"NOWHERE"', "erp.password_env: the environment has no NOWHERE"),
        ('key_file = "shop.key"', 'key_file = "swift.key"', "channels.main.key_file: what it holds does n"),
        ('api_key_file = "swift.key"', 'api_key_file = "a"\napi_key_env = "B"', "carriers.swift.api_key_e"),
        ("erp.example:8080", "localhost:9464", "daemon.web_port: is the port of erp.url on this machine"),
        ("https://shop.example", "http://[::1]:9464", "daemon.web_port: is the port of channels.main.url on"),
        ("[rules]", "rules_file = 5\n[rules]", "rules_file: expected str, got int"),
        ("buffer = 1", "products.SET = { contains = {} }", "channels.main.products.SET.contains: expect"),
        ("buffer = 1", "products.SET = { contains = { A = 0 } }", "channels.main.products.SET.contains.A:"),
        ("buffer = 1", "products.SET = {}", "channels.main.products.SET.contains: is missing: expected a t"),
        ("shop.example", "SECRET@shop.example", "channels.main.url: must not hold a user or password"),
        ("shop.example", "shop.example/api/", "channels.main.url: has to be the shop's own address, without"),
        ("https://shop.example", "shop.example", "channels.main.url: has to begin with http:// or https://"),
        ("buffer = 1", SHARES + "{ B = 1 } }", "channels.main.products.SET.price_shares: has to name t"),
        ("buffer = 1", SHARES + "{ A = 0 } }", "channels.main.products.SET.price_shares: are all 0"),
        ("buffer = 1", 'stock_with = "mian"', "channels.main.stock_with: there is no channel 'mian': is"),
        ("buffer = 1", 'stock_with = "main"', "channels.main.stock_with: is the channel itself"),
        ("buffer = 1", 'sku_from = ["name"]', "channels.main.sku_from[0]: "),
    ],
)  # fmt: skip
def test_a_mistake_is_named_by_its_key(folder: Path, old: str, new: str, expected: str) -> None:
    assert old in GOOD
    text = GOOD.replace(old, new, 1) if not new.startswith("rules_file") else "rules_file = 5\n" + GOOD
    told = complaints(folder, text)
    assert any(line.startswith(expected) for line in told), told


def test_all_mistakes_are_told_at_once(folder: Path) -> None:
    text = (
        GOOD.replace("web_port = 9464", "web_port = 0")
        .replace('url = "https://shop.example"', "")
        .replace('dos = "998"', "dos = 998")
        .replace("parts_max = 3", 'parts_max = "x"')
    )
    keys = [line.split(":")[0] for line in complaints(folder, text)]
    assert keys == ["daemon.web_port", "erp.dos", "channels.main.url", "rules.parts_max"]


def test_the_same_shop_twice_is_refused(folder: Path) -> None:
    second = GOOD[GOOD.index("[channels.main]") : GOOD.index("[erp]")].replace(
        "channels.main", "channels.other"
    )
    told = complaints(folder, GOOD + second.replace("https://shop.example", "https://SHOP.example/"))
    assert told == ["channels.other: is the same shop as channels.main"]


def test_an_empty_file_says_what_is_needed(folder: Path) -> None:
    assert [line.split(":")[0] for line in complaints(folder, "")] == [
        "erp.type",
        "channels",
        "carriers",
        "warehouses",
        "database",
    ]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (
            b"[database\n",
            "is not TOML: Expected ']' at the end of a table declaration (at line 1, column 10)",
        ),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"#" * (1024 * 1024 + 1), "is larger than 1048576 bytes"),
    ],
)
def test_a_file_that_is_no_toml_says_so(folder: Path, raw: bytes, expected: str) -> None:
    path = folder / "broken.toml"
    path.write_bytes(raw)
    with pytest.raises(SettingsError) as caught:
        load(path, PLUGINS, {})
    assert str(caught.value) == f"{path}: {expected}"


def test_a_file_that_an_editor_began_with_a_byte_order_mark_is_read(folder: Path) -> None:
    path = folder / "wharfinger.toml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert load(path, PLUGINS, ENVIRON).daemon.web_port == 9464


def test_what_has_changed_in_the_file_and_is_not_read_again_is_named_by_its_key(folder: Path) -> None:
    settings = read(folder, GOOD)
    assert waiting_for_restart(settings) == ()
    read_again = GOOD.replace("parts_max = 3", "parts_max = 2").replace('code = "HOME"', 'code = "POINT"')
    (folder / "wharfinger.toml").write_text(
        read_again + "\n[channels.main.products.SET]\ncontains = { A = 1 }\n"
    )
    assert waiting_for_restart(settings) == ()
    changed = read_again.replace("poll_seconds = 2.5", "poll_seconds = 3\nsafety_stock = 4")
    (folder / "wharfinger.toml").write_text(changed.replace('name = "Lyon"\n', ""))
    assert waiting_for_restart(settings) == (
        "channels.main.poll_seconds",
        "channels.main.safety_stock",
        "warehouses.lyon.name",
    )


def test_a_file_that_is_not_there_says_so(folder: Path) -> None:
    with pytest.raises(SettingsError, match=r"away\.toml: cannot be read: No such file or directory"):
        load(folder / "away.toml", PLUGINS, {})


def test_secrets_come_from_systemds_credentials_where_there_are_some(folder: Path, tmp_path: Path) -> None:
    handed_over = tmp_path / "credentials"
    handed_over.mkdir()
    (handed_over / "shop.key").write_text("C" * 32)
    (handed_over / "swift.key").write_text("from-systemd")
    got = read(folder, GOOD, {**ENVIRON, "CREDENTIALS_DIRECTORY": str(handed_over)})
    assert got.channels["main"].settings.key == "C" * 32  # type: ignore[attr-defined] # PrestaShop's
    assert got.carriers["swift"].settings.api_key.reveal() == "from-systemd"  # type: ignore[attr-defined]


@pytest.mark.parametrize("who", ["the daemon", "root"])
def test_who_names_a_credential_without_what_systemd_puts_before_it_is_told(folder: Path, who: str) -> None:
    credentials = folder / "credentials"
    credentials.mkdir()
    (folder / "shop.key").rename(credentials / ("shop.key" if who == "root" else "secret_shop.key"))
    environ = ENVIRON if who == "root" else {**ENVIRON, "CREDENTIALS_DIRECTORY": str(credentials)}
    (told,) = [
        each for each in complaints(folder, GOOD, environ) if each.startswith("channels.main.key_file")
    ]
    assert told.endswith("/shop.key: No such file or directory: is secret_shop.key meant?")


def test_a_database_address_comes_as_a_secret(folder: Path) -> None:
    text = GOOD.replace('data_dir = "/var/lib/wharfinger/postgres"', 'dsn_env = "DSN"')
    dsn = "postgresql://wharfinger:hunter2@db/wharfinger"
    got = read(folder, text, {**ENVIRON, "DSN": dsn})
    assert got.database.dsn is not None
    assert got.database.dsn.reveal() == dsn
    assert "hunter2" not in repr(got)
    assert complaints(folder, text, {**ENVIRON, "DSN": "mysql://hunter2@db"}) == [
        "database.dsn_env: has to begin with postgresql://"
    ]


@pytest.mark.parametrize("password", ["hun/ter2", "hun?ter2", "hun#ter2", "[hunter2"])
def test_a_password_that_makes_a_database_address_unreadable_is_named_and_no_part_of_it_shown(
    folder: Path, password: str
) -> None:
    text = GOOD.replace('data_dir = "/var/lib/wharfinger/postgres"', 'dsn_env = "DSN"')
    (told,) = complaints(folder, text, {**ENVIRON, "DSN": f"postgresql://w:{password}@db:5432/x"})
    assert told.startswith("database.dsn_env: names no host that can be read: in a password / is spelled %2F")
    assert "hun" not in told
    assert "ter2" not in told


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://w:p%2Fw%40@db:5432/x",
        "postgres://w@/x?host=/run/postgresql&port=5433",
        "postgresql://w@one:5432,two/x",
        "postgresql://w@[::1]:5432/x",
        "postgresql:///x",
    ],
)
def test_every_way_to_spell_a_database_address_is_taken(folder: Path, dsn: str) -> None:
    text = GOOD.replace('data_dir = "/var/lib/wharfinger/postgres"', 'dsn_env = "DSN"')
    got = read(folder, text, {**ENVIRON, "DSN": dsn})
    assert got.database.dsn is not None
    assert got.database.dsn.reveal() == dsn


# --- rules --------------------------------------------------------------------------------------------------


def own_rules(folder: Path, rules: str) -> WholeSettings:
    (folder / "rules.toml").write_text(rules)
    return read(folder, 'rules_file = "rules.toml"\n' + GOOD[: GOOD.index("[rules]")])


def test_rules_may_stand_in_a_file_of_their_own_and_are_read_again(folder: Path) -> None:
    got = own_rules(folder, "parts_max = 1\n")
    assert got.rules == Rules(parts_max=1)
    (folder / "rules.toml").write_text('closed = ["lyon"]\n')
    assert load_rules(got) == Rules(closed=("lyon",))


def test_rules_in_the_main_file_are_read_again_and_nothing_else_is(folder: Path) -> None:
    got = read(folder, GOOD)
    (folder / "wharfinger.toml").write_text(
        GOOD.replace("parts_max = 3", "parts_max = 2").replace("9464", "0")
    )
    assert load_rules(got) == Rules(parts_max=2, closed=("lille",))


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("parts_max = 0\n", "rules.parts_max: expected int >= 1"),
        ('closed = ["paris"]\n', "rules.closed[0]: there is no warehouse 'paris'"),
        ("partsmax = 1\n", "rules.partsmax: unknown: is parts_max meant?"),
        ("parts_max", ": is not TOML: "),
    ],
)
def test_wrong_rules_are_not_taken_on_sighup(folder: Path, rules: str, expected: str) -> None:
    got = own_rules(folder, "")
    (folder / "rules.toml").write_text(rules)
    with pytest.raises(SettingsError) as caught:
        load_rules(got)
    (problem,) = caught.value.problems
    assert f"{problem.key}: {problem.why}".startswith(expected)


def test_what_carriers_take_is_read_again_but_a_new_carrier_waits_for_a_restart(folder: Path) -> None:
    got = read(folder, GOOD)
    new = """[carriers.snail]
type = "swift"
url = "https://api.snail.example"
api_key_file = "swift.key"
services = { home = { code = "SLOW" } }
"""
    changed = GOOD.replace('["FR", "BE"]', '["FR", "IT"]').replace(
        "[warehouses.lyon]", new + "[warehouses.lyon]"
    )
    (folder / "wharfinger.toml").write_text(changed)
    (rule,) = load_carrier_rules(got, PLUGINS, {})
    assert (rule.carrier, rule.countries) == ("swift", ("FR", "IT"))


def test_what_articles_hold_is_read_again_but_a_new_channel_waits_for_a_restart(folder: Path) -> None:
    got = read(folder, GOOD)
    assert got.assortments == {"main": Assortment()}
    new = """[channels.other]
type = "prestashop"
url = "https://other.example"
key_file = "shop.key"
service_of = { 2 = "home" }
"""
    listed = "buffer = 1\nproducts.CARTON-6 = { contains = { BOLT = 6 } }"
    changed = GOOD.replace("buffer = 1", listed).replace("[erp]", new + "[erp]")
    (folder / "wharfinger.toml").write_text(changed)
    held = {"CARTON-6": Contents({"BOLT": 6})}
    assert load_assortments(got, PLUGINS, ENVIRON) == {"main": Assortment(held)}


def test_articles_that_are_wrong_are_not_taken_on_sighup(folder: Path) -> None:
    got = read(folder, GOOD)
    wrong = GOOD.replace("buffer = 1", SHARES + "{ B = 1 } }")
    (folder / "wharfinger.toml").write_text(wrong)
    with pytest.raises(SettingsError, match="has to name the SKUs of contains"):
        load_assortments(got, PLUGINS, ENVIRON)


def test_a_service_that_no_carrier_takes_any_more_is_not_taken_on_sighup(folder: Path) -> None:
    got = read(folder, GOOD)
    (folder / "wharfinger.toml").write_text(GOOD.replace("services.home", "services.house"))
    with pytest.raises(SettingsError, match="no carrier has the service 'home': is house meant"):
        load_carrier_rules(got, PLUGINS, {})


def test_a_rules_file_that_is_not_there_is_named(folder: Path) -> None:
    told = complaints(folder, 'rules_file = "away.toml"\n' + GOOD[: GOOD.index("[rules]")])
    assert told == [f"rules_file: {folder}/away.toml cannot be read: No such file or directory"]


def test_the_version_of_rules_is_that_of_their_contents(folder: Path) -> None:
    got = read(folder, GOOD)
    same = routing_rules(got.warehouses, Rules(closed=("lille",), parts_max=3))
    other = routing_rules(got.warehouses, Rules(closed=(), parts_max=3))
    assert got.routing_rules.version == same.version != other.version


# --- any mistake at all -------------------------------------------------------------------------------------


def _leaves(table: Mapping[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for key, value in table.items():
        found.append((*path, key))
        if isinstance(value, dict):
            found += _leaves(value, (*path, key))
    return found


DOCUMENT = tomllib.loads(GOOD)
FREE_NAMES = {("channels",), ("warehouses",), ("carriers",), ("carriers", "swift", "services")}
"""Below these stand names that the merchant chooses: renaming one is no mistake of spelling."""

Mutation = Literal["wrong type", "misspelled"]


def _mutated(path: tuple[str, ...], mutation: Mutation) -> dict[str, Any]:
    document = copy.deepcopy(DOCUMENT)
    table = document
    for key in path[:-1]:
        table = table[key]
    if mutation == "wrong type":
        table[path[-1]] = [[{}]]
    else:
        table[path[-1] + "q"] = table.pop(path[-1])
    return document


@settings(deadline=None, derandomize=True)
@given(st.sampled_from(_leaves(DOCUMENT)), st.sampled_from(["wrong type", "misspelled"]))
def test_whatever_key_is_wrong_is_named(
    tmp_path_factory: pytest.TempPathFactory, path: tuple[str, ...], mutation: Mutation
) -> None:
    free = mutation == "misspelled" and path[:-1] in {*FREE_NAMES, ("channels", "main", "service_of")}
    if free:
        return
    folder = tmp_path_factory.mktemp("settings")
    for name in ("shop.key", "swift.key"):
        (folder / name).write_text(SECRETS[name])
    told = complaints(folder, _as_toml(_mutated(path, mutation)))
    named = ".".join(path) + ("q" if mutation == "misspelled" else "")
    assert any(line.startswith(named) for line in told), (named, told)


def _as_toml(document: Mapping[str, Any]) -> str:
    """Write a document as one inline table a section, which is all that the mutations need."""
    return "".join(f"{key} = {_inline(value)}\n" for key, value in document.items())


def _inline(value: object) -> str:
    write: Callable[[object], str] = _inline
    match value:
        case dict():
            return "{" + ", ".join(f'"{key}" = {write(item)}' for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(write(item) for item in value) + "]"
        case str():
            return f'"{value}"'
        case _:
            return str(value)
