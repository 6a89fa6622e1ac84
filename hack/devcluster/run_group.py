"""Running a group of commands: exit codes, signals, errors as one line, common options."""

import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Final

import click

from devcluster.checkout import require_own_environment
from devcluster.errors import ClusterError
from devcluster.progress import say

OK, FAILURE, INTERRUPTED = 0, 1, 130
"""Exit codes; 2, wrong usage, is click's, and 130 what shells give for Ctrl-C."""
EXIT_CODES: Final = "Exit codes: 0 done, 1 failed or not up, 2 wrong usage, 130 interrupted."
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Interrupted(BaseException):
    """A signal came; unlike KeyboardInterrupt, click has no message of its own for it."""


def run_group(
    commands: click.Group, *, name: str, interrupted: str, arguments: Sequence[str] | None
) -> int:
    """Run one of ``commands`` and return its exit code.

    Args:
        commands: each returns its exit code, or None for success.
        name: the name of the program in messages.
        interrupted: the state that an interrupt leaves, for a message.
        arguments: the command line; the process's own if None.
    """
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores SIGHUP
            signal.signal(number, _interrupt)
    try:
        require_own_environment()
        prog_name = f"python -m {commands.name}"
        # -h as well, as the programs with argparse have it.
        return (
            commands.main(
                arguments, prog_name, standalone_mode=False, help_option_names=["-h", "--help"]
            )
            or OK
        )
    except ClusterError as error:
        say(f"{name}: {error}")
        return FAILURE
    except _Interrupted:
        say(f"{name}: interrupted; {interrupted}")
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code


def state_option(default: Path, description: str) -> Callable[[Any], Any]:
    """The option ``--state`` of a group: a directory, ``default`` if it is not given."""
    return click.option(
        "--state",
        type=click.Path(path_type=Path),
        default=default,
        show_default=True,
        help=description,
    )


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    # Once is enough: what follows is the orderly stop, which has deadlines of its own.
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise _Interrupted
