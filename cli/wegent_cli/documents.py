"""Results as JSON, YAML or names."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wegent_cli.call import Call, Output
from wegent_cli.text import FORMAT
from wegent_crds.registry import GROUP

_ESCAPED = re.compile(f"[\x7f-\x9f\ud800-\udfff{FORMAT}]")
"""JSON permits control and format characters unescaped; a terminal must not see them. A lone
surrogate has no other form."""


def json_text(value: Any, *, indent: int | None = 2) -> str:
    """Return a value as JSON that is safe for a terminal."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return _ESCAPED.sub(lambda found: json.dumps(found.group())[1:-1], text)


def yaml_text(value: Any) -> str:
    """Return a value as YAML."""
    import yaml  # noqa: PLC0415

    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True).rstrip("\n")


def name_of(body: Mapping[str, Any]) -> str:
    """Return an object as kubectl names it: ``bot.agent.wecode.io/reviewer``."""
    return f"{str(body.get('kind', '')).lower()}.{GROUP}/{body['metadata']['name']}"


def show(call: Call, value: Any, human: Callable[[], None]) -> None:
    """Print a result in the format of the call; ``human`` prints it as text."""
    match call.output:
        case Output.JSON:
            call.terminal.write(json_text(value) + "\n")
        case Output.YAML:
            call.terminal.write(yaml_text(value) + "\n")
        case Output.NAME if (names := _names(value)) is not None:
            for name in names:
                call.terminal.line(name)
        case _:
            human()


def _names(value: Any) -> list[str] | None:
    items = value.get("items") if isinstance(value, Mapping) and "items" in value else [value]
    if not isinstance(items, Sequence):
        return None
    names = []
    for item in items:
        if not isinstance(item, Mapping):
            return None
        if isinstance(item.get("metadata"), Mapping) and "name" in item["metadata"]:
            names.append(name_of(item))
        elif isinstance(item.get("name"), str):
            names.append(item["name"])
        elif isinstance(item.get("username"), str):
            names.append(item["username"])
        else:
            return None
    return names
