"""How wide the columns of wharfctl's tables are on a terminal."""

import pytest

from daemon.ctl_widths import Fit, fitted, readable

ORDERS = (("order", "main-10"), ("state", "delivered"), ("since", "2026-11-26 17:15:18Z"))
ANOMALIES = (("anomaly", "main-30:cancel"), ("problem", "cancelled_too_late"), ("mend", "intercept it"))


def test_what_finds_room_is_as_wide_as_it_is() -> None:
    assert fitted(ORDERS, 80) == Fit([7, 9, 20], ruled=True)


def test_where_room_is_short_words_stay_whole_and_rules_go_last() -> None:
    assert fitted(ORDERS, 40) == Fit([7, 9, 14], ruled=True)
    assert fitted(ORDERS, 35) == Fit([7, 9, 13], ruled=False)


def test_what_people_type_again_is_broken_last() -> None:
    assert fitted(ANOMALIES, 40).widths == [14, 11, 9]
    assert max(fitted(ANOMALIES, 24).widths) < 14


@pytest.mark.parametrize("room", [1, 20, 33, 47, 80, 200])
def test_a_table_is_no_wider_than_its_terminal_where_that_can_be(room: int) -> None:
    fit = fitted(ANOMALIES, room)
    between = 3 * len(ANOMALIES) + 1 if fit.ruled else 2 * len(ANOMALIES)
    assert sum(fit.widths) + between <= max(room, 18)


def test_an_instant_is_told_to_the_second_and_everything_else_as_it_is() -> None:
    assert readable("2026-11-26T17:15:18.658329Z") == "2026-11-26 17:15:18Z"
    assert readable("2026-11-26T17:15:18Z") == "2026-11-26 17:15:18Z"
    assert readable("at 2026-11-26T17:15:18Z") == "at 2026-11-26T17:15:18Z"
