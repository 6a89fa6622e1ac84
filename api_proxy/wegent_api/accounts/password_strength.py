"""Refuses passwords that are easy to guess, as in NIST SP 800-63B, section 3.1.1.2.

There are no rules on types of characters. A password is refused if it is a common one, if it
consists mostly of common words, sequences and repetitions, or if it contains the user's name or
address.

``common_passwords.txt.gz`` holds the 20,000 most common passwords of four characters or more, from
the frequency lists of zxcvbn 4.5.0 (Copyright (c) 2012-2016 Dan Wheeler and Dropbox, Inc.; MIT
license).
"""

import gzip
import re
import unicodedata
from functools import cache
from importlib.resources import files
from typing import Final

MIN_COST: Final = 2.5
"""Smallest cost of a password, in unpredictable characters. A common word costs 1."""
MIN_WORD_CHARS: Final = 4
"""Length below which words occur in any password by chance."""
MAX_WORD_CHARS: Final = 24
MIN_RUN_CHARS: Final = 3
_WORD, _RUN, _SIGN, _OTHER = 1.0, 0.5, 0.5, 1.0
"""The cost of each part of a password: a common word, a run, a digit or sign, a letter."""
_ROWS: Final = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertzuiop",
    "azertyuiop",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "!@#$%^&*()",
)
_SUBSTITUTES: Final = tuple(str.maketrans("@4310$57", f"aae{one}osst") for one in "il")
_YEAR: Final = re.compile(r"(19|20)\d\d")
_SEPARATORS: Final = re.compile(r"[\W_]+")
_CONTEXT: Final = frozenset({"wegent", "kubernetes", "kubectl", "administrator"})
"""Words that are common in this project."""


def weakness(password: str, personal: tuple[str, ...] = ()) -> str | None:
    """Return the reason why a password is too easy to guess, or None if it is not.

    Args:
        password: the password in clear text.
        personal: the user's name and e-mail address, if they are known.
    """
    text = unicodedata.normalize("NFKC", password).casefold()
    names = _names(personal)
    for spelling in _spellings(text):
        if any(name in spelling for name in names):
            return "must not contain the user name or the e-mail address"
    if text in _common():
        return "is one of the most common passwords; choose another"
    unit = _unit(text)
    # A repeated unit costs at most half its length, however unusual its characters are.
    if min(_cost(unit), len(unit) / 2 if unit != text else MIN_COST) < MIN_COST:
        return (
            "is too easy to guess: it is mostly common words, sequences or repetitions;"
            " add unrelated words or characters"
        )
    return None


def _names(personal: tuple[str, ...]) -> set[str]:
    given = [unicodedata.normalize("NFKC", it).casefold() for it in personal]
    parts = {part for it in given for part in (it, it.partition("@")[0])}
    parts |= {_SEPARATORS.sub("", part) for part in parts}
    return {part for part in parts if len(part) >= MIN_WORD_CHARS}


def _spellings(text: str) -> set[str]:
    """Return ``text`` with digits and signs read as letters too, forwards and backwards."""
    read = {text, *(text.translate(table) for table in _SUBSTITUTES)}
    read |= {_SEPARATORS.sub("", it) for it in read}
    return read | {it[::-1] for it in read}


def preload() -> None:
    """Load the list of common passwords, which takes some hundredths of a second."""
    _common()


@cache
def _common() -> frozenset[str]:
    packed = files("wegent_api.accounts").joinpath("common_passwords.txt.gz").read_bytes()
    return frozenset(gzip.decompress(packed).decode().splitlines()) | _CONTEXT


def _unit(text: str) -> str:
    """Return the shortest text whose repetition is ``text``."""
    length = (text + text).find(text, 1)
    return text[:length] if length < len(text) else text


def _cost(text: str) -> float:
    """Return the lowest cost of ``text`` over all ways to split it into parts."""
    least = [0.0]
    words = {text, *(text.translate(table) for table in _SUBSTITUTES)}
    for end in range(1, len(text) + 1):
        last = text[end - 1]
        best = least[end - 1] + (_OTHER if last.isalpha() else _SIGN)
        for start in range(max(0, end - MAX_WORD_CHARS), end - MIN_RUN_CHARS + 1):
            if least[start] + _RUN >= best:
                continue
            if _is_run(text[start:end]):
                best = least[start] + _RUN
            elif end - start >= MIN_WORD_CHARS and any(
                word[start:end] in _common() for word in words
            ):
                best = min(best, least[start] + _WORD)
        least.append(best)
    return least[-1]


def _is_run(part: str) -> bool:
    """Return whether ``part`` is a repeated character, a sequence, or a year."""
    if len(set(part)) == 1 or _YEAR.fullmatch(part):
        return True
    return any(part in row or part[::-1] in row for row in _ROWS)
