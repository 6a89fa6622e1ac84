"""``python -m wegent_api``: serve until SIGTERM, then finish what is in flight."""

import asyncio
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import Final

import uvicorn
from pydantic import ValidationError

from wegent_api.app import create_app
from wegent_api.server.logs import configure_logging
from wegent_api.server.loop_errors import handle_loop_error
from wegent_api.server.protocol import Limits, protocol_for
from wegent_api.settings import Settings
from wegent_api.websocket.messages import MAX_MESSAGE_BYTES
from wegent_kube import ConnectionConfigError, load_connection
from wegent_kube.garbage import leave_out_existing
from wegent_kube.usage import argument_parser

KEEP_ALIVE_S: Final = 75
"""Seconds, longer than load balancers (60) and clients (15) keep idle connections.

The side that would send the next request must close the connection first. Otherwise that request is
lost now and then.
"""
SWITCH_INTERVAL_S: Final = 0.001
"""Seconds after which a thread that parses a long body gives way to the event loop.

Python's default is 5 ms, and a request needs several turns.
"""
STARTUP_FAILED: Final = 3
"""uvicorn's exit code for a failed start, for example if the port is in use."""


class DrainingServer(uvicorn.Server):
    """Announces a stop, and serves for a while before it stops.

    Load balancers take a while to learn of a stop. Meanwhile each answer tells its client to
    reconnect for the next request. Streams, which would not end by themselves, are ended.
    """

    def __init__(self, config: uvicorn.Config, draining: asyncio.Event, delay_s: float) -> None:
        super().__init__(config)
        self._draining = draining
        self._delay_s = delay_s
        self._loop: asyncio.AbstractEventLoop | None = None

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until a signal comes and the drain delay has passed."""
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(handle_loop_error)
        await super().serve(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to serve."""
        await super().startup(sockets)
        leave_out_existing()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Start to drain at the first SIGTERM. Stop at any other signal."""
        if self._loop is None or self._draining.is_set() or sig != signal.SIGTERM:
            super().handle_exit(sig, frame)
            return
        self._loop.call_soon_threadsafe(self._drain, sig, frame)

    def _drain(self, sig: int, frame: FrameType | None) -> None:
        self._draining.set()
        asyncio.get_running_loop().call_later(self._delay_s, super().handle_exit, sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop. Streams end now if no SIGTERM came before."""
        self._draining.set()
        await super().shutdown(sockets)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve as configured. Exit with 2 and a line on stderr if the configuration is invalid."""
    about = "Wegent's REST API: serves until SIGTERM, then finishes the requests in flight."
    argument_parser("wegent-api", about, Settings).parse_args(arguments)
    try:
        settings = Settings()
        load_connection(settings.kubeconfig)
    except (ValidationError, ConnectionConfigError) as error:
        sys.stderr.write(f"wegent-api: {error}\n")
        raise SystemExit(2) from None
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    configure_logging(settings.log_level)
    # uvicorn drains on SIGTERM, then raises it again for the previous handler.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    draining = asyncio.Event()
    config = uvicorn.Config(
        create_app(settings, draining),
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=protocol_for(
            Limits(
                connections=settings.connections,
                head_timeout_s=settings.head_timeout_s,
                stall_s=settings.watch_stall_s,
            )
        ),
        ws="none",  # the HTTP protocol hands over by itself
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_ping_interval=settings.watch_heartbeat_s,
        ws_ping_timeout=settings.watch_stall_s,
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.forwarded_allow_ips),
        forwarded_allow_ips=settings.forwarded_allow_ips,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=settings.drain_timeout_s,
    )
    server = DrainingServer(config, draining, settings.drain_delay_s)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(STARTUP_FAILED)


if __name__ == "__main__":
    main()
