"""A result that is JSON of a given schema: what the LLM is told, and how its answer is checked.

An LLM isn't bound to what it is told. Small ones put JSON between Markdown fences, which are taken
off. Any other fault is told to the LLM, which may try again: see ``CORRECTIONS``.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import jsonschema_rs

from wegent_crds.kinds.task_status import RESULT_MAX_CHARACTERS
from wegent_crds.output_schema import CompiledSchema, compile_schema, place
from wegent_crds.schema_cost import TooCostly
from wegent_runner.engine.model_stream import OutputForm
from wegent_runner.runs.text import storable

CORRECTIONS: Final = 2
"""Times that an LLM is told what is wrong with its answer. After that, the Task fails."""
OUTPUT_INVALID: Final = "OutputInvalid"
"""Reason of a Task's failure."""
MAX_PROBLEMS: Final = 10
MAX_BRANCHES: Final = 3
"""Alternatives of an ``anyOf`` of which a problem says what keeps the value from being one."""
ANSWER_MAX_CHARACTERS: Final = 4 * RESULT_MAX_CHARACTERS
"""Length of an answer that is read at all. Spaces and line breaks between values may go."""
ANSWER_MAX_DEPTH: Final = 64
"""Levels of objects and lists in an answer."""
TOLD_MAX_CHARACTERS: Final = 200
"""Of one problem, and of its place: both repeat parts of the answer."""
FENCE: Final = "```"
NAME: Final = re.compile(r"[^A-Za-z0-9_-]+")
"""Characters that the name of a schema may not have at providers."""
NAME_MAX_CHARACTERS: Final = 64


@dataclass(frozen=True, slots=True)
class Problems:
    """The problems of an answer, each with its place: ``items[2].price: ...``.

    Attributes:
        told: At least one problem, and at most ten.
        more: True if there are more, or may be.
    """

    told: tuple[str, ...]
    more: bool = False

    def __str__(self) -> str:
        return "; ".join(self.told) + ("; and more" if self.more else "")


class OutputSchema:
    """The schema of a Task's result."""

    def __init__(self, compiled: CompiledSchema) -> None:
        self._compiled = compiled
        self.definition: Mapping[str, Any] = ordered(compiled.schema)
        """The schema as an LLM is told it."""

    @classmethod
    def compile(cls, schema: Mapping[str, Any]) -> Self:
        """Return the schema of a result, given ``spec.outputSchema``.

        Raises:
            SchemaNotAllowed: the schema is not valid, or not allowed.
        """
        return cls(compile_schema(schema))

    @property
    def form(self) -> OutputForm:
        """The schema for providers that hold an LLM to one. Its name is its title."""
        title = self.definition.get("title")
        name = NAME.sub("_", title if isinstance(title, str) else "").strip("_")
        return OutputForm(name[:NAME_MAX_CHARACTERS] or "result", self.definition)

    def check(self, text: str) -> str | Problems:
        """Return the JSON in an answer without spaces, or what is wrong with it.

        The order of keys stays. A check may take half a second of CPU: call it in a thread.
        """
        try:
            result = _compact(_parsed(text))
            value = _loaded(result)  # the text that is stored is checked
            self._compiled.check_cost(value)
        except TooCostly as error:
            return _one(f"a check of it by the schema is too costly: {error}; answer more briefly")
        except _Unreadable as error:
            return _one(str(error))
        errors, are_all = self._compiled.errors(value)
        if errors:
            told = tuple(_fault(error) for error in errors[:MAX_PROBLEMS])
            return Problems(told, more=len(errors) > MAX_PROBLEMS or not are_all)
        return result if are_all else _one("it is not valid, in too many ways to name one")

    def instructions(self) -> str:
        """Return what an LLM is told that has no way to be given a schema."""
        return (
            "Answer with JSON alone, which must be valid by this JSON Schema. Write no other text"
            f" and no Markdown.\n\n{self._text}"
        )

    def correction(self, problems: Problems) -> str:
        """Return what an LLM is told after an answer that is wrong."""
        told = "\n".join(f"- {problem}" for problem in problems.told)
        more = "\n- and more" if problems.more else ""
        return (
            f"Your answer is not valid:\n{told}{more}\n\nAnswer again, with all of the JSON and"
            f" nothing else. It must be valid by this JSON Schema:\n\n{self._text}"
        )

    @property
    def _text(self) -> str:
        return json.dumps(self.definition, ensure_ascii=False)


class _Unreadable(ValueError):  # noqa: N818 - names the verdict
    """An answer is not JSON that can be a result. The message says what is wrong."""


def ordered(schema: Any) -> Any:
    """Return a schema whose properties are in the order of ``required``, and then by name.

    LLMs write properties in the order of the schema, and an order such as "reasons, then verdict"
    makes answers better. The API server keeps the order of lists, but sorts the keys of objects.
    """
    if isinstance(schema, list):
        return [ordered(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    result = {key: ordered(item) for key, item in schema.items()}
    properties, required = result.get("properties"), result.get("required")
    if isinstance(properties, dict) and isinstance(required, list):
        first = [name for name in required if isinstance(name, str) and name in properties]
        result["properties"] = {name: properties[name] for name in [*first, *properties]}
    return result


def _parsed(text: str) -> Any:
    """Return the JSON in an answer, which may stand between Markdown fences.

    Raises:
        _Unreadable: there is none, or it can't be a result.
    """
    if len(text) > ANSWER_MAX_CHARACTERS:
        told = f"it has {len(text)} characters, and at most {RESULT_MAX_CHARACTERS} are allowed"
        raise _Unreadable(told)
    text = text.strip().removeprefix("\ufeff")
    if text[:1] not in {"{", "[", '"'}:
        text = _unfenced(text)
    if not text:
        raise _Unreadable("it is empty")
    value = _loaded(text)
    if _depth_exceeds(value, ANSWER_MAX_DEPTH):
        raise _too_deep()
    return value


def _loaded(text: str) -> Any:
    try:
        return json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float
        )
    except json.JSONDecodeError as error:
        told = f"it is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        raise _Unreadable(told) from error
    except RecursionError as error:
        raise _too_deep() from error
    except _Unreadable:
        raise
    except ValueError as error:  # an integer with thousands of digits
        raise _Unreadable("it has a number that is too long") from error


def _unfenced(text: str) -> str:
    """Return what stands between Markdown fences, if there is one such block and no other."""
    lines = text.splitlines(keepends=True)
    fences = [number for number, line in enumerate(lines) if line.lstrip().startswith(FENCE)]
    if len(fences) not in {1, 2}:  # the closing one may be missing
        return text
    return "".join(lines[fences[0] + 1 : fences[1] if len(fences) > 1 else None])


def _compact(value: Any) -> str:
    # Lone surrogates have no UTF-8; a NUL is escaped in JSON, and may stay.
    text = storable(json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False))
    if len(text) > RESULT_MAX_CHARACTERS:
        raise _Unreadable(
            f"it has {len(text)} characters of JSON, and at most {RESULT_MAX_CHARACTERS} are"
            " allowed"
        )
    return text


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Unreadable(f"an object has the key {_cut(json.dumps(twice))} twice")
    return value


def _constant(name: str) -> None:
    raise _Unreadable(f"it is not JSON: {name} is not a number there")


def _float(text: str) -> float:
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        raise _Unreadable(f"the number {_cut(text)} is too large")
    return number


def _too_deep() -> _Unreadable:
    return _Unreadable(f"it has more than {ANSWER_MAX_DEPTH} levels of objects and lists")


def _depth_exceeds(value: Any, depth: int) -> bool:
    level = [value]
    for _ in range(depth + 1):
        level = [item for value in level for item in _children(value)]
        if not level:
            return False
    return True


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value.values()]
    return value if isinstance(value, list) else []


def _fault(error: jsonschema_rs.ValidationError) -> str:
    where = _cut(place(tuple(error.instance_path))) or "the answer"
    return storable(f"{where}: {_words(error)}")


def _words(error: jsonschema_rs.ValidationError) -> str:
    """Return an error in words. Of alternatives, it says what each of the first few asks for."""
    kind = error.kind
    if isinstance(
        kind,
        jsonschema_rs.ValidationErrorKind.AnyOf | jsonschema_rs.ValidationErrorKind.OneOfNotValid,
    ):
        branches = [branch[0].message for branch in kind.context if branch]
        if branches:
            asked = "; or ".join(_cut(told) for told in branches[:MAX_BRANCHES])
            return f"{_cut(error.message)} ({asked})"
    return _cut(error.message)


def _one(problem: str) -> Problems:
    return Problems((f"the answer: {problem}",))


def _cut(text: str) -> str:
    limit = TOLD_MAX_CHARACTERS
    return text if len(text) <= limit else text[: limit - 1] + "…"
