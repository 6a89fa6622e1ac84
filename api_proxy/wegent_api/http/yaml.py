"""YAML with the same meaning as in kubectl, read in bounded time and memory.

PyYAML's own loaders know types that Kubernetes doesn't (dates, binaries, sexagesimal numbers). They
also accept dangerous input: aliases, which turn a kilobyte into gigabytes, and duplicate keys. So
libyaml parses, and this module builds the values from its events.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

from wegent_api.http.errors import BadRequest
from wegent_crds.schema.extensions import FLOAT_EXACT_MAX

YAML: Final = "application/yaml"
"""Media type of YAML (RFC 9512)."""
MAX_DEPTH: Final = 64
"""Limit for the nesting of lists and maps. The deepest kind has 8, and libyaml is quadratic."""
MAX_NODES: Final = 100_000
"""Limit of scalars, lists and maps together. They take half a second, in a thread."""

_STR: Final = "tag:yaml.org,2002:str"
_TAGS: Final = frozenset({None, "!", _STR, "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})
_DIRECTIVE: Final = re.compile(r"^%", re.MULTILINE)
_BYTE_ORDER_MARK: Final = re.compile(
    r"""\A\ufeff
    | ^\ufeff(?=---(?:\s|\Z))
    | (?P<before>^(?:---|\.\.\.)(?:[ \t]+\#.*|[ \t]*)\n(?:[ \t]*(?:\#.*)?\n)*)\ufeff
    """,
    re.MULTILINE | re.VERBOSE,
)
"""A byte order mark where a document begins, as in concatenated files.

No text in a document has a line that begins with ``---`` or ``...``.
"""
_WORDS: Final[dict[str, bool | None]] = {
    **{
        form: value
        for word, value in (
            ("y", True), ("yes", True), ("true", True), ("on", True),
            ("n", False), ("no", False), ("false", False), ("off", False), ("null", None),
        )
        for form in (word, word.capitalize(), word.upper())
    },
    "": None,
    "~": None,
}  # fmt: skip
"""Plain scalars that kubectl, which reads YAML 1.1, doesn't read as strings."""
_INTEGER: Final = re.compile(r"[-+]?(0[bB][01]+|0[xX][0-9a-fA-F]+|0[oO]?[0-7]*|[1-9][0-9]*)")
_OLD_OCTAL: Final = re.compile(r"[-+]?0[0-7]+")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_MAX_INTEGER_CHARS: Final = 66
"""Length of 64 bits in binary notation. Longer numbers don't fit, and take quadratic time."""

_Open = tuple[Any, list[str]]
"""A list or map that is still open, with the key of a map's next value."""


def documents_of(raw: bytes) -> list[Any]:
    """Return the documents of a YAML stream as JSON values. Empty documents are skipped.

    Raises:
        BadRequest: the text is not YAML, or exceeds a limit. The message names the position.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRequest(f"the body is not valid UTF-8: byte {error.start}") from None
    if "\ufeff" in text:
        unix = text.replace("\r\n", "\n")  # YAML's own line ends
        text = _BYTE_ORDER_MARK.sub(lambda found: found["before"] or "", unix)
    if _DIRECTIVE.search(text):  # many are quadratic in libyaml, within one call
        raise BadRequest("the body is not valid YAML: directives (lines with %) are not allowed")
    try:
        return [value for value in _documents(text) if value is not None]
    except yaml.MarkedYAMLError as error:
        problem = error.problem or error.context or "malformed"
        mark = error.problem_mark or error.context_mark
        raise BadRequest(f"the body is not valid YAML: {problem}{_place(mark)}") from None
    except yaml.YAMLError:
        message = "the body is not valid YAML: it has characters that are not allowed"
        raise BadRequest(message) from None


def _documents(text: str) -> Iterator[Any]:
    nodes = 0
    open_: list[_Open] = []
    root: Any = None
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.DocumentEndEvent):
            yield root
        if isinstance(event, yaml.CollectionEndEvent):
            open_.pop()
        if not isinstance(event, yaml.NodeEvent):
            continue
        nodes += 1
        if nodes > MAX_NODES:
            raise _refused(event, f"too many values: the limit is {MAX_NODES}")
        if open_ and isinstance(open_[-1][0], dict) and not open_[-1][1]:
            open_[-1][1].append(_key(event, open_[-1][0]))
            continue
        value = _value(event)
        if open_:
            _put(open_[-1], value)
        else:
            root = value
        if isinstance(event, yaml.CollectionStartEvent):
            open_.append((value, []))
            if len(open_) > MAX_DEPTH:
                raise _refused(event, f"too many nested levels: the limit is {MAX_DEPTH}")


def _put(parent: _Open, value: Any) -> None:
    container, key = parent
    if isinstance(container, dict):
        container[key.pop()] = value
    else:
        container.append(value)


def _key(event: yaml.NodeEvent, siblings: dict[str, Any]) -> str:
    _check(event)
    if not isinstance(event, yaml.ScalarEvent):
        raise _refused(event, "keys must be strings")
    key: str = event.value
    if key == "<<" and event.implicit[0]:
        raise _refused(event, "merge keys are not allowed")
    if key in siblings:
        raise BadRequest(
            f"the body has the duplicate key {json.dumps(key[:100])} in an object"
            f"{_place(event.start_mark)}"
        )
    return key


def _value(event: yaml.NodeEvent) -> Any:
    _check(event)
    if isinstance(event, yaml.MappingStartEvent):
        return {}
    if isinstance(event, yaml.SequenceStartEvent):
        return []
    assert isinstance(event, yaml.ScalarEvent)  # noqa: S101 - the only kind that is left
    return _resolved(event) if event.implicit[0] and event.tag is None else event.value


def _check(event: yaml.NodeEvent) -> None:
    if event.anchor is not None:  # an alias has one too
        raise _refused(event, "anchors and aliases are not allowed")
    if getattr(event, "tag", None) not in _TAGS:
        raise _refused(event, "tags are not allowed")


def _resolved(event: yaml.ScalarEvent) -> Any:
    """Return the value of a plain scalar, as kubectl reads it (goyaml's ``resolve``)."""
    text: str = event.value
    if text in _WORDS:
        return _WORDS[text]
    if text.startswith("_"):
        return text
    if _INFINITE.fullmatch(text):
        raise _refused(event, "infinity and NaN are not allowed")
    digits = text.replace("_", "")
    if len(digits) <= _MAX_INTEGER_CHARS and _INTEGER.fullmatch(digits):
        number = int(digits, 8) if _OLD_OCTAL.fullmatch(digits) else int(digits, 0)
        if -(2**63) <= number < 2**64:
            return number
    if _FLOAT.fullmatch(digits):
        return _finite(event, float(digits))
    return text


def _finite(event: yaml.ScalarEvent, number: float) -> float:
    if number in {float("inf"), float("-inf")}:
        raise _refused(event, "a number is out of range")
    whole = number.is_integer() and abs(number) < FLOAT_EXACT_MAX
    return int(number) if whole else number  # 1.0 is 1 in Go's JSON


def _refused(event: yaml.Event, what: str) -> BadRequest:
    return BadRequest(f"the body is not valid YAML: {what}{_place(event.start_mark)}")


def _place(mark: Any) -> str:
    return f": line {mark.line + 1} column {mark.column + 1}" if mark else ""
