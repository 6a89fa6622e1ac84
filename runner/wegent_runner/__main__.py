"""The program ``wegent-runner``."""

import asyncio
import logging
import signal
import sys

import uvloop
from pydantic import ValidationError

from wegent_kube import ConnectionConfigError
from wegent_runner.app import run
from wegent_runner.settings import Settings
from wegent_runner.store.engine import StoreUrlError


def main() -> None:
    """Run Tasks until a signal asks to stop."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        uvloop.run(_serve(Settings()))
    except (ConnectionConfigError, StoreUrlError, ValidationError) as error:
        sys.stderr.write(f"wegent-runner: {error}\n")
        sys.exit(2)


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await run(settings, stop)


if __name__ == "__main__":
    main()
