"""The admission policies in ``config/policies``, with the lists of kinds that they apply to.

The policies are written by hand. They run inside the API server, and hold for kubectl and GitOps as
for REST. A comment ``# generated: <name of a list>`` stands above each list of resources that
follows from the table of kinds. Only these lists are written here.
"""

import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from codegen.files import GeneratedFile
from devcluster.checkout import CHECKOUT
from wegent_crds.registry import KINDS, TOMBSTONE

FOLDER: Final = Path("config/policies")
WIDTH: Final = 100
"""The longest line, in characters."""

TRASHED: Final = [kind.plural for kind in KINDS if kind.user_facing]
LISTS: Final[Mapping[str, list[str]]] = {
    "all kinds": [kind.plural for kind in KINDS],
    "all kinds but tombstones": [kind.plural for kind in KINDS if kind is not TOMBSTONE],
    "kinds with a trash": TRASHED,
    "kinds with a trash, and their status": [
        resource for plural in TRASHED for resource in (plural, f"{plural}/status")
    ],
    "kinds with lists of references": [
        kind.plural for kind in KINDS if any(it.path.endswith("[]") for it in kind.references)
    ],
}
COMMENT: Final = re.compile(r"^( *)# generated: (.*)\n(?: *resources: \[[^]]*\]$)?", re.MULTILINE)
"""The comment above a list, and the list."""


def generate() -> Iterator[GeneratedFile]:
    """Yield the policies' files with their lists."""
    for path in sorted((CHECKOUT / FOLDER).glob("*.yaml")):
        yield GeneratedFile(FOLDER / path.name, filled(path.read_text(encoding="utf-8")))


def filled(text: str) -> str:
    """Return a policy's YAML with the list below each comment that names one.

    Raises:
        ValueError: a comment names no known list, or no list of resources is below it.
    """
    return COMMENT.sub(_list, text)


def _list(found: re.Match[str]) -> str:
    indent, name = found.groups()
    if name not in LISTS or "resources:" not in found[0]:
        raise ValueError(f"not one of {', '.join(LISTS)} above a list of resources: {found[0]}")
    resources = textwrap.fill(
        ", ".join(LISTS[name]),
        WIDTH - 1,  # the bracket
        initial_indent=f"{indent}resources: [",
        subsequent_indent=f"{indent}  ",
        break_on_hyphens=False,
    )
    return f"{indent}# generated: {name}\n{resources}]"
