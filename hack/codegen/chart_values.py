"""``values.yaml``, ``values.schema.json`` and the table in the chart's README, from one model."""

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from codegen.chart_models import Values
from codegen.files import MARK, Generated, GeneratedFile, GeneratedRegion
from codegen.markdown import cell, code, table

SOURCE: Final = "hack/codegen/chart_models.py"
WIDTH: Final = 100


def generate(chart: Path) -> Iterator[Generated]:
    """Yield the three files, or parts of files."""
    header = f"{MARK}\n# from {SOURCE}. Change that, not this file.\n"
    values = "\n".join(_yaml_lines(Values(), ""))
    yield GeneratedFile(chart / "values.yaml", f"{header}\n{values}\n")
    schema = json.dumps(schema_of(Values), indent=2, ensure_ascii=False)
    yield GeneratedFile(chart / "values.schema.json", schema + "\n")
    rows = [(code(path), code(default), cell(text)) for path, default, text in values_table()]
    yield GeneratedRegion(chart / "README.md", "values", table(("Value", "Default", "What"), rows))


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema of the values; only ``values.yaml`` has the defaults."""
    schema: dict[str, Any] = model.model_json_schema(by_alias=True)
    for part in (schema, *schema["$defs"].values()):
        # Helm drops a value that is set to null, so that templates would find none.
        fields = part["properties"]
        part["required"] = [
            name for name, field in fields.items() if name != "global" and _has_default(field)
        ]
        for field in fields.values():
            if "patternProperties" in field:
                field["additionalProperties"] = False
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": f"{MARK.removeprefix('# ')} from {SOURCE}",
        **_without(schema, ("default", "title")),
    }


def _has_default(field: dict[str, Any]) -> bool:
    return field.get("default") is not None or "$ref" in field


def values_table() -> list[tuple[str, str, str]]:
    """Return path, default and documentation of each value that has no values below it."""
    return list(_rows(Values(), ""))


def _rows(model: BaseModel, prefix: str) -> Iterator[tuple[str, str, str]]:
    for field, name, value in _fields(model):
        if isinstance(value, BaseModel):
            yield from _rows(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", json.dumps(value), field.description or ""


def _yaml_lines(model: BaseModel, indent: str) -> Iterator[str]:
    """Yield the lines of a model's defaults, each value below its documentation."""
    for number, (field, name, value) in enumerate(_fields(model)):
        if number and not indent:
            yield ""
        text = " ".join((field.description or "").split())
        yield from textwrap.wrap(
            text, WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# "
        )
        if isinstance(value, BaseModel):
            yield f"{indent}{name}:"
            yield from _yaml_lines(value, f"{indent}  ")
        else:
            yield from (f"{indent}{line}" for line in _default(name, value))


def _default(name: str, value: Any) -> list[str]:
    """Return the lines of one default: a single line, except for a mapping."""
    if isinstance(value, dict) and value:
        return yaml.safe_dump({name: value}, sort_keys=False).splitlines()
    return [f"{name}: {json.dumps(value)}"]


def _fields(model: BaseModel) -> Iterator[tuple[FieldInfo, str, Any]]:
    for name, field in type(model).model_fields.items():
        yield field, field.alias or name, getattr(model, name)


def _without(value: Any, keys: tuple[str, ...]) -> Any:
    """Return a schema without these keywords; properties with such names stay."""
    if isinstance(value, list):
        return [_without(item, keys) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: {name: _without(it, keys) for name, it in item.items()}
        if key in ("properties", "$defs")
        else " ".join(item.split())
        if key == "description"
        else _without(item, keys)
        for key, item in value.items()
        if key not in keys
    }
