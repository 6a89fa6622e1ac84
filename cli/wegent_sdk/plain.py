"""Values of YAML and JSON, as plain JSON of bounded size.

Documents come from files of unknown origin. This module is the only one that sees YAML's own
types, cycles and sizes; all others see texts, numbers, lists and maps.
"""

import base64
import math
from collections.abc import Mapping
from typing import Any, Final

import yaml

from wegent_crds.reading import YAML_VALUE_FAULTS

MAX_DEPTH: Final = 48
MAX_NODES: Final = 200_000
"""Of one document. Aliases count for each use, so a small document can't become a large one."""
MAX_INTEGER: Final = 2**63
_MERGE: Final = "tag:yaml.org,2002:merge"


class TooLargeError(ValueError):
    """A document is nested too deeply, or has too many values."""


def plain(value: object) -> Any:
    """Return a value of a YAML loader as JSON values; keys become texts.

    Raises:
        TooLargeError: the value exceeds `MAX_DEPTH` or `MAX_NODES`.
    """
    return _Plain().of(value, 0)


class _Plain:
    def __init__(self) -> None:
        self._nodes = 0

    def of(self, value: object, depth: int) -> Any:
        self._nodes += 1
        if depth > MAX_DEPTH:
            raise TooLargeError(f"nested more than {MAX_DEPTH} levels deep")
        if self._nodes > MAX_NODES:
            raise TooLargeError(f"more than {MAX_NODES} values")
        if isinstance(value, Mapping):
            return {scalar_text(key): self.of(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.of(item, depth + 1) for item in value]
        return _scalar(value)


def _scalar(value: object) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -MAX_INTEGER <= value < MAX_INTEGER else hex(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    return str(value).encode("utf-8", "replace").decode()


def scalar_text(value: object) -> str:
    """Return the text of a scalar, as YAML writes it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping | list):
        return ""
    return str(_scalar(value))


class Loader(yaml.CSafeLoader):
    """A loader for which a time is a text, as for Kubernetes."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as in the base class
        initial: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for initial, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Refuse merge keys, which turn a kilobyte into gigabytes.

        Raises:
            yaml.YAMLError: the map has a merge key.
        """
        if any(key.tag == _MERGE for key, _ in node.value):
            raise yaml.constructor.ConstructorError(
                None, None, "merge keys (<<) are not supported", node.start_mark
            )


def bound_depth(text: str | bytes) -> None:
    """Refuse a text with many levels, for which the loader would need as many calls.

    Raises:
        yaml.YAMLError: the text is not YAML, or has more than `MAX_DEPTH` levels.
    """
    depth = 0
    for event in yaml.parse(text, Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            problem = f"nested more than {MAX_DEPTH} levels deep"
            raise yaml.YAMLError(problem)


def documents(text: str | bytes) -> list[Any]:
    """Return the documents of a YAML or JSON text as JSON values.

    Raises:
        yaml.YAMLError: the text is not YAML, or is nested too deeply.
        TooLargeError: a document has too many values.
    """
    bound_depth(text)
    try:
        found = list(yaml.load_all(text, Loader))
    except YAML_VALUE_FAULTS as error:
        problem = f"a value can't be read ({type(error).__name__})"
        raise yaml.YAMLError(problem) from error
    return [plain(value) for value in found]
