"""Which carrier takes a parcel, and what is said when none does."""

import hypothesis.strategies as st
from hypothesis import given

from actors.domain.carrier_choice import CarrierChosen, CarrierRule, NoCarrier, choose_carrier

services = st.sampled_from(["standard", "express"])
countries = st.sampled_from(["FR", "BE", "CH"])
rules = st.lists(
    st.builds(
        CarrierRule,
        st.sampled_from(["swift", "gull"]),
        st.sampled_from(["home", "relay"]),
        st.sampled_from(["", "standard", "express"]),
        st.lists(countries, max_size=2).map(tuple),
        st.integers(1, 30_000),
    ),
    max_size=5,
)


def takes(rule: CarrierRule, service: str, country: str, weight_g: int) -> bool:
    return (
        rule.service in ("", service)
        and (not rule.countries or country in rule.countries)
        and weight_g <= rule.weight_g_max
    )


@given(rules, services, countries, st.integers(1, 40_000))
def test_the_first_rule_that_fits_takes_the_parcel(
    given_rules: list[CarrierRule], service: str, country: str, weight_g: int
) -> None:
    fitting = [rule for rule in given_rules if takes(rule, service, country, weight_g)]
    chosen = choose_carrier(given_rules, service=service, country=country, weight_g=weight_g)
    if fitting:
        assert chosen == CarrierChosen(fitting[0].carrier, fitting[0].carrier_service)
    else:
        assert isinstance(chosen, NoCarrier)
        assert len(chosen.reasons) == len(given_rules)


def test_each_rule_says_why_it_does_not_take_the_parcel() -> None:
    given_rules = (
        CarrierRule("swift", "home", service="express"),
        CarrierRule("swift", "home", countries=("BE",)),
        CarrierRule("gull", "relay", weight_g_max=500),
    )
    chosen = choose_carrier(given_rules, service="standard", country="FR", weight_g=900)
    assert chosen == NoCarrier(
        (
            "swift home is for service express, not standard",
            "swift home does not go to FR",
            "gull relay takes 500 g, not 900",
        )
    )


def test_a_parcel_of_just_the_weight_allowed_is_taken() -> None:
    chosen = choose_carrier(
        (CarrierRule("swift", "home", weight_g_max=900),), service="", country="", weight_g=900
    )
    assert chosen == CarrierChosen("swift", "home")
