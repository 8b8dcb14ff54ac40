"""Which orders of an existing shop become ours, and which were somebody else's."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.domain.adoption import WAITING_MAX, Adoption, Standing, Verdict, line_for, noted, verdict

LINE = datetime(2026, 11, 1, tzinfo=UTC)
BEFORE, AFTER = LINE - timedelta(seconds=1), LINE

standings: st.SearchStrategy[Standing] = st.sampled_from(
    ["open", "unpaid", "cancelled", "shipped", "unfinished", "unreadable"]
)
instants = st.none() | st.integers(-1_000, 1_000).map(lambda hours: LINE + timedelta(hours=hours))


@given(standings, instants, st.none() | st.just(LINE), st.booleans())
def test_what_ended_in_the_shop_never_comes_in(
    standing: Standing, placed_at: datetime | None, since: datetime | None, waited_for: bool
) -> None:
    found = verdict(standing, placed_at, since, known=False, waited_for=waited_for)
    assert (found in ("shipped", "cancelled")) == (standing in ("shipped", "cancelled"))


@given(standings, instants, st.none() | st.just(LINE), st.booleans())
def test_news_of_an_order_of_ours_is_heard_however_old_it_is(
    standing: Standing, placed_at: datetime | None, since: datetime | None, waited_for: bool
) -> None:
    assert verdict(standing, placed_at, since, known=True, waited_for=waited_for) == "known"


@given(standings)
def test_an_older_order_is_left_alone_unless_it_only_waited_to_be_paid(standing: Standing) -> None:
    left = verdict(standing, BEFORE, LINE, known=False, waited_for=False)
    others = {"shipped": "shipped", "cancelled": "cancelled", "unfinished": "person"}
    assert left == others.get(standing, "older")
    assert verdict("open", BEFORE, LINE, known=False, waited_for=True) == "open"


def test_the_line_itself_belongs_to_us() -> None:
    assert verdict("open", AFTER, LINE, known=False, waited_for=False) == "open"
    assert verdict("unpaid", AFTER, LINE, known=False, waited_for=False) == "unpaid"
    assert verdict("unreadable", AFTER, LINE, known=False, waited_for=False) == "person"
    assert verdict("unreadable", None, LINE, known=False, waited_for=False) == "person"
    assert verdict("open", BEFORE, None, known=False, waited_for=False) == "open"


def test_an_older_order_is_noted_once_and_the_unpaid_ones_by_name() -> None:
    line = Adoption(LINE, is_reading=True)
    met: tuple[tuple[str, Standing, Verdict], ...] = (
        ("3", "open", "older"),
        ("4", "shipped", "shipped"),
        ("5", "unpaid", "older"),
        ("3", "open", "older"),
        ("5", "unpaid", "older"),
        ("8", "open", "older"),
        ("9", "unpaid", "unpaid"),
    )
    for order, standing, found in met:
        line = noted(line, order, standing, found)
    assert (line.left, line.waiting, line.read_to) == (2, (5,), 9)


def test_nothing_is_noted_once_the_first_import_is_over() -> None:
    line = Adoption(LINE)
    assert noted(line, "3", "unpaid", "older") == line


def test_an_order_that_came_after_the_line_is_ours_whatever_its_date_says() -> None:
    drawn = Adoption(LINE, read_to=100)
    assert line_for(drawn, "100") == LINE
    assert line_for(drawn, "101") is None
    assert line_for(replace(drawn, is_reading=True), "101") == LINE
    assert line_for(drawn, "AB-7") == LINE
    assert line_for(None, "7") is None


def test_of_very_many_unpaid_orders_the_newest_are_remembered() -> None:
    line = Adoption(LINE, waiting=tuple(range(1, WAITING_MAX + 1)), is_reading=True, read_to=WAITING_MAX)
    line = noted(line, str(WAITING_MAX + 1), "unpaid", "older")
    assert len(line.waiting) == WAITING_MAX
    assert line.waiting[0] == 2
    assert line.waiting[-1] == WAITING_MAX + 1
