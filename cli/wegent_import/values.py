"""Questions about JSON values of unknown form."""

import math
from collections.abc import Mapping
from typing import Any

from wegent_sdk.plain import scalar_text


def is_empty(value: object) -> bool:
    """Return True for null, an empty text, an empty list and an empty map."""
    return value is None or value in ("", [], {})


def first(source: Mapping[str, Any], *names: str) -> Any:
    """Return the first value in ``source`` under one of ``names`` that is not empty, or None."""
    return next((source[name] for name in names if not is_empty(source.get(name))), None)


def number(value: object) -> float | None:
    """Return a number, also of a text; None in place of any other value."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def whole(value: object) -> int | None:
    """Return a whole number, also of a text; None in place of any other value."""
    found = number(value)
    return int(found) if found is not None and found.is_integer() else None


def truth(value: object) -> bool:
    """Return True for true, and for the texts and numbers that mean true."""
    return scalar_text(value).lower() in {"true", "yes", "on", "1"}
