"""Errors of the event loop are logged in full, except those of aborted connections."""

import asyncio
import logging

import pytest

from wegent_api.server.loop_errors import handle_loop_error

CLOSED = "unable to perform operation on <TCPTransport closed=True>; the handler is closed"


@pytest.mark.parametrize(
    ("error", "levels"),
    [
        (RuntimeError(CLOSED), [logging.DEBUG]),
        (RuntimeError("something else"), [logging.ERROR]),
        (ValueError(CLOSED), [logging.ERROR]),
        (None, [logging.ERROR]),
    ],
)
async def test_only_a_connection_that_is_closed_already_is_no_error(
    caplog: pytest.LogCaptureFixture, error: Exception | None, levels: list[int]
) -> None:
    caplog.set_level(logging.DEBUG)
    handle_loop_error(
        asyncio.get_running_loop(),
        {"message": "Fatal error on SSL protocol"} | ({"exception": error} if error else {}),
    )
    assert [record.levelno for record in caplog.records] == levels
