"""Which article somebody may have meant."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from actors.domain.sku_names import NAMED_MAX, alike

KNOWN = frozenset({"TEAPOT", "CUP-1", "CUP-2", "CUP-3", "CUP-4", "Lampe Ü"})


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("TEAPT", "TEAPOT"),
        ("TEAPOOT", "TEAPOT"),
        ("TAEPOT", "TEAPOT"),
        ("TEAPOP", "TEAPOT"),
        ("teapot", "TEAPOT"),
        ("teapt", "TEAPOT"),
        ("Lampe", None),
        ("Lampe U", None),
        ("TEAPOT", None),
        ("", None),
    ],
)
def test_one_slip_of_a_finger_is_seen_and_what_is_known_itself_is_none(typed: str, meant: str | None) -> None:
    assert alike(typed, KNOWN) == ((meant,) if meant else ())


def test_of_many_that_are_alike_a_few_are_named() -> None:
    assert len(alike("CUP-9", KNOWN)) == NAMED_MAX


@given(st.text("AB1-", min_size=1, max_size=12), st.data())
def test_whatever_letter_is_left_out_the_name_is_found(sku: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(sku) - 1))
    typed = sku[:at] + sku[at + 1 :]
    assert alike(typed, {sku}) == (sku,)
