"""The proxy's logs: JSON lines on stderr, each with the id of its request."""

import logging
from contextvars import ContextVar
from typing import Final

from wegent_kube import logs

request_id: Final[ContextVar[str | None]] = ContextVar("request_id", default=None)
"""Id of the current request."""


def configure_logging(level: str) -> None:
    """Log everything from ``level`` up to stderr. The proxy logs requests, and uvicorn does not."""
    logs.configure_logging(level, add_request_id)
    logging.getLogger("uvicorn.access").disabled = True


def add_request_id(record: logging.LogRecord) -> bool:
    """Add the id of the current request to ``record``, and let it pass."""
    if (current := request_id.get()) is not None:
        record.requestId = current
    return True
