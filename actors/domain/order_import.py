"""How a shop's order becomes ours, and what a later copy of it says."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import assert_never

from actors.domain.anomaly_events import AnomalyResolved
from actors.domain.documents import LabelPurchase
from actors.domain.order_allocation import go_on
from actors.domain.order_cancel import cancel
from actors.domain.order_commands import Import, Readdressed
from actors.domain.order_draft import Draft, show
from actors.domain.order_erp import mind_erp
from actors.domain.order_events import (
    ContactCorrected,
    HoldReleased,
    LinesCorrected,
    LinesEdited,
    OrderHeld,
    OrderImported,
    OrderLine,
    OrderReappeared,
    ServiceNamed,
)
from actors.domain.order_reduction import keep_promises
from actors.domain.order_returns import note_refund
from actors.domain.order_shipping import ask_again, ask_labels, follow_edit, has_labels_asked
from actors.domain.order_state import REROUTABLE, Order, effect_id, erp_has_order


def import_order(draft: Draft, command: Import) -> None:
    """Take the shop's order as it stands now; what ended in the shop before it came here is not ours."""
    if draft.order.imported is not None:
        if is_another(draft.order.facts, command.reference, command.placed_at):
            _say_that_it_is_another(draft, command)
        else:
            _import_again(draft, command)
        return
    if command.standing in ("cancelled", "shipped"):
        return
    draft.add(
        OrderImported(
            channel=command.channel,
            shop_order=command.shop_order,
            reference=command.reference,
            placed_at=command.placed_at,
            currency=command.currency,
            total=command.total,
            shipping=command.shipping,
            service=command.service,
            country=command.country,
            lines=command.lines,
            contact=command.contact,
            payload=command.payload,
        )
    )
    problems = (*_line_problems(draft.order, draft.facts.knows), *command.address_problems)
    if problems:
        draft.add(OrderHeld("validation", problems, None, "validation"))
        unknown = {_unknown_sku(line) for line in command.lines}
        problem = "unknown_sku" if set(problems) <= unknown else "invalid_order"
        draft.raise_anomaly("invalid", problem, "; ".join(problems), _mend(draft.order.id, command, problems))
    if command.standing == "unpaid":
        draft.add(OrderHeld("payment", ("the shop says that it is not paid yet",), None, "shop"))
    mind_erp(draft)
    go_on(draft)


def _mend(order: str, command: Import, problems: Iterable[str]) -> str:
    """Return what mends each thing that is wrong, and that there is a way round it."""
    unknown = {_unknown_sku(line) for line in command.lines} & set(problems)
    ways = [
        *(["mend the address in the shop"] if command.address_problems else []),
        *(["receive the SKU or list the article among the channel's products"] if unknown else []),
    ]
    others = set(problems) - unknown - set(command.address_problems)
    if others:
        ways.append("mend its lines in the shop")
    return (
        f"{', '.join(ways)}, and it goes on by itself; else wharfctl order release {order} --hold validation"
    )


def is_another(ours: OrderImported, reference: str, placed_at: datetime) -> bool:
    """Tell whether the shop has given the number of an order to another: it was restored from a backup.

    A reference may be renamed, and a time told in another zone; what differs in both is no copy of ours.
    """
    return reference != ours.reference and placed_at != ours.placed_at


def _say_that_it_is_another(draft: Draft, command: Import) -> None:
    """Put it before a person as long as either of the two has not ended: neither must pass for the other."""
    order = draft.order
    if order.ended and command.standing in ("cancelled", "shipped"):
        if (name := f"{order.id}:another") in order.anomalies:
            draft.add(AnomalyResolved(name, "system"))
        return
    ours = order.facts
    detail = (
        f"under the number {ours.shop_order} the shop has {command.reference}"
        f" of {command.placed_at:%Y-%m-%d}, and here it is {ours.reference} of {ours.placed_at:%Y-%m-%d}"
    )
    mend = f"place {command.reference} anew in the shop, for a number that no order had; it does not come in"
    if not order.ended:
        mend += f"; {order.id} goes on, unless you cancel it, and its states show on the other"
    draft.raise_anomaly("another", "number_reused", detail, mend)


def _line_problems(order: Order, knows: Callable[[str], bool]) -> tuple[str, ...]:
    """Return everything that is wrong with the lines, all at once."""
    lines = order.facts.lines
    problems = [] if lines else ["the order has no lines"]
    for line in lines:
        if not line.sku:
            problems.append(f"line {line.line} has no SKU")
        elif not knows(line.sku):
            problems.append(_unknown_sku(line))
        if line.units <= 0:
            problems.append(f"line {line.line} asks for {line.units} units")
        if line.unit_price < 0:
            problems.append(f"line {line.line} has the price {line.unit_price}")
    return tuple(problems)


def _unknown_sku(line: OrderLine) -> str:
    return f"no warehouse knows the SKU {line.sku} of line {line.line}"


def release_once_skus_are_known(draft: Draft) -> None:
    """Lift the validation hold if all that was wrong were SKUs that have turned up in a warehouse since."""
    order = draft.order
    held = order.holds.get("validation")
    if held is None or _line_problems(order, draft.facts.knows):
        return
    if set(held.reasons) <= {_unknown_sku(line) for line in order.facts.lines}:
        draft.add(HoldReleased("validation", "mapping"))


def takes_address(order: Order) -> bool:
    """Tell whether another address in the shop is still of use: a parcel has no label, or was refused one."""
    if order.ended:
        return False
    if any(isinstance(document, LabelPurchase) for document in order.refusals.values()):
        return True
    if not any(effect.startswith("label:") for effect in order.effects_asked) or order.wanted():
        return True
    return any(part.state in REROUTABLE or not has_labels_asked(order, part) for part in order.live())


def _say_what_has_its_label(draft: Draft, order: Order, readdressed: Readdressed) -> None:
    """Put before a person which parcels have a label that says otherwise than the shop does by now.

    A carrier is given the mail address too, to announce a parcel; that one arrives all the same, and the shop
    tells its customer of the tracking itself.
    """
    labelled = [
        parcel.parcel
        for part in order.live()
        for parcel in part.parcels
        if (effect := effect_id("label", parcel.parcel)) in order.effects_asked
        and effect not in order.refusals
    ]
    if not labelled or order.ended:
        return
    parcels = ", ".join(labelled)
    match readdressed:
        case "address":
            detail = f"the address was changed in the shop when {parcels} had a label for the one before"
            mend = f"intercept {parcels}, or settle it with the customer"
            draft.raise_anomaly("address", "changed_in_shop", detail, mend)
        case "phone":
            detail = (
                f"the phone number was changed in the shop when {parcels} had a label with the one before"
            )
            mend = f"tell the carrier of {parcels}, if its driver has to ring or a locker sends a code"
            draft.raise_anomaly("phone", "changed_in_shop", detail, mend)
        case "else" | "":
            return
        case _:
            assert_never(readdressed)


def _may_take_address(order: Order, command: Import) -> bool:
    """Tell whether to take an address; one that lacks something only where another lacked as well."""
    is_no_worse = not command.address_problems or "validation" in order.holds
    return is_no_worse and takes_address(order)


def _readdress(draft: Draft, command: Import) -> None:
    before = draft.order
    if _may_take_address(before, command):
        _take_address(draft, command)
    _say_what_has_its_label(draft, before, command.readdressed)


def _take_address(draft: Draft, command: Import) -> None:
    """Take the address that somebody has mended in the shop, and go on with it."""
    draft.add(ContactCorrected(command.contact, command.country))
    held = draft.order.holds.get("validation")
    if held is not None:
        problems = (*_line_problems(draft.order, draft.facts.knows), *command.address_problems)
        if not problems:
            draft.add(HoldReleased("validation", "shop"))
            go_on(draft)
        elif problems != held.reasons:
            draft.add(OrderHeld("validation", problems, None, "validation"))
    if not command.address_problems:
        ask_again(draft, "shop", labels_only=True)


def _take_service(draft: Draft, command: Import) -> None:
    """Take the service that the shop's carrier stands for by now, and label by it what is packed."""
    draft.add(ServiceNamed(command.service))
    for part in draft.order.live():
        if part.state == "packed":
            ask_labels(draft, part)


def _take_lines(draft: Draft, command: Import) -> None:
    """Take the lines as they are understood by now, and go on if they were all that was wrong."""
    said_of_lines = _line_problems(draft.order, lambda _sku: False)
    draft.add(LinesCorrected(command.lines))
    _judge_lines(draft, said_of_lines, "mapping")
    go_on(draft)


def _judge_lines(draft: Draft, said_of_former: Collection[str], by: str) -> None:
    """Hold the order for what is wrong with its lines by now, and no longer for what was said of the former.

    What else it is held for stays.
    """
    held = draft.order.holds.get("validation")
    others = [reason for reason in held.reasons if reason not in said_of_former] if held is not None else ()
    problems = (*_line_problems(draft.order, draft.facts.knows), *others)
    if held is not None and not problems:
        draft.add(HoldReleased("validation", by))
    elif problems and (held is None or problems != held.reasons):
        draft.add(OrderHeld("validation", problems, None, "validation"))
        mend = f"mend the order in the shop, and it goes on by itself; else {show(draft.order)}"
        draft.raise_anomaly("invalid", "invalid_order", "; ".join(problems), mend)


def _are_other_lines(order: Order, command: Import) -> bool:
    """Tell whether there are other lines by now, and nothing was done with the ones of the import."""
    is_untouched = not order.parts and not order.effects_asked and not order.ended
    return "validation" in order.holds and is_untouched and command.lines != order.facts.lines


def _sold(lines: Iterable[OrderLine]) -> Mapping[str, Decimal | Mapping[str, int]]:
    """Return the amount of each line of the shop, whatever its article holds of our SKUs.

    Of what costs nothing only its units tell how much was sold: all of an order may be paid by a voucher.
    """
    amounts: dict[str, Decimal] = defaultdict(Decimal)
    units: dict[str, Counter[str]] = defaultdict(Counter)
    for line in lines:
        name = line.line.partition(".")[0]
        amounts[name] += line.units * line.unit_price
        units[name][line.sku] += line.units
    return {name: amount or units[name] for name, amount in amounts.items()}


def _is_edited(order: Order, command: Import) -> bool:
    """Tell whether the shop sold other lines by now, and the order can still follow it.

    An article that is listed otherwise keeps the shop's lines and their amounts; it changes nothing for what
    was promised. What stands packed, or has left, cannot be taken out any more.
    """
    if command.lines == order.facts.lines or order.ended or order.cancel_asked or not command.lines:
        return False
    if _sold(command.lines) == _sold(order.facts.lines):
        return False
    live = tuple(order.live())
    is_before_pack = not live or order.wanted() or any(part.state in REROUTABLE for part in live)
    return bool(is_before_pack) and not _packed_beyond(order, command.lines)


def _packed_beyond(order: Order, lines: Iterable[OrderLine]) -> bool:
    """Tell whether more of a SKU stands packed, or has left, than these lines ask for."""
    left: dict[str, int] = defaultdict(int)
    for line in lines:
        left[line.sku] += line.units
    for part in order.live():
        for quantity in part.lines if part.state not in REROUTABLE else ():
            left[quantity.sku] -= quantity.units
    return min(left.values()) < 0


def _take_edit(draft: Draft, command: Import) -> None:
    """Follow the shop: give back what is too much, route what is new, have the ERP change its order."""
    order_before = draft.order
    before = order_before.facts
    said_of_former = _line_problems(draft.order, lambda _sku: False)
    draft.add(LinesEdited(command.lines, command.total, command.shipping))
    keep_promises(draft, order_before)
    _resolve_edited(draft)
    if command.shipping != before.shipping and erp_has_order(draft.order):
        detail = f"the shipping fee was changed in the shop from {before.shipping} to {command.shipping}"
        draft.raise_anomaly("fee", "changed_in_shop", detail, "change the fee of its order in the ERP")
    _judge_lines(draft, said_of_former, "shop")
    mind_erp(draft)
    follow_edit(draft)


def _resolve_edited(draft: Draft) -> None:
    if (too_late := f"{draft.order.id}:edited") in draft.order.anomalies:
        draft.add(AnomalyResolved(too_late, "system"))


def _shipped_in_shop(draft: Draft, command: Import) -> None:
    order = draft.order
    if not order.ended:
        detail = f"the shop says that it is shipped, and here it is {order.stage}"
        mend = f"wharfctl order cancel {order.id}, if somebody shipped it by other ways"
        draft.raise_anomaly("shipped", "shipped_elsewhere", detail, mend)
    elif command.credited and order.ended != "cancelled":
        note_refund(draft, command)


def _is_held_by_shop(order: Order) -> bool:
    """Tell whether the order waits for its money alone: what a person holds, the shop does not release."""
    held = order.holds.get("payment")
    return held is not None and held.by == "shop" and not order.ended


def vanished(draft: Draft, why: str) -> None:
    """Stop an order that the shop does not show (whole) any more, until a person lets it go on.

    Once for each reason until it is shown whole again: whoever let it go on is not overruled.
    """
    order = draft.order
    if order.ended or why in order.vanished:
        return
    held = order.holds.get("manual")
    others = [reason for reason in held.reasons if reason != why] if held is not None else []
    draft.add(OrderHeld("manual", (*others, why), None, "shop"))


def _follow_what_is_shown(draft: Draft, command: Import) -> None:
    if draft.order.vanished and command.lines and not draft.order.ended:
        draft.add(OrderReappeared())
    if _are_other_lines(draft.order, command):
        _take_lines(draft, command)
    elif _is_edited(draft.order, command):
        _take_edit(draft, command)


def _import_again(draft: Draft, command: Import) -> None:
    if command.standing in ("open", "unpaid"):
        _follow_what_is_shown(draft, command)
    if command.readdressed:
        _readdress(draft, command)
    if command.service and not draft.order.facts.service and takes_address(draft.order):
        _take_service(draft, command)
    order = draft.order
    match command.standing:
        case "cancelled":
            cancel(draft, "shop")
        case "open" if _is_held_by_shop(order):
            draft.add(HoldReleased("payment", "shop"))
            go_on(draft)
        case "open" if order.cancelled_by == "shop":
            detail = "the shop cancelled the order, and now it is open there again"
            mend = f"sell it anew in the shop: {order.id} is ended here"
            draft.raise_anomaly("reopened", "reopened_in_shop", detail, mend)
        case "shipped":
            _shipped_in_shop(draft, command)
        case _:
            pass
    if order.facts.service not in ("", command.service) and takes_address(order):
        now = command.service or "none that is known"
        detail = f"the shop's carrier stood for {order.facts.service} at the import, now for {now}"
        draft.raise_anomaly("carrier", "changed_in_shop", detail, show(order))
    if command.standing in ("open", "unpaid"):  # else a shop may show other lines than it has sold
        _say_whether_lines_differ(draft, command)


def _say_whether_lines_differ(draft: Draft, command: Import) -> None:
    order = draft.order
    if command.lines == order.facts.lines:
        _resolve_edited(draft)
    elif not order.ended:
        detail = "the lines were changed in the shop too late to follow, or its articles are listed otherwise"
        draft.raise_anomaly("edited", "changed_in_shop", detail, show(order))
