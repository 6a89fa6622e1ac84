"""The program ``wegent-runner``."""

import asyncio
import logging
import signal
import sys
from collections.abc import Sequence

import uvloop
from pydantic import ValidationError

from wegent_kube import ConnectionConfigError
from wegent_kube.usage import argument_parser
from wegent_runner.app import run
from wegent_runner.settings import Settings
from wegent_runner.store.engine import StoreUrlError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run Tasks until a signal asks to stop. Exit with 2 if the settings are invalid."""
    about = "Wegent's runner: runs Tasks until SIGTERM, then finishes those that run."
    argument_parser("wegent-runner", about, Settings).parse_args(arguments)
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
