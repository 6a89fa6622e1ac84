"""Names of tools, as LLM APIs take them.

A tool keeps its own name if the name is valid, and no other tool of the Bot has it. Otherwise the
server's name goes before it.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Final

VALID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
MAX_CHARACTERS: Final = 64
HASH_CHARACTERS: Final = 8
_OTHER: Final = re.compile(r"[^A-Za-z0-9_-]")


def names_of(tools: Sequence[tuple[str, str]], reserved: Collection[str] = ()) -> list[str]:
    """Return a name for each tool, all different.

    Args:
        tools: The server's name and the tool's own, each pair once.
        reserved: Names of the runner's own tools.
    """
    counts = Counter(tool for _, tool in tools)
    taken = set(reserved)
    own = [
        tool if VALID.fullmatch(tool) and counts[tool] == 1 and tool not in taken else ""
        for _, tool in tools
    ]
    taken.update(own)
    names = []
    for (server, tool), name in zip(tools, own, strict=True):
        names.append(name or _made(server, tool, taken))
        taken.add(names[-1])
    return names


def _made(server: str, tool: str, taken: Collection[str]) -> str:
    """Return a valid name that isn't taken: with a hash, unless the plain one is short and free."""
    joined = f"{server}_{tool}"
    plain = _OTHER.sub("_", joined)
    if len(plain) <= MAX_CHARACTERS and plain not in taken:
        return plain
    number = 0
    while True:
        digest = hashlib.sha256(f"{server}\0{tool}\0{number}".encode()).hexdigest()
        name = f"{plain[: MAX_CHARACTERS - HASH_CHARACTERS - 1]}_{digest[:HASH_CHARACTERS]}"
        if name not in taken:
            return name
        number += 1
