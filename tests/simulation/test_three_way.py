"""Shop, ledger and ERP are compared by a running daemon: each cause is planted for real, told and mended."""

import json
import shlex
import signal
from typing import TYPE_CHECKING, Any

import click
import pytest
import trio
from click.testing import CliRunner

from adapters.channels.prestashop.simulated.furnishing import PAID
from daemon import cli, ctl
from daemon.demo.stage import DEPOTS

if TYPE_CHECKING:
    from tests.simulation.conftest import Merchant, Open

pytestmark = pytest.mark.slow

PATH = "/v1/reconciliation"

Found = dict[tuple[str, str], dict[str, Any]]
"""Differences of orders and of the ERP's stock, by subject and by kind and cause."""


async def run(program: click.Group, *words: str) -> tuple[int, str]:
    """Run a command as its program does, and return its exit code and what it says."""
    result = await trio.to_thread.run_sync(lambda: CliRunner().invoke(program, words))
    return result.exit_code, result.stdout


async def typed(merchant: "Merchant", line: str) -> None:
    """Type a command that was proposed, word by word as it stands there."""
    program, *words = shlex.split(line)
    assert program == "wharfctl"
    code, said = await run(ctl.main, "--socket", str(merchant.stage.folder / "control.sock"), *words)
    assert code == 0, said


async def look(merchant: "Merchant") -> Found:
    answer = await merchant.ask(PATH)
    assert answer["unread"] == []
    return {(each["subject"], f"{each['kind']}:{each['cause']}"): each for each in answer["differences"]}


async def agree(merchant: "Merchant") -> None:
    """Return once the three say the same of everything."""
    seen: list[Any] = []

    async def is_so() -> bool:
        seen[:] = [answer := await merchant.ask(PATH)]
        return not (answer["differences"] or answer["orders_moving"] or answer["unread"])

    await merchant.becomes(is_so, lambda: json.dumps(seen, indent=1))


async def told(merchant: "Merchant") -> dict[str, str]:
    """Return when each difference was put before a person."""
    rows = await merchant.anomalies()
    return {each["anomaly"]: each["raised_at"] for each in rows if each["problem"] == "books_differ"}


async def test_what_users_of_the_erp_book_is_attributed_remembered_and_taken_over(
    open_merchant: "Open",
) -> None:
    with trio.fail_after(120):
        async with open_merchant() as merchant:
            erp = merchant.stage.erp
            await agree(merchant)
            counted = erp.count("CUP-BLUE", "LYO", 4)
            sold = erp.sell("TEAPOT-BLUE", "LYO", 1)
            erp.set_stock("CUP-GREEN", "LYO", erp.stock("LYO").get("CUP-GREEN", 0) + 9)  # leaves no piece
            erp.add_article("MYSTERY")
            merchant.stage.shop.add_product("MYSTERY", stock=0)
            erp.set_stock("MYSTERY", "NTE", 3)

            config = str(merchant.stage.config)
            code, said = await run(cli.main, "reconcile", "--json", "--config", config)
            assert code == 3
            answer = json.loads(said)
            found = {(each["subject"], each["cause"]): each for each in answer["differences"]}
            assert {key: each["units"] for key, each in found.items()} == {
                ("lyon CUP-BLUE", "count"): 4,
                ("lyon TEAPOT-BLUE", "erp_user"): -1,
                ("lyon CUP-GREEN", "unknown"): 9,
                ("nantes MYSTERY", "mapping"): 3,
            }
            assert found["lyon CUP-BLUE", "count"]["evidence"] == [counted]
            assert found["lyon TEAPOT-BLUE", "erp_user"]["evidence"] == [sold]
            assert "MARTINE delivered 1" in found["lyon TEAPOT-BLUE", "erp_user"]["detail"]
            assert all(each["is_new"] for each in found.values())
            shown = {(row["warehouse"], row["sku"]): row for row in answer["erp"]["figures"]}
            row = shown["lyon", "CUP-BLUE"]
            assert row["erp"] == row["corrected"] == row["ledger"] + 4
            assert row["shops"]["main"] == merchant.stage.shop.stock("CUP-BLUE")

            before = await told(merchant)
            assert len(before) == 4
            merchant.signal(signal.SIGKILL)
            await merchant.ended()
            await merchant.start()
            again = await look(merchant)
            assert {subject for subject, _ in again} == {subject for subject, _ in found}
            assert not any(each["is_new"] for each in again.values())
            assert await told(merchant) == before
            unknown = again["lyon CUP-GREEN", "stock:unknown"]
            assert unknown["since"] <= before["books:erp:stock:lyon CUP-GREEN:unknown"]

            for each in again.values():
                for command in each["commands"]:
                    await typed(merchant, command)
            assert await look(merchant) == {}
            assert await told(merchant) == {}

            async def ends_well() -> bool:  # the shop has still to be told of what was taken over
                return (await run(cli.main, "reconcile", "--config", config))[0] == 0

            await merchant.becomes(ends_well)


async def test_an_order_is_followed_through_shop_ledger_and_erp(open_merchant: "Open") -> None:
    with trio.fail_after(120):
        async with open_merchant() as merchant:
            erp, shop = merchant.stage.erp, merchant.stage.shop
            locked, closed = (merchant.place(("CUP-BLUE", 1)) for _ in range(2))
            merchant.left_alone |= {locked, closed}
            undone, reset = (merchant.place(("CUP-GREEN", 1)) for _ in range(2))
            await merchant.shipped(undone, reset)
            for order in (locked, closed):
                await merchant.until(order, "picking")
            await merchant.told()
            await agree(merchant)

            erp.lock(locked)
            merchant.left_alone.discard(locked)
            erp.close(closed)
            (note,) = [
                piece for piece in erp.pieces(ticod="C", picod=3) if piece.reference.startswith(f"{undone}.")
            ]
            erp.delete(note.reference)
            shop.set_state(int(reset.rpartition("-")[2]), PAID)
            await merchant.shipped(locked)
            seen: list[Found] = []

            async def all_told() -> bool:
                seen[:] = [await look(merchant)]
                return len(seen[0]) == 6

            await merchant.becomes(all_told, lambda: json.dumps([*map(list, seen)], indent=1))
            (found,) = seen
            house = {depot: where for where, depot in DEPOTS.items()}[note.lines[0][1]]
            assert set(found) == {
                (f"{locked}.1", "note_missing:document_under_way"),
                (closed, "order_closed:erp_user"),
                (note.reference, "note_missing:erp_user"),
                (f"{house} CUP-GREEN", "stock:erp_user"),
                ("lyon CUP-BLUE", "stock:document_under_way"),
                (reset, "status:shop_write"),
            }
            waiting = found[f"{locked}.1", "note_missing:document_under_way"]
            assert waiting["evidence"] == [f"erp-note:{locked}.1"]
            assert waiting["settles_by"] is not None
            assert found[closed, "order_closed:erp_user"]["detail"].startswith(
                f"{closed}: MARTINE closed C2-"
            )
            assert found[f"{house} CUP-GREEN", "stock:erp_user"]["units"] == 1
            # What is under way is nobody's matter yet.
            assert not any("document_under_way" in name for name in await told(merchant))

            erp.unlock()
            await typed(merchant, waiting["commands"][0])
            await merchant.told()
            (stop,) = found[closed, "order_closed:erp_user"]["commands"]
            await typed(merchant, stop)
            left = {(note.reference, "note_missing:erp_user"), (reset, "status:shop_write")}

            async def settled() -> bool:
                seen[:] = [await look(merchant)]
                return set(seen[0]) == left | {(f"{house} CUP-GREEN", "stock:erp_user")}

            await merchant.becomes(settled, lambda: json.dumps([*map(list, seen)], indent=1))
