"""One suite for every way into the ERP: the same by REST, by actions, by SOAP, by web hooks and by files.

Each case is asked through the adapter and looked at in the simulated company file behind all ways.
"""

from collections.abc import AsyncGenerator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio

from actors.domain.documents import ErpDocument
from actors.erp_books import ErpCustomerFlags
from actors.errors import OutcomeUnknownError, RefusedError, UnreachableError
from adapters.erps.divalto.plugin import FlowSettings
from adapters.erps.divalto.questions import Actions
from adapters.erps.divalto.simulator.custom import PROFILE
from adapters.erps.divalto.simulator.rehearsal import (
    PERSON,
    Site,
    adjustment,
    cancellation,
    change,
    credit,
    customer,
    line,
    note,
    open_site,
    order,
    reception,
)

WHOLE = Actions(
    pieces=PROFILE.pieces,
    customers=PROFILE.customers,
    articles=PROFILE.articles,
    expected=PROFILE.expected,
    changed=PROFILE.changed,
    moved=PROFILE.moved,
)
"""Pieces as `integration_piece` takes them, read by the site's own actions."""

WAYS: dict[str, dict[str, Any]] = {
    "rest": {"way": "rest"},
    "execute": {"way": "execute", "actions": WHOLE},
    "soap": {"way": "soap", "actions": WHOLE},
    "soap in HMP": {"way": "soap", "actions": PROFILE},
    "SOAP writes, REST reads": {"flows": FlowSettings(write="soap")},
    "a web hook writes, REST reads": {"flows": FlowSettings(write="webhook")},
    "a web hook writes, SOAP reads": {
        "flows": FlowSettings("webhook", "soap", "soap", "soap"),
        "actions": WHOLE,
    },
    "files write, REST reads": {"flows": FlowSettings(write="files"), "files": {"form": "csv"}},
    "files as XML": {"way": "files"},
    "files as CSV": {"way": "files", "files": {"form": "csv"}},
    "files as xlsx": {"way": "files", "files": {"form": "xlsx"}},
    "files by SFTP": {"way": "files", "files": {"form": "csv"}, "by_sftp": True},
}


@pytest.fixture(params=WAYS)
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Site]:
    given = dict(WAYS[request.param])
    if "SFTP" in request.param:
        pytest.importorskip("paramiko", reason="an extra of the distribution; the development lock has it")
    if "files" in request.param:
        given["folder"] = tmp_path
    with trio.fail_after(30):
        async with open_site(**given) as opened:
            yield opened


async def carried_out(site: Site, *documents: ErpDocument) -> list[str]:
    """Do as the outbox does, and return the numbers."""
    done = [await site.erp.carry_out(document, PERSON) for document in documents]
    assert [await site.erp.find(document) for document in documents] == done
    return [outcome.reference for outcome in done]


async def test_an_order_is_booked_delivered_in_two_parts_and_both_move_the_stock(site: Site) -> None:
    ordered = order(line("TEAPOT", 5), line("CUP", 2), line("SHIRT/XL/BLUE", 1))
    assert await carried_out(site, ordered) == ["C2-1"]
    (piece,) = site.divalto.pieces()
    assert piece.reference == "main-1042"
    assert piece.lines == (
        ("TEAPOT", "D01", 5),
        ("CUP", "D01", 2),
        ("SHIRT/XL/BLUE", "D01", 1),
        ("PORT", "D01", 1),
    )
    assert piece.amount == Decimal("104.90")
    assert (piece.address["NOM"], piece.address["RUE"]) == ("Zoë Lukasiewicz", "12 rue de l'OEuvre")

    first = note(line("TEAPOT", 2), line("CUP", 2), line("SHIRT/XL/BLUE", 1))
    second = note(line("TEAPOT", 3), number=2, warehouse="lyon")
    assert await carried_out(site, first, second) == ["C3-1", "C3-2"]
    stock = await site.erp.stock()
    assert (stock["paris"]["TEAPOT"], stock["paris"]["CUP"], stock["lyon"]["TEAPOT"]) == (8, 18, 2)
    assert site.divalto.duplicates() == ()


async def test_what_is_open_is_changed_and_then_cancelled(site: Site) -> None:
    await carried_out(site, order())
    changed = change(line("TEAPOT", 1), line("CUP", 4, "2.5"), line("SHIRT/XL/BLUE", 2, "9"))
    assert await carried_out(site, changed) == ["C2-1"]
    (piece,) = site.divalto.pieces()
    assert sorted(piece.lines) == [
        ("CUP", "D01", 4),
        ("PORT", "D01", 1),
        ("SHIRT/XL/BLUE", "D01", 2),
        ("TEAPOT", "D01", 1),
    ]
    assert piece.amount == Decimal("45.40")
    assert await carried_out(site, change(line("CUP", 4, "2.5"))) == ["C2-1"]
    assert [sorted(seen.lines) for seen in site.divalto.pieces()] == [[("CUP", "D01", 4), ("PORT", "D01", 1)]]

    assert await carried_out(site, cancellation()) == ["C2-1"]
    assert site.divalto.pieces()[0].closed


async def test_goods_come_in_are_counted_and_come_back_with_a_credit_note(site: Site) -> None:
    await carried_out(site, order(), note(), reception(), adjustment(), credit())
    stock = await site.erp.stock()
    assert stock["paris"]["TEAPOT"] == 10 - 3 + 10 - 2 + 1
    assert stock["paris"]["CUP"] == 20 - 2 + 1
    returned = site.divalto.pieces(ticod="C", picod=4)
    assert [(piece.reference, piece.lines) for piece in returned] == [
        ("main-1042.R1", (("TEAPOT", "D01", 1),))
    ]


async def test_a_customer_of_the_shop_becomes_one_of_the_erp_once(site: Site) -> None:
    assert await site.erp.find(customer()) is None
    assert await carried_out(site, customer()) == ["main-42"]
    assert await carried_out(site, customer()) == ["main-42"]
    made = site.divalto.third_party("C", "main-42")
    assert made is not None
    assert (made.visa, made.more["NOM"]) == (True, "Zoë Lukasiewicz")


@pytest.mark.parametrize(
    ("sku", "text"),
    [
        ("KETTLE", "Article inexistant"),
        ("SHIRT", "Sous-réf obligatoire"),
        ("SHIRT/XS/BLUE", "Sous référence inexistante"),
        ("TEAPOT/XL", "L'article doit être géré sans sous-référence"),
        ("CUP", "Article périmé"),
    ],
)
async def test_an_article_that_cannot_be_is_refused_in_the_erps_own_words(
    site: Site, sku: str, text: str
) -> None:
    site.divalto.close_article("CUP")
    with pytest.raises(RefusedError, match=text):
        await site.erp.carry_out(order(line(sku, 1)), PERSON)
    assert site.divalto.pieces() == ()
    assert await site.erp.find(order()) is None


async def test_an_unknown_customer_is_refused_and_nothing_is_booked(site: Site) -> None:
    site.divalto.remove_third_party("C", "WEB")
    with pytest.raises(RefusedError, match="Tiers inexistant"):
        await site.erp.carry_out(order(), PERSON)
    site.divalto.add_third_party("C", "WEB", closed=True)
    with pytest.raises(RefusedError, match="Tiers périmé"):
        await site.erp.carry_out(order(), PERSON)
    assert site.divalto.pieces() == ()
    site.divalto.add_third_party("C", "WEB")
    assert await carried_out(site, order()) == ["C2-1"]


async def test_a_piece_that_is_open_in_a_screen_is_tried_again_later(site: Site) -> None:
    await carried_out(site, order())
    site.divalto.lock("main-1042")
    with pytest.raises(UnreachableError, match="réservée"):
        await site.erp.carry_out(note(), None)
    site.divalto.unlock()
    assert await carried_out(site, note()) == ["C3-1"]


async def test_an_order_that_a_user_delivered_and_invoiced_before_the_look_up_is_not_sent_again(
    site: Site,
) -> None:
    await lose_one_answer(site, order())
    site.divalto.turn_into_delivery_note("main-1042")
    site.divalto.invoice("main-1042")
    assert await site.settle(order()) == await site.erp.carry_out(order(), None)
    assert site.divalto.duplicates() == ()
    (invoice,) = await site.erp.books.invoices("main-1042")
    assert (invoice.number, invoice.amount) == ("C4-1", Decimal("49.07"))


@pytest.mark.parametrize(
    "document", [order(), reception(), adjustment()], ids=["order", "reception", "count"]
)
async def test_a_document_whose_answer_is_lost_is_there_once(site: Site, document: ErpDocument) -> None:
    await lose_one_answer(site, document)
    assert len(site.divalto.pieces()) == 1
    assert await site.settle(document) == await site.erp.carry_out(document, None)
    assert len(site.divalto.pieces()) == 1


async def lose_one_answer(site: Site, document: ErpDocument) -> None:
    """Have Divalto carry out the document while we do not hear of it; by files, have its task do it twice."""
    if site.settings.flows.write == "files":
        site.divalto.switches.dies_before_removing = True
        await site.erp.carry_out(document, PERSON)
        return
    site.divalto.faults.lose_next(lambda request: b"TEAPOT" in request.body)
    with pytest.raises(OutcomeUnknownError):
        await site.erp.carry_out(document, PERSON)


async def test_the_stock_is_told_by_nature_with_when_it_was_read(site: Site) -> None:
    site.divalto.set_stock("CUP", "D01", 3, nature="X")
    site.divalto.set_stock("TEAPOT", "D01", Decimal("10.5"))
    await site.told()
    reading = await site.erp.books.stock_reading()
    told = {(row.warehouse, row.sku, row.nature): (row.units, row.sellable) for row in reading.lines}
    assert told == {
        ("paris", "TEAPOT", "N"): (Decimal("10.500"), True),
        ("paris", "CUP", "N"): (Decimal(20), True),
        ("paris", "CUP", "X"): (Decimal(3), False),
        ("lyon", "TEAPOT", "N"): (Decimal(5), True),
    }
    assert reading.began_at < reading.ended_at
    assert (await site.erp.stock())["paris"] == {"TEAPOT": 10, "CUP": 20}


async def test_articles_are_told_by_their_sub_references_with_ean_weight_and_what_is_closed(
    site: Site,
) -> None:
    site.divalto.add_article("SHIRT", "XS", "BLUE", ean="3760000000017")
    site.divalto.close_article("SHIRT", "XL", "BLUE")
    site.divalto.add_article(
        "KETTLE", des="Bouilloire émaillée", ean="3760000000024", weight_kg=Decimal("1.2505")
    )
    site.divalto.close_article("CUP")
    await site.told()
    articles = {article.sku: article for article in await site.erp.books.articles()}
    assert sorted(articles) == ["CUP", "KETTLE", "PORT", "SHIRT/XL/BLUE", "SHIRT/XS/BLUE", "TEAPOT"]
    assert {sku for sku, article in articles.items() if article.closed} == {"CUP", "SHIRT/XL/BLUE"}
    assert not articles["PORT"].stocked
    assert articles["SHIRT/XS/BLUE"].ean == "3760000000017"
    kettle = articles["KETTLE"]
    assert (kettle.name, kettle.ean, kettle.weight_g, kettle.unit) == (
        "Bouilloire émaillée",
        "3760000000024",
        1250,
        "U",
    )


async def test_a_customers_flags_say_whether_it_may_stand_on_a_piece(site: Site) -> None:
    assert await site.erp.books.customer("WEB") == ErpCustomerFlags(
        "WEB", usable=True, warned=False, blocked=False, closed=False
    )
    site.divalto.add_third_party("C", "WEB", visa=False, feu=3, closed=True)
    await site.told()
    assert await site.erp.books.customer("WEB") == ErpCustomerFlags(
        "WEB", usable=False, warned=False, blocked=True, closed=True
    )
    assert await site.erp.books.customer("NOBODY") is None


async def test_what_suppliers_still_owe_is_expected_with_its_day(site: Site) -> None:
    site.divalto.add_third_party("F", "F0000002")
    site.divalto.expect("F0000002", "TEAPOT", "D02", 40, due="20260315")
    site.divalto.expect("F0000001", "CUP", "D01", 7)
    await site.told()
    expected = await site.erp.books.expected()
    assert {
        (owed.purchase_order, owed.supplier, owed.warehouse, owed.sku, owed.units, owed.due)
        for owed in expected
    } == {
        ("F2-1", "F0000002", "lyon", "TEAPOT", Decimal(40), date(2026, 3, 15)),
        ("F2-2", "F0000001", "paris", "CUP", Decimal(7), None),
    }


async def test_what_a_user_closed_on_his_own_is_told_with_who_it_was(site: Site) -> None:
    await carried_out(site, order())
    first, position = await site.erp.books.changed("")
    assert [(piece.number, piece.changed_by, piece.closed) for piece in first] == [
        ("C2-1", "wharfinger", False)
    ]
    site.divalto.close("main-1042")
    await site.told()
    told, _ = await site.erp.books.changed(position)
    assert [(piece.reference, piece.number, piece.changed_by) for piece in told] == [
        ("main-1042", "C2-1", "MARTINE")
    ]


async def test_what_moved_stock_is_told_with_who_booked_it_which_way_and_on_which_piece(site: Site) -> None:
    before = site.now().replace(microsecond=0)
    await carried_out(site, order(), note(), reception(), credit())
    site.divalto.count("CUP", "D02", -4)
    site.divalto.sell("TEAPOT", "D01", 1)
    await site.told()
    moves = await site.erp.books.moves(before)
    assert moves is not None
    told = {(move.number, move.sku): move for move in moves if move.sku in ("TEAPOT", "CUP")}
    assert {key: (move.kind, move.warehouse, int(move.units), move.by_us) for key, move in told.items()} == {
        ("C3-1", "TEAPOT"): ("delivery", "paris", -3, True),
        ("C3-1", "CUP"): ("delivery", "paris", -2, True),
        ("F3-1", "TEAPOT"): ("reception", "paris", 10, True),
        ("C4-1", "TEAPOT"): ("return", "paris", 1, True),
        ("I3-1", "CUP"): ("count", "lyon", -4, False),
        ("C3-2", "TEAPOT"): ("delivery", "paris", -1, False),
    }
    assert told["I3-1", "CUP"].by == "MARTINE"
    assert told["I3-1", "CUP"].at >= before
    assert told["C3-1", "CUP"].reference == note().reference
    assert await site.erp.books.moves(before + timedelta(days=1)) == []


async def test_every_piece_of_an_order_is_told_its_notes_and_their_invoices_too(site: Site) -> None:
    for document in (order(), note(line("TEAPOT", 1))):
        await site.erp.carry_out(document, PERSON)
    site.divalto.invoice(note().reference)
    await site.told()
    pieces = {(piece.stage, piece.reference) for piece in await site.erp.books.pieces("main-1042")}
    assert pieces >= {("order", "main-1042"), ("invoice", note().reference)}
