"""Every difference is attributed to what caused it, and to nothing else."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from actors.domain.reconciliation import (
    EACH_MAX,
    PATIENCE,
    Books,
    Cause,
    Difference,
    Told,
    Unheard,
    aged,
    detail,
    differences,
    matters,
    mend,
)

NOW = datetime(2026, 11, 26, 3, tzinfo=UTC)
TOLD_AT = NOW - timedelta(hours=2)
PLACED_AT = NOW - timedelta(minutes=3)
CAUSES: tuple[Cause, ...] = (
    "foreign_write",
    "not_imported",
    "push_under_way",
    "unknown_there",
    "unknown_here",
)

units = st.integers(0, 1_000)
moves = st.integers(-50, 50)


@dataclass(frozen=True)
class Planted:
    """What was done to one article: `sold` there and unheard, `untold` by us, `written` by somebody."""

    ledger: int
    untold: int = 0
    sold: int = 0
    written: int = 0

    @property
    def partner(self) -> int:
        return self.ledger + self.untold - self.sold + self.written


planted = st.builds(Planted, units, moves, st.integers(0, 50), moves)


def books(plants: dict[str, Planted]) -> Books:
    return Books(
        ledger={article: each.ledger for article, each in plants.items()},
        partner={article: each.partner for article, each in plants.items()},
        told={article: Told(each.ledger + each.untold, TOLD_AT) for article, each in plants.items()},
        unheard=tuple(
            Unheard(f"main-{number}", article, -each.sold, PLACED_AT)
            for number, (article, each) in enumerate(plants.items())
            if each.sold
        ),
    )


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), planted, max_size=12))
def test_every_planted_cause_is_attributed_to_exactly_that_cause(plants: dict[str, Planted]) -> None:
    found = {(each.article, each.cause): each.units for each in differences(books(plants), NOW)}
    expected: dict[tuple[str, Cause], int] = {}
    for article, each in plants.items():
        if each.partner == each.ledger:
            continue
        causes: dict[Cause, int] = {
            "foreign_write": each.written,
            "not_imported": -each.sold,
            "push_under_way": each.untold,
        }
        expected.update({(article, cause): moved for cause, moved in causes.items() if moved})
    assert found == expected


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), planted, max_size=12))
def test_the_parts_of_a_difference_sum_up_to_it(plants: dict[str, Planted]) -> None:
    total: dict[str, int] = {}
    for each in differences(books(plants), NOW):
        total[each.article] = total.get(each.article, 0) + each.units
    assert total == {
        article: each.partner - each.ledger for article, each in plants.items() if each.partner != each.ledger
    }


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), units, max_size=12))
def test_where_the_figures_agree_nothing_is_found(figures: dict[str, int]) -> None:
    told = {article: Told(3, TOLD_AT) for article in figures}
    assert differences(Books(figures, dict(figures), told), NOW) == ()


@given(units, units)
def test_what_nobody_remembers_telling_is_still_to_be_told_and_nobodys_write(ledger: int, shown: int) -> None:
    found = differences(Books({"CUP": ledger}, {"CUP": shown}), NOW)
    assert [each.cause for each in found] == (["push_under_way"] if ledger != shown else [])


def test_an_article_that_one_side_does_not_know_is_told_apart_from_a_wrong_figure() -> None:
    found = differences(Books({"NOVEL": 5, "SOLD-OUT": 0}, {"MYSTERY": 3, "GONE": 0}), NOW)
    assert [(each.article, each.cause, each.units) for each in found] == [
        ("MYSTERY", "unknown_here", 3),
        ("NOVEL", "unknown_there", -5),
    ]


def test_a_difference_is_as_old_as_its_cause() -> None:
    sold, written = Planted(10, sold=2), Planted(10, written=4)
    found = differences(books({"CUP": sold, "POT": written}), NOW)
    assert [(each.article, each.since) for each in found] == [("CUP", PLACED_AT), ("POT", TOLD_AT)]
    assert found[0].about == ("main-0",)


@given(st.sampled_from(CAUSES), st.integers(0, 100))
def test_a_difference_that_lasts_keeps_the_instant_at_which_it_was_first_seen(
    cause: Cause, minutes: int
) -> None:
    first = Difference("CUP", cause, 1, 1, 2, NOW - timedelta(minutes=minutes))
    other = Difference("POT", cause, 1, 1, 2, NOW)
    found = (Difference("CUP", cause, 3, 1, 4, NOW), other)
    again = aged(found, {("CUP", cause): first.since})
    assert [(each.since, each.is_new) for each in again] == [(first.since, False), (NOW, True)]
    many = aged(found, {("", cause): first.since})
    assert [(each.since, each.is_new) for each in many] == [(first.since, False)] * 2


@given(st.sampled_from(CAUSES))
def test_a_person_is_asked_once_a_cause_has_lasted_too_long_and_not_before(cause: Cause) -> None:
    old = Difference("CUP", cause, 1, 1, 2, NOW - PATIENCE[cause], ("main-7",))
    assert [each.id for each in matters((old,), "shop main", NOW)] == [f"CUP:{cause}"]
    if PATIENCE[cause]:
        young = Difference("CUP", cause, 1, 1, 2, NOW - PATIENCE[cause] + timedelta(seconds=1))
        assert matters((young,), "shop main", NOW) == ()


@given(st.sampled_from(CAUSES), st.integers(1, EACH_MAX * 3))
def test_very_many_differences_of_one_cause_are_one_matter(cause: Cause, count: int) -> None:
    found = [Difference(f"SKU-{n}", cause, 1, 1, 2, NOW - PATIENCE[cause]) for n in range(count)]
    shown = matters(found, "shop main", NOW)
    assert len(shown) == (count if count <= EACH_MAX else 1)
    if count > EACH_MAX:
        assert shown[0].id == cause
        assert shown[0].detail.startswith(f"{count} articles, such as SKU-0, SKU-1")


def test_a_mend_carries_the_command_that_books_what_was_counted() -> None:
    written = Difference("CUP", "foreign_write", -3, 10, 7, NOW)
    assert detail(written, "shop main") == (
        "shop main shows 7 of CUP, and the ledger says 10: somebody wrote 3 fewer there"
    )
    assert "wharfctl stock adjust WAREHOUSE CUP --by=-3 --reason counted" in mend(written, "shop main")


def test_every_cause_has_words_and_a_mend() -> None:
    every = [Difference("CUP", cause, 2, 1, 3, NOW, ("main-7",)) for cause in CAUSES]
    assert len({detail(each, "shop main") for each in every}) == len(CAUSES)
    assert len({mend(each, "shop main") for each in every}) == len(CAUSES)
