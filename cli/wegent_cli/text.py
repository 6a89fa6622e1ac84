"""Texts from the network, made safe and short for a terminal.

Answers of LLMs, names and messages come from others. A control character in them could move the
cursor, change the window's title or write to the clipboard, so none is printed. Format characters
could hide text or reverse its order, so each is printed as its code.
"""

import re
from datetime import UTC, datetime
from typing import Final

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")
FORMAT: Final = (
    "\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f"
)
"""Unicode's category Cf, as ranges of a regular expression: they have no form of their own."""
_FORMAT = re.compile(f"[{FORMAT}]")
_FORMAT_OF_ANSWERS = re.compile(rf"(?![\u200c\u200d])[{FORMAT}]")
"""Without the joiners, of which emoji and the words of some scripts are made."""
_BREAKS = re.compile(r"[\t\n\x85\u2028\u2029]+")


def clean(text: str) -> str:
    """Return ``text`` without control characters and lone surrogates.

    Tabs, line feeds and joiners stay; other format characters become their codes.
    """
    return _FORMAT_OF_ANSWERS.sub(_code, _printable(text))


def one_line(text: str) -> str:
    """Return ``text`` in one line, without control characters and lone surrogates.

    Format characters become their codes: a name or an argument has none that people can see.
    """
    return _FORMAT.sub(_code, _printable(_BREAKS.sub(" ", text))).strip()


def _printable(text: str) -> str:
    return _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", _CONTROLS.sub("", text))


def _code(found: re.Match[str]) -> str:
    code = ord(found.group())
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def moment(value: object) -> datetime | None:
    """Return an RFC 3339 time; None if ``value`` is not one."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def age(value: object, now: datetime) -> str:
    """Return the time since an RFC 3339 time as kubectl prints it; empty without one."""
    since = moment(value)
    return "" if since is None else duration((now - since).total_seconds())


def duration(seconds: float) -> str:
    """Return a duration in one or two units, as kubectl does: ``45s``, ``3m20s``, ``5h``, ``8d``.

    A negative one is ``0s``: two clocks differ.
    """
    whole = max(0, int(seconds))
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    steps = (
        (120, f"{whole}s", 0, ""),
        (600, f"{minutes}m", whole % 60, "s"),
        (180 * 60, f"{minutes}m", 0, ""),
        (8 * 3600, f"{hours}h", minutes % 60, "m"),
        (48 * 3600, f"{hours}h", 0, ""),
        (8 * 86400, f"{days}d", hours % 24, "h"),
    )
    for below, text, rest, unit in steps:
        if whole < below:
            return f"{text}{rest}{unit}" if rest else text
    return f"{days}d"
