"""Logs of Wegent's programs: one JSON object a line on stderr, with the same fields in both."""

import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from pydantic_core import to_json
from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonEncoder, JsonFormatter

FIELDS: Final = ("levelname", "name", "message")
"""Fields of each line besides the time, under logging's names. ``extra`` adds others."""
RENAMED: Final = {
    "levelname": "level",
    "name": "logger",
    "exc_info": "exception",
}
TIME: Final = "time"
LEFT_OUT: Final = ("color_message",)
"""uvicorn's message again, with colours."""
_ENCODER: Final = JsonEncoder()


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
    # No line has the fields that these bring, and they take a third of a line's time. The switches
    # are those of "Optimization" in Python's logging HOWTO.
    logging._srcfile = None  # noqa: SLF001 - the HOWTO names it
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def json_formatter() -> logging.Formatter:
    """Return the formatter: time, level, logger, message, ``extra``, and an exception."""
    return _Lines(
        FIELDS,
        rename_fields=RENAMED,
        reserved_attrs=[*RESERVED_ATTRS, *LEFT_OUT],
        timestamp=TIME,
        defaults={TIME: None},  # so that the time stands first
    )


class _Lines(JsonFormatter):
    """The library's formatter, with a short way for lines without an exception.

    The library makes an encoder for each line, and looks up each field several times. Both take
    more time than the rest of a line of the access log. pydantic's encoder takes a fifth of the
    time of ``json``.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of one record."""
        if record.exc_info or record.exc_text or record.stack_info or isinstance(record.msg, dict):
            return super().format(record)
        fields = {
            TIME: datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        for key, value in record.__dict__.items():
            if key not in self._skip_fields and not key.startswith("_"):
                fields[RENAMED.get(key, key)] = value
        try:
            return to_json(fields, ensure_ascii=True).decode()
        except ValueError:  # a value that JSON lacks, or a lone surrogate
            return _ENCODER.encode(fields)
