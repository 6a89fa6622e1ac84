"""Columns of objects: those that ``kubectl get`` has, from the kinds' own models.

The models' JSON paths have two forms, ``.a.b`` and a list filter, which this module reads.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from wegent_cli.text import age
from wegent_crds.registry import Kind

_STEP: Final = re.compile(r'\.(\w+)(?:\[\?\(@\.(\w+)=="([^"]*)"\)\])?')
NONE: Final = ""


def value_at(body: Any, path: str) -> Any:
    """Return the value at a JSON path of a printer column; None if there is none."""
    for found in _STEP.finditer(path):
        name, key, wanted = found.groups()
        body = body.get(name) if isinstance(body, Mapping) else None
        if key is not None:
            items = body if isinstance(body, list) else ()
            body = next(
                (it for it in items if isinstance(it, Mapping) and it.get(key) == wanted), None
            )
    return body


def rows_of(
    kind: Kind,
    bodies: Sequence[Mapping[str, Any]],
    now: datetime,
    *,
    wide: bool = False,
    namespaces: bool = False,
) -> tuple[list[str], list[list[str]]]:
    """Return the heads and the rows of objects of one kind.

    Args:
        kind: their kind.
        bodies: the objects.
        now: the present, for ages.
        wide: True for the columns of ``-o wide`` too.
        namespaces: True for a first column with the namespace.
    """
    from wegent_crds.models import model_of  # noqa: PLC0415 - the models take 0.2 s
    from wegent_crds.schema.custom_resource import VERDICT_COLUMNS  # noqa: PLC0415

    columns = [it for it in (*model_of(kind).columns, *VERDICT_COLUMNS) if wide or not it.priority]
    heads = [*(["Namespace"] if namespaces else []), "Name", *(it.name for it in columns)]
    rows = []
    for body in bodies:
        metadata = body.get("metadata") or {}
        cells = [str(metadata.get("namespace", ""))] if namespaces else []
        cells.append(str(metadata.get("name", "")))
        for column in columns:
            value = value_at(body, column.json_path)
            cells.append(age(value, now) if column.type == "date" else shown(value))
        rows.append(cells)
    return heads, rows


def shown(value: Any) -> str:
    """Return a value as a cell."""
    if value is None:
        return NONE
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
