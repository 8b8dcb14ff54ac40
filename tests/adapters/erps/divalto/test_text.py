"""Names and addresses in the letters and lengths that Divalto can hold."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.erps.divalto.text import fit, latin1, reference, without

steady = settings(deadline=None, derandomize=True)


@steady
@given(st.text(max_size=60), st.integers(0, 50))
def test_whatever_is_written_fits_its_column_in_latin_1(text: str, length: int) -> None:
    fitted = fit(text, length)
    assert len(fitted.text.encode("latin-1")) <= length
    assert fitted.text == fitted.text.rstrip()


@steady
@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_categories=["Cc"]), max_size=40))
def test_what_fits_already_is_left_as_it_is(text: str) -> None:
    assert fit(text, 40) == (text.strip(), False)


@pytest.mark.parametrize(
    ("text", "length", "expected"),
    [
        ("Œuvre", 10, "OEuvre"),
        ("cœur", 2, "c"),  # not "co": half a ligature is another word
        ("e\u0301te\u0301", 3, "été"),
        ("Łódź – “Kraków”", 30, 'Lódz - "Kraków"'),
        ("Αθήνα", 10, "Athina"),
        ("Москва", 10, "Moskva"),
        ("茶", 5, "?"),
        ("tab\tnew\nline", 20, "tab new line"),
        ("50\u202f€", 10, "50 EUR"),
    ],
)
def test_letters_that_divalto_cannot_hold_are_transliterated_by_rule(
    text: str, length: int, expected: str
) -> None:
    fitted = fit(text, length)
    assert fitted.text == expected
    assert fitted.changed == (text != "e\u0301te\u0301")  # the same letters composed are no change


@steady
@given(st.characters())
def test_every_character_stands_for_latin_1_letters(character: str) -> None:
    latin1(character).encode("latin-1")


@pytest.mark.parametrize("text", ["main-1042", "main-1042.1", "a" * 20, "ASN_2026/77"])
def test_a_reference_of_ours_stays_as_it_is(text: str) -> None:
    assert reference(text) == text


@steady
@given(st.text(min_size=1, max_size=60), st.text(min_size=1, max_size=60))
def test_other_references_get_a_form_of_their_own_that_fits(one: str, other: str) -> None:
    held = reference(one)
    assert len(held) <= 20
    assert not set(held) & set(";= \n")
    assert reference(one) == held
    assert (held == reference(other)) == (one == other)


def test_a_persons_words_are_taken_out_of_a_partners_text() -> None:
    text = without("Adresse de  Jean DUPONT\nrefusée", "Jean Dupont", "12 rue X")
    assert text == "Adresse de *** refusée"
