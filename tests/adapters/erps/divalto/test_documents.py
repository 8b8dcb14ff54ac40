"""Each document reaches Divalto as one piece, with the stock that it moves."""

from decimal import Decimal
from typing import Literal

import pytest
import trio

from actors.errors import MalformedError, RefusedError
from adapters.erps.divalto.simulator import Switches
from adapters.erps.divalto.simulator.rehearsal import (
    PERSON,
    Site,
    adjustment,
    cancellation,
    line,
    note,
    open_site,
    order,
    reception,
)


async def test_an_order_stands_in_the_erp_under_its_reference_with_its_lines_and_its_fee(site: Site) -> None:
    outcome = await site.erp.carry_out(order(), PERSON)

    (piece,) = site.divalto.pieces()
    assert (outcome.reference, piece.name, piece.picod, piece.tiers) == ("C2-1", "C2-1", 2, "WEB")
    assert piece.reference == "main-1042"
    assert piece.lines == (("TEAPOT", "D01", 3), ("CUP", "D01", 2), ("PORT", "D01", 1))
    assert piece.amount == Decimal("37.50") + Decimal("6.67") + Decimal("4.90")
    assert (piece.currency, piece.date) == ("EUR", "20260302")
    assert site.divalto.stock("D01")["TEAPOT"] == 10  # an order moves nothing


async def test_an_address_is_written_in_letters_that_divalto_can_keep(site: Site) -> None:
    await site.erp.carry_out(order(), PERSON)

    (piece,) = site.divalto.pieces()
    assert piece.address["NOM"] == "Zoë Lukasiewicz"
    assert piece.address["RUE"] == "12 rue de l'OEuvre"
    assert piece.address["PAY"] == "FR"


async def test_an_order_whose_person_was_erased_is_still_booked(site: Site) -> None:
    await site.erp.carry_out(order(), None)
    assert site.divalto.pieces()[0].address == {}


async def test_a_line_that_is_given_away_costs_nothing_instead_of_the_tariff(site: Site) -> None:
    await site.erp.carry_out(order(line("TEAPOT", 1, "0"), shipping="0"), None)
    assert site.divalto.pieces()[0].amount == 0


async def test_a_shipping_fee_can_stand_in_the_foot_of_the_piece() -> None:
    with trio.fail_after(20):
        async with open_site(shipping="footer") as site:
            await site.erp.carry_out(order(line("TEAPOT", 2)), None)
            (piece,) = site.divalto.pieces()
            assert (len(piece.lines), piece.amount) == (1, Decimal("29.90"))


async def test_a_delivery_note_takes_all_of_the_order_and_its_fee_and_moves_the_stock(site: Site) -> None:
    await site.erp.carry_out(order(), None)
    outcome = await site.erp.carry_out(note(), None)

    (delivered,) = site.divalto.pieces(picod=3)
    assert (outcome.reference, delivered.reference) == ("C3-1", "main-1042.1")
    assert delivered.lines == (("TEAPOT", "D01", 3), ("CUP", "D01", 2), ("PORT", "D01", 1))
    assert site.divalto.stock("D01") == {"TEAPOT": 7, "CUP": 18}
    (left,) = site.divalto.pieces(picod=2)
    assert (left.closed, left.lines) == (True, ())


@pytest.mark.parametrize("remainder", ["new_line", "same_line"])
@pytest.mark.parametrize("delivered_header", ["closed", "gone"])
async def test_two_warehouses_deliver_one_order_with_a_note_each(
    remainder: Literal["new_line", "same_line"], delivered_header: Literal["closed", "gone"]
) -> None:
    switches = Switches(remainder=remainder, delivered_header=delivered_header)
    with trio.fail_after(20):
        async with open_site(switches=switches) as site:
            ordered = order(line("TEAPOT", 5), line("CUP", 2))
            first = note(line("TEAPOT", 2), line("CUP", 2), number=1)
            second = note(line("TEAPOT", 3), number=2, warehouse="lyon")
            await site.erp.carry_out(ordered, None)
            await site.erp.carry_out(first, None)
            await site.erp.carry_out(second, None)

            notes = site.divalto.pieces(picod=3)
            assert [seen.reference for seen in notes] == ["main-1042.1", "main-1042.2"]
            assert notes[0].lines == (("TEAPOT", "D01", 2), ("CUP", "D01", 2), ("PORT", "D01", 1))
            assert notes[1].lines == (("TEAPOT", "D02", 3),)
            assert site.divalto.stock("D01") == {"TEAPOT": 8, "CUP": 18}
            assert site.divalto.stock("D02") == {"TEAPOT": 2}
            assert await site.erp.find(ordered) is not None
            assert site.divalto.duplicates() == ()


async def test_a_note_takes_the_order_line_of_its_own_depot(site: Site) -> None:
    await site.erp.carry_out(order(line("TEAPOT", 2), line("TEAPOT", 3, warehouse="lyon")), None)
    await site.erp.carry_out(note(line("TEAPOT", 3), warehouse="lyon"), None)
    (left,) = site.divalto.pieces(picod=2)
    assert left.lines == (("TEAPOT", "D01", 2),)


async def test_one_sku_on_two_lines_is_delivered_from_the_line_at_its_price_first(site: Site) -> None:
    await site.erp.carry_out(order(line("CUP", 2, "3"), line("CUP", 2, "2")), None)
    await site.erp.carry_out(note(line("CUP", 3, "2")), None)

    (delivered,) = site.divalto.pieces(picod=3)
    assert delivered.amount == Decimal(2) * 2 + Decimal(3) + Decimal("4.90")


async def test_a_note_never_delivers_more_than_the_order_has_open(site: Site) -> None:
    await site.erp.carry_out(order(line("CUP", 2)), None)
    with pytest.raises(RefusedError, match="too few open"):
        await site.erp.carry_out(note(line("CUP", 3)), None)
    assert site.divalto.pieces(picod=3) == ()


async def test_a_note_for_an_order_that_is_not_there_is_refused(site: Site) -> None:
    with pytest.raises(RefusedError, match="main-1042 is not there"):
        await site.erp.carry_out(note(), None)


async def test_a_cancellation_closes_what_is_open_and_nothing_else(site: Site) -> None:
    await site.erp.carry_out(order(line("TEAPOT", 5)), None)
    await site.erp.carry_out(note(line("TEAPOT", 2)), None)
    assert await site.erp.find(cancellation()) is None

    outcome = await site.erp.carry_out(cancellation(), None)

    assert outcome.reference == "C2-1"
    assert [(piece.picod, piece.closed) for piece in site.divalto.pieces()] == [(2, True), (3, False)]
    assert (await site.erp.find(cancellation())) == outcome
    with pytest.raises(RefusedError, match="nothing of it is open"):
        await site.erp.carry_out(note(line("TEAPOT", 3), number=2), None)


async def test_the_cancellation_of_an_order_that_divalto_never_had_is_done_already(site: Site) -> None:
    found = await site.erp.find(cancellation())
    assert found is not None
    assert found.reference == "no order"
    assert (await site.erp.carry_out(cancellation(), None)).reference == "no order"
    assert site.divalto.pieces() == ()


async def test_a_reception_is_a_suppliers_delivery_note_and_adds_stock(site: Site) -> None:
    outcome = await site.erp.carry_out(reception(), None)
    (piece,) = site.divalto.pieces()
    assert (outcome.reference, piece.tiers, piece.reference) == ("F3-1", "F0000001", "ASN-2026-77")
    assert site.divalto.stock("D01")["TEAPOT"] == 20
    assert await site.erp.find(reception()) == outcome


async def test_an_adjustment_books_what_is_lost_and_what_is_found_in_one_internal_piece(site: Site) -> None:
    outcome = await site.erp.carry_out(adjustment(), None)
    assert outcome.reference == "I3-1"
    assert site.divalto.stock("D01") == {"TEAPOT": 8, "CUP": 21}
    assert await site.erp.find(adjustment()) == outcome


async def test_a_shirt_is_named_by_its_sub_references(site: Site) -> None:
    await site.erp.carry_out(order(line("SHIRT/XL/BLUE", 1)), None)
    assert site.divalto.pieces()[0].lines[0][0] == "SHIRT/XL/BLUE"


@pytest.mark.parametrize(
    ("sku", "text"),
    [
        ("KETTLE", "Article inexistant"),
        ("SHIRT", "Sous-réf obligatoire"),
        ("SHIRT/XS/BLUE", "Sous référence inexistante"),
        ("TEAPOT/XL", "L'article doit être géré sans sous-référence"),
    ],
)
async def test_a_wrong_article_is_refused_in_divaltos_own_words(site: Site, sku: str, text: str) -> None:
    with pytest.raises(RefusedError, match=text):
        await site.erp.carry_out(order(line(sku, 1)), None)
    assert site.divalto.pieces() == ()


async def test_an_unknown_customer_and_an_unknown_depot_are_refused() -> None:
    with trio.fail_after(20):
        async with open_site(customer="NOBODY") as site:
            with pytest.raises(RefusedError, match="Tiers inexistant"):
                await site.erp.carry_out(order(), None)
        async with open_site(depots={"paris": "D99"}) as site:
            with pytest.raises(RefusedError, match="Dépôt inexistant"):
                await site.erp.carry_out(order(), None)


@pytest.mark.parametrize("sku", ["A" * 26, "SHIRT/" + "X" * 9, "A/B/C/D", "茶壶", ""])
async def test_a_sku_that_divalto_cannot_hold_is_refused_and_never_cut(site: Site, sku: str) -> None:
    with pytest.raises(RefusedError):
        await site.erp.carry_out(order(line(sku, 1)), None)
    assert site.divalto.pieces() == ()


async def test_a_warehouse_without_a_depot_is_refused(site: Site) -> None:
    with pytest.raises(RefusedError, match="'nantes' is mapped to no depot"):
        await site.erp.carry_out(order(line("CUP", 1, warehouse="nantes")), None)


@pytest.mark.parametrize(("visa", "feu", "closed"), [(False, 1, False), (True, 3, False), (True, 1, True)])
async def test_a_customer_who_may_not_be_used_is_refused(
    site: Site, visa: bool, feu: int, closed: bool
) -> None:
    site.divalto.add_third_party("C", "WEB", visa=visa, feu=feu, closed=closed)
    with pytest.raises(RefusedError, match="Tiers"):
        await site.erp.carry_out(order(), None)


async def test_stock_is_told_by_our_warehouse_and_our_sku(site: Site) -> None:
    site.divalto.set_stock("SHIRT", "D02", 4, "XL", "BLUE")
    site.divalto.set_stock("CUP", "D02", Decimal("1.5"), nature="O")
    site.divalto.set_stock("CUP", "D02", 50, nature="R")  # broken: not sellable
    site.divalto.add_depot("D09")
    site.divalto.set_stock("CUP", "D09", 7)  # a depot that is none of ours
    assert await site.erp.stock() == {
        "paris": {"TEAPOT": 10, "CUP": 20},
        "lyon": {"TEAPOT": 5, "SHIRT/XL/BLUE": 4, "CUP": 1},
    }


async def test_a_depot_that_the_site_spells_otherwise_is_not_taken_for_an_empty_one() -> None:
    with trio.fail_after(20):
        async with open_site(depots={"paris": "d01"}) as site:
            with pytest.raises(MalformedError, match="depot d01 is D01 there"):
                await site.erp.stock()


async def test_a_site_that_sends_shorter_pages_than_asked_for_still_tells_all_its_stock() -> None:
    with trio.fail_after(20):
        async with open_site(switches=Switches(rows_max=7)) as site:
            expected = {f"A{number:03}": number for number in range(1, 60)}
            for ref, units in expected.items():
                site.divalto.set_stock(ref, "D02", units)
            assert (await site.erp.stock())["lyon"] == {**expected, "TEAPOT": 5}
