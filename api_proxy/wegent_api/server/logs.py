"""Logs as JSON lines on stderr, each with the id of its request."""

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final

request_id: Final[ContextVar[str | None]] = ContextVar("request_id", default=None)
"""Id of the current request."""

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_UVICORN_NOISE: Final = frozenset({"color_message"})


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, request id, and ``extra``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return ``record`` as one line."""
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (current := request_id.get()) is not None:
            entry["requestId"] = current
        entry |= {
            key: value
            for key, value in vars(record).items()
            if key not in _STANDARD and key not in _UVICORN_NOISE
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def configure_logging(level: str) -> None:
    """Log everything from ``level`` up to stderr. The proxy logs requests, and uvicorn does not."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("uvicorn.access").disabled = True
