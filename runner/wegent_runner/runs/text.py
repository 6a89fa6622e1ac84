"""Text that every database and every client takes."""

import re
from typing import Final

_NOT_STORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_PAIR: Final = re.compile("[\ud800-\udbff][\udc00-\udfff]")
REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


def storable(text: str) -> str:
    """Return ``text`` without NUL and lone surrogates, at the same length.

    PostgreSQL refuses NUL, and UTF-8 has no surrogates. LLMs send both: JSON can escape them.
    A replacement of the same length leaves each position of a run's events as it is.
    """
    return _NOT_STORABLE.sub(REPLACEMENT, text)


class StorableText:
    """Makes a text storable that comes in pieces.

    A provider may cut a surrogate pair in two. So the first half of a pair is held back at the end
    of a piece.
    """

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> str:
        """Return the text that can be stored after a further piece."""
        text = self._held + piece
        self._held = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        return storable(_PAIR.sub(_joined, text.removesuffix(self._held)))

    def flush(self) -> str:
        """Return the rest, at the end of the text."""
        rest, self._held = self._held, ""
        return storable(rest)


def _joined(pair: re.Match[str]) -> str:
    """Return the character that a surrogate pair stands for."""
    return pair[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le")
