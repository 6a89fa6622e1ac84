"""Names of Bots as LLMs are told them."""

import re
from collections.abc import Sequence
from typing import Final

NAME_MAX_CHARACTERS: Final = 64
_NOT_ALLOWED: Final = re.compile(r"[^A-Za-z0-9_-]")


def tool_names(names: Sequence[str]) -> list[str]:
    """Return a unique name of 1 to 64 letters, digits, dashes and underscores for each name.

    Args:
        names: ``namespace/name`` of Bots.
    """
    given: list[str] = []
    for number, name in enumerate(names):
        plain = _NOT_ALLOWED.sub("_", name.rpartition("/")[2])[:NAME_MAX_CHARACTERS]
        if plain in given:
            plain = f"{plain[: NAME_MAX_CHARACTERS - 4]}_{number}"
        given.append(plain)
    return given
