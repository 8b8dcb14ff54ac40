"""Text as Divalto can keep it: Latin-1 letters, columns of fixed length. Pure; it owns rules, no column."""

import hashlib
import re
import unicodedata
from itertools import chain
from typing import NamedTuple

REFERENCE_LENGTH = 20
"""PINOTIERS is char(20), and the only foreign reference that can be looked up through an index."""

_PLAIN_REFERENCE = re.compile(rf"[A-Za-z0-9._/-]{{1,{REFERENCE_LENGTH}}}")
_DIGEST_LENGTH = 10

_PAIRS = (
    "Œ:OE œ:oe Ÿ:Y ‘:' ’:' ‚:, ‛:' “:\" ”:\" „:\" ‹:< ›:> –:- —:- ‐:- ‑:- −:- …:... •:- €:EUR ™:TM "
    "№:No Ł:L ł:l Đ:D đ:d "
    "ı:i Ħ:H ħ:h Ŋ:NG ŋ:ng Ŧ:T ŧ:t ĸ:k ſ:s ẞ:SS ﬁ:fi ﬂ:fl "
    # Greek and Cyrillic as passports write them, without accents.
    "Α:A Β:V Γ:G Δ:D Ε:E Ζ:Z Η:I Θ:TH Ι:I Κ:K Λ:L Μ:M Ν:N Ξ:X Ο:O Π:P Ρ:R Σ:S Τ:T Υ:Y Φ:F Χ:CH Ψ:PS Ω:O "
    "А:A Б:B В:V Г:G Д:D Е:E Ж:ZH З:Z И:I Й:I К:K Л:L М:M Н:N О:O П:P Р:R С:S Т:T У:U Ф:F Х:KH "
    "Ц:TS Ч:CH Ш:SH Щ:SHCH Ы:Y Э:E Ю:IU Я:IA І:I Ї:I Є:IE Ґ:G Ђ:DJ Ћ:C Љ:LJ Њ:NJ Џ:DZ Ј:J"
)
_UNKNOWN = "?"
"""What stands for a character that no rule knows: seen by whoever reads the piece, and reported."""


def _table() -> dict[str, str]:
    pairs = [pair.partition(":") for pair in _PAIRS.split(" ")]
    table = {character: letters for character, _, letters in pairs}
    lower = {key.lower(): value.lower() for key, value in table.items() if key.lower() != key}
    return {**lower, **table, "Ъ": "", "ъ": "", "Ь": "", "ь": "", "ς": "s"}


_TABLE = _table()


class Fitted(NamedTuple):
    """Text that fits its column, and whether a reader of it may miss something."""

    text: str
    changed: bool


def latin1(character: str) -> str:
    """Return what stands for one character, perhaps several letters; control characters become a space.

    >>> latin1("é"), latin1("œ"), latin1("ř"), latin1("Ж"), latin1("茶")
    ('é', 'oe', 'r', 'ZH', '?')
    """
    if unicodedata.category(character) == "Cc":
        return " "
    if character <= "\xff":
        return character
    if character in _TABLE:
        return _TABLE[character]
    if unicodedata.category(character) in ("Mn", "Cf"):
        return ""
    parts = [part for part in unicodedata.normalize("NFKD", character) if not unicodedata.combining(part)]
    if parts == [character]:
        return " " if character.isspace() else _UNKNOWN
    return "".join(map(latin1, parts)) or _UNKNOWN


def fit(text: str, length: int) -> Fitted:
    """Transliterate `text` to Latin-1 and cut it to `length`, never within what stands for one character.

    Spaces at the end are dropped without being reported: the column pads with them anyway.
    """
    composed = unicodedata.normalize("NFC", text).strip()
    fitted = ""
    for character in composed:
        letters = latin1(character)
        if len(fitted) + len(letters) > length:
            break
        fitted += letters
    fitted = fitted.rstrip()
    return Fitted(fitted, changed=fitted != composed)


def unaccented(text: str) -> str:
    """Return text as a screen of capitals may show it.

    >>> unaccented("Zoë Lefèvre")
    'Zoe Lefevre'
    """
    parts = unicodedata.normalize("NFKD", text)
    return "".join(part for part in parts if not unicodedata.combining(part))


def reference(text: str) -> str:
    """Return the form of a reference that PINOTIERS can hold, the same for the same text for all time.

    One of ours (`main-1042.1`) stays as it is. One that is longer than 20 characters, or has characters that
    a RecordSql's parameters or another collation could take for something else, keeps its readable beginning
    and ends with "~" and 40 bits of its SHA-256: so that a document is looked up under exactly what it was
    written under.
    """
    if _PLAIN_REFERENCE.fullmatch(text):
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH]
    readable = re.sub(r"[^A-Za-z0-9._/-]", "_", text)
    return f"{readable[: REFERENCE_LENGTH - _DIGEST_LENGTH - 1]}~{digest}"


def without(text: str, *hidden: str) -> str:
    """Return a partner's text on one line without these secrets or personal values, fit for an error."""
    line = " ".join(text.split())
    for value in sorted(
        set(chain.from_iterable((value, *value.split()) for value in hidden)), key=len, reverse=True
    ):
        if len(value) >= _HIDDEN_LENGTH:
            line = re.sub(re.escape(value), "***", line, flags=re.IGNORECASE)
    return line[:_WHY_LENGTH]


_HIDDEN_LENGTH = 3
"""Shorter words are articles and titles: hiding them would make the partner's text unreadable."""

_WHY_LENGTH = 200
