"""Text that every database and every client takes."""

import re
from typing import Final

_NOT_STORABLE: Final = re.compile("[\x00\ud800-\udfff]")
REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


def storable(text: str) -> str:
    """Return ``text`` without NUL and lone surrogates, at the same length.

    PostgreSQL refuses NUL, and UTF-8 has no surrogates. LLMs send both: JSON can escape them.
    A replacement of the same length leaves each position of a run's events as it is.
    """
    return _NOT_STORABLE.sub(REPLACEMENT, text)
