"""``python -m wegent_api``: serve until SIGTERM, then finish what is in flight."""

import asyncio
import signal
import socket
import sys
from contextlib import suppress
from typing import Final

import uvicorn
from pydantic import ValidationError

from wegent_api.app import create_app
from wegent_api.http_protocol import BoundedHeadProtocol
from wegent_api.logs import configure_logging
from wegent_api.settings import Settings
from wegent_kube import ConnectionConfigError, load_connection

KEEP_ALIVE_S: Final = 75
"""Longer than load balancers and clients keep idle connections (60 s, 15 s): who closes first
must be the one that would send the next request, or that request is lost now and then."""


STARTUP_FAILED: Final = 3
"""Exit code of uvicorn's own, such as for a port that is taken."""


class DrainingServer(uvicorn.Server):
    """Says that it is about to stop, before it waits for the answers that are under way."""

    def __init__(self, config: uvicorn.Config, draining: asyncio.Event) -> None:
        super().__init__(config)
        self._draining = draining

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop: the streams first, which would not end by themselves."""
        self._draining.set()
        await super().shutdown(sockets)


def main() -> None:
    """Serve as configured; exit with 2 and a line on stderr if that is wrong."""
    try:
        settings = Settings()
        load_connection(settings.kubeconfig)
    except (ValidationError, ConnectionConfigError) as error:
        sys.stderr.write(f"wegent-api: {error}\n")
        raise SystemExit(2) from None
    configure_logging(settings.log_level)
    # uvicorn drains on SIGTERM, then raises it again for whoever handled it before.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    draining = asyncio.Event()
    config = uvicorn.Config(
        create_app(settings, draining),
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=BoundedHeadProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.forwarded_allow_ips),
        forwarded_allow_ips=settings.forwarded_allow_ips,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=settings.drain_timeout_s,
    )
    server = DrainingServer(config, draining)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(STARTUP_FAILED)


if __name__ == "__main__":
    main()
