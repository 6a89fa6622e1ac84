"""Errors that the event loop meets by itself, where no request and no task would tell of them."""

import asyncio
import logging
from typing import Any

logger = logging.getLogger(__name__)


def handle_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log an error; one that uvloop makes of a connection that is closed already is no error.

    Where data arrives on a TLS connection at the moment it is aborted, uvloop's TLS layer still
    wants to answer and can't (uvloop issue 685). Nobody waits for that connection any more.
    """
    error = context.get("exception")
    if isinstance(error, RuntimeError) and "the handler is closed" in str(error):
        logger.debug("A connection was closed while data arrived on it: %s", error)
        return
    loop.default_exception_handler(context)
