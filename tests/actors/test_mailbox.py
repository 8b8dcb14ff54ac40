"""The mailbox: no letter is lost, whoever crashes, waits or gives up."""

import random
from collections.abc import Sequence

import pytest
import trio
import trio.testing

from actors.mailbox import AbandonedError, Hearing, Letter, Mailbox, Reply, ask, tell

Clock = trio.testing.MockClock


async def filled(*messages: str, size_max: int = 10) -> Mailbox[str]:
    mailbox: Mailbox[str] = Mailbox(size_max)
    for message in messages:
        await tell(mailbox, message)
    return mailbox


def names(letters: list[Letter[str]]) -> list[str]:
    return [letter.message for letter in letters]


async def test_letters_are_taken_in_the_order_in_which_they_came(autojump_clock: Clock) -> None:
    mailbox = await filled("a", "b", "c")
    assert names(await mailbox.take(2)) == ["a", "b"]
    assert names(await mailbox.take(2)) == ["c"]


async def test_half_of_what_is_outstanding_waits_while_the_other_half_is_in_hand(
    autojump_clock: Clock,
) -> None:
    mailbox = await filled(*"abcdefg")
    assert names(await mailbox.take(99, half_above=2)) == [*"abcd"]
    assert names(await mailbox.take(99, half_above=2)) == [*"efg"]
    mailbox.settle(4)
    for name in "hij":
        await tell(mailbox, name)
    assert names(await mailbox.take(2, half_above=2)) == [*"hi"]


async def test_a_few_letters_are_not_worth_two_turns(autojump_clock: Clock) -> None:
    mailbox = await filled(*"abc")
    assert names(await mailbox.take(99, half_above=8)) == [*"abc"]


async def test_an_empty_mailbox_keeps_its_actor_waiting_until_somebody_writes(autojump_clock: Clock) -> None:
    mailbox = await filled()
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tell, mailbox, "a")
            assert names(await mailbox.take(5)) == ["a"]


async def test_a_full_mailbox_slows_its_senders_down_and_loses_nothing(autojump_clock: Clock) -> None:
    mailbox = await filled(size_max=2)
    taken: list[str] = []

    async def send(name: str) -> None:
        for number in range(20):
            await tell(mailbox, f"{name}{number}")
            assert len(mailbox) <= 2 + 3, "two wait, and up to three are in hand"

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            for name in "abc":
                nursery.start_soon(send, name)
            while len(taken) < 60:
                letters = await mailbox.take(random.Random(len(taken)).randint(1, 3))
                taken += names(letters)
                await trio.lowlevel.checkpoint()
                mailbox.settle(len(letters))
    for name in "abc":
        assert [each for each in taken if each[0] == name] == [f"{name}{number}" for number in range(20)]
    assert mailbox.idle


async def test_a_sender_at_the_door_keeps_the_mailbox_from_looking_idle(autojump_clock: Clock) -> None:
    mailbox = await filled("a", size_max=1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tell, mailbox, "b")
        await trio.testing.wait_all_tasks_blocked()
        await mailbox.take(1)
        mailbox.settle()
        assert not mailbox.idle
    assert not mailbox.idle


async def test_what_is_posted_lies_until_somebody_writes_or_wakes_the_actor(autojump_clock: Clock) -> None:
    mailbox = await filled()
    taken: list[str] = []

    async def take_all() -> None:
        while letters := await mailbox.take(9):
            taken.extend(names(letters))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take_all)
        await trio.sleep(1)
        assert mailbox.post([Letter("a"), Letter("b")])
        await trio.sleep(1)
        assert taken == []
        await tell(mailbox, "c")
        await trio.sleep(1)
        assert taken == ["a", "b", "c"]
        assert mailbox.post([Letter("d")])
        mailbox.wake()
        await trio.sleep(1)
        assert taken == ["a", "b", "c", "d"]
        mailbox.close()


async def test_nothing_is_posted_where_not_all_has_room(autojump_clock: Clock) -> None:
    mailbox = await filled("a", "b", size_max=3)
    assert not mailbox.post([Letter("c"), Letter("d")])
    assert mailbox.post([Letter("c")])
    assert names(await mailbox.take(9)) == ["a", "b", "c"]


def test_an_answer_that_is_not_waited_for_is_heard_when_all_are_given_and_tells_the_first_error() -> None:
    heard: list[Exception | None] = []
    well = Hearing(2, heard.append)
    well.send("a")
    assert heard == []
    well.send("b")
    assert heard == [None]
    ill, first = Hearing(3, heard.append), ValueError("first")
    ill.fail(first)
    ill.fail(ValueError("second"))
    ill.send("c")
    assert heard == [None, first]


async def test_a_closed_mailbox_gives_what_is_left_and_then_nothing(autojump_clock: Clock) -> None:
    mailbox = await filled("a")
    mailbox.close()
    assert names(await mailbox.take(5)) == ["a"]
    assert await mailbox.take(5) == []


async def test_closing_wakes_an_actor_that_waits(autojump_clock: Clock) -> None:
    mailbox = await filled()
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(mailbox.take, 5)
            await trio.testing.wait_all_tasks_blocked()
            mailbox.close()


async def test_an_actor_that_gives_up_waiting_takes_nothing_with_it(autojump_clock: Clock) -> None:
    mailbox = await filled()
    with trio.move_on_after(1):
        await mailbox.take(1)
    await tell(mailbox, "a")
    assert names(await mailbox.take(1)) == ["a"]


# --- crashes ------------------------------------------------------------------------------------------------


async def test_a_crash_puts_everything_in_hand_back_in_its_order(autojump_clock: Clock) -> None:
    mailbox = await filled("a", "b", "c")
    await mailbox.take(2)
    assert mailbox.after_crash() == []
    left: list[str] = []
    while not mailbox.idle:
        left += names(await mailbox.take(5))
        mailbox.settle()
    assert left == ["a", "b", "c"]


async def test_after_a_crash_letters_come_one_by_one_each_alone_in_hand(autojump_clock: Clock) -> None:
    mailbox = await filled("a", "b", "c")
    await mailbox.take(3)
    mailbox.after_crash()
    assert names(await mailbox.take(5)) == ["a"]
    with trio.move_on_after(1) as waited:
        await mailbox.take(5)
    assert waited.cancelled_caught, "an actor that works ahead waits until the first is settled"
    mailbox.settle()
    assert names(await mailbox.take(5)) == ["b"]


async def test_what_comes_after_the_crash_comes_in_batches_again(autojump_clock: Clock) -> None:
    mailbox = await filled("a")
    await mailbox.take(1)
    mailbox.after_crash()
    await tell(mailbox, "b")
    await tell(mailbox, "c")
    await mailbox.take(5)
    mailbox.settle()
    assert names(await mailbox.take(5)) == ["b", "c"]


async def test_a_letter_that_crashes_its_actor_twice_alone_is_set_aside_and_its_neighbours_go_on(
    autojump_clock: Clock,
) -> None:
    mailbox = await filled("a", "poison", "c")
    aside: list[str] = []
    done: list[str] = []
    crashes = 0
    while not mailbox.idle:
        letters = names(await mailbox.take(5))
        if "poison" in letters:
            crashes += 1
            aside += names(mailbox.after_crash())
        else:
            done += letters
            mailbox.settle(len(letters))
    assert (done, aside, crashes) == (["a", "c"], ["poison"], 3)


async def test_nobody_is_blamed_for_a_crash_among_several(autojump_clock: Clock) -> None:
    mailbox = await filled("a", "b")
    await mailbox.take(2)
    mailbox.after_crash()
    for name in ("a", "b"):
        assert names(await mailbox.take(2)) == [name]
        assert mailbox.after_crash() == [], "its first alone"
        assert names(await mailbox.take(2)) == [name]
        mailbox.settle()
    assert mailbox.idle


async def test_one_crash_may_be_chance(autojump_clock: Clock) -> None:
    mailbox = await filled("a")
    await mailbox.take(1)
    assert mailbox.after_crash() == []
    assert names(await mailbox.take(1)) == ["a"]


async def test_who_waits_for_the_mailbox_to_empty_hears_it_even_if_the_last_letter_was_set_aside(
    autojump_clock: Clock,
) -> None:
    mailbox = await filled("poison")
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(mailbox.emptied)
            for _ in range(2):
                await mailbox.take(1)
                mailbox.after_crash()


async def test_a_mailbox_that_is_given_up_turns_its_senders_away(autojump_clock: Clock) -> None:
    mailbox = await filled("a", "b", size_max=2)
    await mailbox.take(1)
    await tell(mailbox, "c")
    turned_away: list[str] = []

    async def send() -> None:
        try:
            await tell(mailbox, "d")
        except AbandonedError:
            turned_away.append("d")

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            await trio.testing.wait_all_tasks_blocked()
            assert names(mailbox.abandon()) == ["a", "b", "c"]
    assert turned_away == ["d"]
    with pytest.raises(AbandonedError):
        await tell(mailbox, "e")


# --- answers ------------------------------------------------------------------------------------------------


async def test_an_asker_gets_the_answer(autojump_clock: Clock) -> None:
    mailbox = await filled()

    async def serve() -> None:
        (letter,) = await mailbox.take(1)
        assert letter.reply is not None
        letter.reply.send(letter.message.upper())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        assert await ask(mailbox, "a") == "A"


async def test_an_asker_gets_the_error_instead(autojump_clock: Clock) -> None:
    reply: Reply[str] = Reply()
    reply.fail(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        await reply.wait()


async def test_an_asker_that_gave_up_disturbs_nobody(autojump_clock: Clock) -> None:
    mailbox = await filled()
    with trio.move_on_after(1):
        await ask(mailbox, "a")
    (letter,) = await mailbox.take(1)
    assert letter.reply is not None
    letter.reply.send("late")
    mailbox.settle()
    assert mailbox.idle


async def test_a_mailbox_is_as_old_as_its_oldest_letter_that_is_not_settled(autojump_clock: Clock) -> None:
    mailbox: Mailbox[str] = Mailbox(10)
    ages = [mailbox.oldest_at]
    began = trio.current_time()
    await tell(mailbox, "first")
    await trio.sleep(3)
    await tell(mailbox, "second")
    await mailbox.take(1)
    ages.append(mailbox.oldest_at)
    mailbox.after_crash()
    ages.append(mailbox.oldest_at)
    for _ in range(2):
        await mailbox.take(1)
        mailbox.settle()
        ages.append(mailbox.oldest_at)
    assert ages == [None, began, began, began + 3, None]


async def test_a_mailbox_whose_letters_were_arranged_is_still_as_old_as_its_oldest(
    autojump_clock: Clock,
) -> None:
    mailbox: Mailbox[str] = Mailbox(10)
    began = trio.current_time()
    for name in "abc":
        await tell(mailbox, name)
        await trio.sleep(1)

    def last_first(letters: Sequence[Letter[str]]) -> list[Letter[str]]:
        return sorted(letters, key=lambda letter: letter.message, reverse=True)

    ages = []
    for name in "cba":
        assert names(await mailbox.take(1, arrange=last_first)) == [name]
        ages.append(mailbox.oldest_at)
        mailbox.settle()
    assert ages == [began] * 3
    assert mailbox.oldest_at is None
