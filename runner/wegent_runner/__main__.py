"""The program ``wegent-runner``."""

import asyncio
import signal
import sys
from collections.abc import Sequence

import uvloop
from pydantic import ValidationError

from wegent_kube import ConnectionConfigError
from wegent_kube.garbage import leave_out_existing
from wegent_kube.logs import configure_logging
from wegent_kube.usage import argument_parser
from wegent_runner.app import run
from wegent_runner.engine.providers import forget_sdk_variables
from wegent_runner.settings import Settings
from wegent_runner.store.engine import StoreUrlError
from wegent_runner.store.failures import StoreError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run Tasks until a signal asks to stop. Exit with 2 if the settings are invalid."""
    about = "Wegent's runner: runs Tasks until SIGTERM, then finishes those that run."
    argument_parser("wegent-runner", about, Settings).parse_args(arguments)
    forget_sdk_variables()
    try:
        settings = Settings()
        configure_logging(settings.log_level)
        uvloop.run(_serve(settings))
    except (ConnectionConfigError, StoreUrlError, ValidationError) as error:
        sys.stderr.write(f"wegent-runner: {error}\n")
        sys.exit(2)
    except StoreError as error:
        sys.stderr.write(f"wegent-runner: {error}\n")
        sys.exit(1)


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    leave_out_existing()
    await run(settings, stop)


if __name__ == "__main__":
    main()
