"""The frame of a developer's command: its parser, its exit codes, and errors in one line."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Final

from devcluster.checkout import require_own_environment
from devcluster.errors import ClusterError
from devcluster.progress import say

OK: Final = 0
FAILURE: Final = 1
INTERRUPTED: Final = 130
"""Exit code that shells give for Ctrl-C. 2, wrong usage, is argparse's."""


def parser_of(
    program: str, description: str, epilog: str, *, state: Path, contents: str
) -> argparse.ArgumentParser:
    """Return the parser of a program.

    Args:
        program: the program's name, as in ``python -m``.
        description: the program in a sentence.
        epilog: environment variables and exit codes, as they are to be printed.
        state: default of the option ``--state``.
        contents: the contents of that directory.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m {program}",
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    text = f"directory of {contents} (default: %(default)s)"
    parser.add_argument("--state", type=Path, default=state, help=text)
    return parser


def exit_code_of(name: str, command: Callable[[], int], *, interrupted: str) -> int:
    """Run a command and return its exit code; print an error in one line that begins with a name.

    Args:
        name: the name in front of an error.
        command: the command, which returns its exit code.
        interrupted: text for an interrupted command, after "interrupted".
    """
    try:
        require_own_environment()
        return command()
    except ClusterError as error:
        say(f"{name}: {error}")
        return FAILURE
    except KeyboardInterrupt:
        say(f"{name}: interrupted; {interrupted}")
        return INTERRUPTED
