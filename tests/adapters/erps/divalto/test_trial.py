"""A profile is tried step by step, and what fails is named with what to do."""

import msgspec
import trio

from adapters.erps.divalto.simulator import Switches
from adapters.erps.divalto.simulator.rehearsal import Site, open_site
from adapters.erps.divalto.spelling import Dictionary, Spelling
from adapters.erps.divalto.trial import try_profile
from adapters.settings import Secret


async def test_a_good_profile_passes_every_step_and_writes_nothing(site: Site) -> None:
    steps = await try_profile("divalto", site.settings)
    assert [step.step for step in steps if step.judgement == "wrong"] == []
    told = {step.step: step.detail for step in steps}
    assert told["stock of paris"] == "2 rows in depot D01, 2 of sellable nature"
    assert told["customer"] == "WEB may stand on a piece"
    assert told["articles"] == "4 articles, 0 of them closed"
    assert site.divalto.pieces() == ()


async def test_a_wrong_password_is_told_without_it(site: Site) -> None:
    wrong = msgspec.structs.replace(site.settings, password=Secret("hunter2"))
    last = (await try_profile("divalto", wrong))[-1]
    assert (last.step, last.judgement) == ("account and pieces", "wrong")
    assert "mot de passe incorrect" in last.detail
    assert "hunter2" not in last.detail


async def test_a_dictionary_that_is_not_open_is_named() -> None:
    with trio.fail_after(20):
        async with open_site(switches=Switches(opened=False)) as site:
            last = (await try_profile("divalto", site.settings))[-1]
            assert "has to open GTRSENT.dhoq with RecordSql Entete" in last.mend


async def test_every_other_step_is_tried_although_one_fails() -> None:
    theirs = Spelling(lines=Dictionary("OTHER.dhoq", "Other", "Equal"))
    with trio.fail_after(20):
        async with open_site(theirs=theirs) as site:
            steps = await try_profile("divalto", site.settings)
            assert [step.step for step in steps if step.judgement == "wrong"] == ["lines"]
            assert steps[-1].step == "what is expected"


async def test_settings_that_cannot_be_are_not_tried(site: Site) -> None:
    steps = await try_profile("divalto", msgspec.structs.replace(site.settings, concurrency=0))
    assert [step.step for step in steps] == ["settings"]
    assert site.divalto.authentications == 0


async def test_where_each_person_is_a_customer_notes_are_looked_up_as_orders_will_be() -> None:
    notes_by_customer_alone = msgspec.structs.replace(Spelling().pieces, reference_beginning="Like_Other")
    spelled = Spelling(pieces=notes_by_customer_alone)
    with trio.fail_after(20):
        async with open_site(customer_policy="each") as site:
            steps = await try_profile("divalto", site.settings)
            assert [step.step for step in steps if step.judgement == "wrong"] == []
            wrong = msgspec.structs.replace(site.settings, spelling=spelled)
            steps = await try_profile("divalto", wrong)
            (step,) = [step for step in steps if step.judgement == "wrong"]
            assert (step.step, "Like_Other" in step.mend) == ("notes of an order", True)


async def test_a_depot_in_which_nothing_lies_is_a_warning_since_one_that_is_not_there_looks_the_same(
    site: Site,
) -> None:
    elsewhere = msgspec.structs.replace(site.settings, depots={"paris": "D01", "nantes": "D99"})
    told = {step.step: step for step in await try_profile("divalto", elsewhere)}
    assert told["stock of paris"].judgement == "ok"
    assert (told["stock of nantes"].judgement, told["stock of nantes"].detail) == (
        "warning",
        "nothing lies in depot D99, or there is none",
    )
