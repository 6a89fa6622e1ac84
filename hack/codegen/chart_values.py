"""``values.schema.json`` and the table in the chart's README, from ``values.yaml``.

``values.yaml`` is written by hand: the default of each value, below a comment that documents it.
The settings of the programs are regions in it, generated from their models.
"""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import yaml
from pydantic import Field, TypeAdapter
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

import wegent_api.settings
import wegent_operator.settings
import wegent_runner.settings
from codegen.files import MARK, Generated, GeneratedFile, GeneratedRegion
from codegen.markdown import cell, code, table
from devcluster.checkout import CHECKOUT

CHART: Final = Path("charts/wegent")
VALUES: Final = CHART / "values.yaml"
TYPES: Final = Path(__file__).parent / "templates" / "values.types.yaml"
WIDTH: Final = 100
INDENT: Final = "    "
"""Of a program's settings in ``values.yaml``."""
LINE: Final = re.compile(r"^( *)(?:# ?(?P<comment>.*)|(?P<key>[A-Za-z]\w*):(?: .*)?)$")
PROGRAMS: Final[Mapping[str, type[BaseSettings]]] = {
    "operator": wegent_operator.settings.Settings,
    "api": wegent_api.settings.Settings,
    "runner": wegent_runner.settings.Settings,
}
SET_BY_THE_CHART: Final = frozenset(
    {"host", "port", "listen_host", "listen_port", "kubeconfig"}
    | {"accounts_namespace", "shared_namespaces", "shared_role", "account_quota"}
    | {"reserved_namespaces"}
    | {"registration_open", "first_admin"}
    | {"leader_election", "lease_namespace", "runner_service_account", "drain_delay_s"}
    | {"served_shells", "served_modes", "stdio_permitted"}
    | {"own_namespace", "own_service_account"}
    | {"name", "proxy_user", "store_url", "egress_allow", "advertise_host"}
)
"""Settings that the rest of the chart determines."""


class Value(NamedTuple):
    """A value, or a section of values."""

    path: str
    default: Any
    text: str
    """Its documentation."""

    @property
    def is_section(self) -> bool:
        """True if there are documented values below it."""
        return any(other.path.startswith(f"{self.path}.") for other in values())


def generate() -> Iterator[Generated]:
    """Yield the generated files, and regions of others."""
    for program in PROGRAMS:
        yield GeneratedRegion(VALUES, f"{program} settings", "\n".join(_lines(program)), INDENT)
    text = json.dumps(schema(), indent=2, ensure_ascii=False)
    yield GeneratedFile(CHART / "values.schema.json", text + "\n")
    rows = [(code(path), code(default), cell(text)) for path, default, text in values_table()]
    yield GeneratedRegion(CHART / "README.md", "values", table(("Value", "Default", "What"), rows))


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the values; only ``values.yaml`` has the defaults."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": f"{MARK.removeprefix('# ')} from {VALUES} and {TYPES.relative_to(CHECKOUT)}",
        **_schema_of(""),
    }


def values_table() -> list[tuple[str, str, str]]:
    """Return path, default and documentation of each value that has no values below it."""
    return [(it.path, json.dumps(it.default), it.text) for it in values() if not it.is_section]


@cache
def values() -> list[Value]:
    """Return all documented values, and those of the programs' settings."""
    text = (CHECKOUT / VALUES).read_text(encoding="utf-8")
    defaults = yaml.safe_load(text)
    found: dict[str, Value] = {}
    above: list[str] = []
    comment: list[str] = []
    for line in text.splitlines():
        match = LINE.match(line)
        if match and match["key"]:
            above[len(match[1]) // 2 :] = [match["key"]]
            path = ".".join(above)
            if comment and ".settings." not in path:
                found[path] = Value(path, _at(defaults, above), " ".join(comment))
            program, _, below = path.partition(".")
            if below == "settings":
                found |= {value.path: value for value in _settings(program)}
        comment = [*comment, match["comment"].strip()] if match and not match["key"] else []
    return list(found.values())


def _at(defaults: Any, path: list[str]) -> Any:
    for key in path:
        defaults = defaults[key]
    return defaults


def _settings(program: str) -> Iterator[Value]:
    """Yield the settings of a program that users of the chart may set; unset: its default."""
    for name, field in _fields(program).items():
        yield Value(f"{program}.settings.{name}", None, " ".join((field.description or "").split()))


def _fields(program: str) -> Mapping[str, FieldInfo]:
    fields = PROGRAMS[program].model_fields
    return {to_camel(it): field for it, field in fields.items() if it not in SET_BY_THE_CHART}


def _lines(program: str) -> Iterator[str]:
    for path, _, text in _settings(program):
        start = f"{INDENT}# "
        yield from textwrap.wrap(text, WIDTH, initial_indent=start, subsequent_indent=start)
        yield f"{INDENT}{path.rpartition('.')[2]}: null"


def _schema_of(section: str) -> dict[str, Any]:
    """Return the schema of an object with the values of a section, and no others."""
    inside = [it for it in values() if it.path.rpartition(".")[0] == section]
    names = {it.path.rpartition(".")[2]: it for it in inside}
    return {
        "type": "object",
        "properties": {
            name: {
                "description": it.text,
                **(_schema_of(it.path) if it.is_section else type_of(it)),
            }
            for name, it in names.items()
        },
        "additionalProperties": False,
        # Helm drops a value that is set to null, so that templates would find none.
        "required": [
            name
            for name, it in names.items()
            if (it.is_section or it.default is not None) and it.path != "global"
        ],
    }


def type_of(value: Value) -> Mapping[str, Any]:
    """Return the schema of a value that isn't a section.

    Raises:
        ValueError: neither its default nor the table of types tells it.
    """
    keys = value.path.split(".")
    if "settings" in keys:
        field = _fields(keys[0])[keys[2]]
        annotation: Any = Annotated[field.annotation, Field(), *field.metadata] | None
        return TypeAdapter[Any](annotation).json_schema()
    for start in range(len(keys)):
        if found := _types().get(".".join(keys[start:])):
            return found
    match value.default:
        case bool():
            return {"type": "boolean"}
        case str():
            return {"type": "string"}
        case dict() if value.default:
            return {"type": "object", "additionalProperties": True}
    raise ValueError(f"{TYPES}: no type of {value.path}, and its default {value.default} has none")


@cache
def _types() -> Mapping[str, Mapping[str, Any]]:
    found: Mapping[str, Mapping[str, Any]] = yaml.safe_load(TYPES.read_text(encoding="utf-8"))
    return found
