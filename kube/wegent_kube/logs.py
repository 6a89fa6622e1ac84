"""Logs of Wegent's programs: one JSON object a line on stderr, with the same fields in both."""

import logging
import sys
from collections.abc import Callable
from typing import Final

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

FIELDS: Final = ("levelname", "name", "message")
"""Fields of each line besides the time, under logging's names. ``extra`` adds others."""
RENAMED: Final = {
    "levelname": "level",
    "name": "logger",
    "exc_info": "exception",
    "k8s_ref": "object",  # Kopf's reference to the object that a line is about
}
TIME: Final = "time"
LEFT_OUT: Final = (
    "color_message",  # uvicorn's message again, with colours
    "k8s_skip",  # Kopf's own
    "settings",  # Kopf's own
)


def configure_logging(level: str, *annotate: Callable[[logging.LogRecord], bool]) -> None:
    """Log everything from ``level`` up to stderr.

    Args:
        level: Least severity that is logged.
        annotate: Filters, which may add fields to a record.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(json_formatter())
    for filter_ in annotate:
        handler.addFilter(filter_)
    logging.basicConfig(level=level, handlers=[handler], force=True)


def json_formatter() -> logging.Formatter:
    """Return the formatter: time, level, logger, message, ``extra``, and an exception."""
    return JsonFormatter(
        FIELDS,
        rename_fields=RENAMED,
        reserved_attrs=[*RESERVED_ATTRS, *LEFT_OUT],
        timestamp=TIME,
        defaults={TIME: None},  # so that the time stands first
    )
