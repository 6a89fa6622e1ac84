"""Errors of the event loop itself, which belong to no request and no task."""

import asyncio
import logging
from typing import Any

logger = logging.getLogger(__name__)


def handle_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log an error, except one that uvloop raises for a connection that is closed already.

    If data arrives on a TLS connection at the moment it is aborted, uvloop's TLS layer still tries
    to answer and fails (uvloop issue 685). The error has no effect, since the connection is gone.
    """
    error = context.get("exception")
    if isinstance(error, RuntimeError) and "the handler is closed" in str(error):
        logger.debug("A connection was closed while data arrived on it: %s", error)
        return
    loop.default_exception_handler(context)
