"""wharfinger check --erp: a profile is tried at the ERP, step by step, before anything relies on it."""

import json
import logging
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog
import trio
from click.testing import CliRunner, Result

from adapters.erps.divalto.simulator import Divalto
from daemon.cli import main

PASSWORD = "a password"
MANUAL = Path(__file__).parents[2] / "docs" / "divalto.md"

SETTINGS = """
[database]
dsn_file = "dsn"

[daemon]
socket = "{folder}/control.sock"
web_port = 9464

[channels.main]
type = "prestashop"
url = "http://127.0.0.1:9"
key_file = "shop.key"
service_of = {{ 2 = "home" }}

[erp]
type = "divalto"
{erp}
dos = "1"
customer = "WEB"
depots = {{ lyon = "D01" }}

[carriers.swift]
type = "swift"
url = "http://127.0.0.1:9"
api_key_file = "swift.key"
services = {{ home = {{ code = "HOME" }} }}

[warehouses.lyon]
country = "FR"
"""

ACCOUNT = """
url = "{url}"
user = "wharfinger"
password_file = "erp.password"
domain = "DOMAIN"
env = "TEST"
"""

BY_SOAP = """
flows = {{ write = "soap", look_up = "soap", stock = "soap", books = "soap" }}
soap = {{ url = "{soap}", encoding = "iso-8859-1" }}

[erp.actions.pieces]
action = "ENTETES"
ask = "<DOS>${{DOS}}<TICOD>${{TICOD}}<TIERS>${{TIERS}}<PICOD>${{PICOD}}<DEBUT>${{FROM}}<FIN>${{TO}}"
stages = ["1", "2", "3", "4"]
rows = "entete"

[erp.actions.pieces.columns]
PREFPINO = "prefixe"
PINO = "numero"
CE4 = "ce4"
PINOTIERS = "piecetiers"

[erp.spelling]
quantity = "CDQTE"
good_codes = ["0", "00"]
pieces = {{ dhoq = "ZENT.dhoq", recordsql = "Pieces", equal = "MyKey" }}
"""


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Leave the process's logs as they were: the command sets up its own."""
    yield
    structlog.reset_defaults()
    root = logging.getLogger()
    root.handlers = [handler for handler in root.handlers if type(handler).__name__ != "_Adopted"]


@contextmanager
def served(divalto: Divalto) -> Generator[str]:
    """Serve a simulated site from a thread of its own, and give its address."""
    ready = threading.Event()
    at: list[str] = []
    ends: list[tuple[trio.lowlevel.TrioToken, trio.CancelScope]] = []

    async def run() -> None:
        async with trio.open_nursery() as nursery:
            at.append(await nursery.start(divalto.serve))
            ends.append((trio.lowlevel.current_trio_token(), nursery.cancel_scope))
            ready.set()

    thread = threading.Thread(target=trio.run, args=(run,))
    thread.start()
    assert ready.wait(10)
    try:
        yield at[0]
    finally:
        token, scope = ends[0]
        token.run_sync_soon(scope.cancel)
        thread.join(10)


def check(folder: Path, erp: str, *arguments: str) -> Result:
    for name, text in (
        ("shop.key", "S" * 32),
        ("erp.password", PASSWORD),
        ("swift.key", "x"),
        ("dsn", "postgresql://x/y"),
    ):
        (folder / name).write_text(text)
    config = folder / "wharfinger.toml"
    # TOML's own order: plain keys of a table come before its sub-tables.
    keys, _, tables = erp.partition("\n\n")
    text = SETTINGS.format(folder=folder, erp=keys)
    config.write_text(f"{text}\n{tables}")
    how = arguments or ("--erp", "--json")
    return CliRunner().invoke(main, ["check", *how, "--config", str(config)])


@pytest.fixture
def divalto() -> Divalto:
    site = Divalto("1", 7, depots=("D01",))
    site.set_stock("TEAPOT", "D01", 10)
    return site


def told(result: Result) -> dict[str, str]:
    """Return what was judged of each step, with what was seen and what to do."""
    found = json.loads(result.stdout)["findings"]
    return {each["step"]: f"{each['judgement']}: {each['detail']}; {each['mend']}" for each in found}


def test_a_good_profile_is_well_at_every_step(tmp_path: Path, divalto: Divalto) -> None:
    with served(divalto) as url:
        result = check(tmp_path, ACCOUNT.format(url=url))
        table = check(tmp_path, ACCOUNT.format(url=url), "--erp")
    assert (result.exit_code, table.exit_code) == (0, 0)
    assert told(result)["account and pieces"] == "ok: pieces are found by their reference; "
    assert told(result)["stock of lyon"] == "ok: 1 rows in depot D01, 1 of sellable nature; "
    assert told(result)["customer"] == "ok: WEB may stand on a piece; "
    assert "erp divalto: 9 ok, 0 warnings, 0 wrong" in table.stdout


def test_what_fails_is_named_with_what_to_do_and_ends_with_1(tmp_path: Path, divalto: Divalto) -> None:
    divalto.switches.opened = False
    with served(divalto) as url:
        result = check(tmp_path, ACCOUNT.format(url=url))
    assert result.exit_code == 1
    assert told(result)["account and pieces"].startswith("wrong: erp divalto: RecordSql Entete")
    assert "has to open GTRSENT.dhoq with RecordSql Entete" in told(result)["account and pieces"]
    assert PASSWORD not in result.output


def test_a_customer_that_orders_would_be_refused_for_is_wrong(tmp_path: Path, divalto: Divalto) -> None:
    divalto.add_third_party("C", "WEB", visa=False)
    with served(divalto) as url:
        result = check(tmp_path, ACCOUNT.format(url=url))
    assert result.exit_code == 1
    assert told(result)["customer"].startswith("wrong: WEB has no visa")


def test_a_profile_in_toml_can_change_everything_that_a_site_changes(
    tmp_path: Path, divalto: Divalto
) -> None:
    with served(divalto) as url:
        soap = url.replace("/DhsDivaltoServiceDivaApiRest", "/WebServiceDiva/WebServiceDiva.asmx")
        result = check(tmp_path, BY_SOAP.format(soap=soap))
    assert result.exit_code == 0, result.output
    assert told(result)["WSDL"] == "ok: WebServiceDiva is there; "
    assert told(result)["stock of lyon"] == "ok: 1 rows in depot D01, 1 of sellable nature; "
    assert told(result)["articles"].startswith("warning: ")  # the profile names no action for them


def test_an_erp_that_is_away_is_said_at_the_first_step(tmp_path: Path) -> None:
    result = check(tmp_path, ACCOUNT.format(url="http://127.0.0.1:9"))
    assert result.exit_code == 1
    assert "POST /api/v1/Authent/Auth: ConnectError" in told(result)["account and pieces"]


@pytest.mark.skipif(not MANUAL.exists(), reason="where the wheel is tried there is no manual")
def test_the_profile_that_the_manual_shows_can_be(tmp_path: Path) -> None:
    profile = MANUAL.read_text().partition("```toml\n[erp]\n")[2].partition("```")[0]
    assert "actions.pieces" in profile
    before, _, after = SETTINGS.format(folder=tmp_path, erp="").partition("[erp]")
    for name in ("shop.key", "erp.password", "swift.key"):
        (tmp_path / name).write_text("S" * 32)
    (tmp_path / "dsn").write_text("postgresql://x/y")
    config = tmp_path / "wharfinger.toml"
    config.write_text(f"{before}[erp]\n{profile}\n[carriers.swift]{after.partition('[carriers.swift]')[2]}")
    result = CliRunner().invoke(main, ["check", "--config", str(config)])
    assert result.exit_code == 0, result.output


@pytest.mark.skipif(not MANUAL.exists(), reason="where the wheel is tried there is no manual")
@pytest.mark.parametrize("write", ["webhook", "files"])
def test_the_ways_that_the_manual_shows_can_be_and_their_secrets_come_from_files(
    tmp_path: Path, write: str
) -> None:
    if write == "files":
        pytest.importorskip("paramiko", reason="an extra of the distribution; the development lock has it")
    tables = [part.partition("```")[0] for part in MANUAL.read_text().split("```toml\n")]
    ways = "\n".join(part for part in tables if part.startswith(("[erp.webhook]", "[erp.files]")))
    ways = ways.replace("SHA256:...", "SHA256:" + "A" * 43).replace(
        '"sftp.divalto.example"', '"127.0.0.1"\nport = 9'
    )
    account = ACCOUNT.format(url="http://127.0.0.1:9") + f'flows = {{ write = "{write}" }}\n'
    for name in ("secret_erp.webhook", "secret_erp.sftp"):
        (tmp_path / name).write_text("s3cret-of-a-file")
    good = check(tmp_path, f"{account}\n\n{ways}", "--erp", "--json")
    assert "s3cret-of-a-file" not in good.output
    assert told(good)["settings"] == "ok: complete; "  # what follows cannot be reached from here

    missing = ways.replace("code_file", "# code_file").replace("key_file", "# key_file")
    wrong = check(tmp_path, f"{account}\n\n{missing}", "--erp", "--json")
    assert wrong.exit_code != 0
    assert f"{'webhook.code' if write == 'webhook' else 'files.sftp.key'}: is needed" in wrong.output
