"""Output for people: on a terminal with colours and its width, plain otherwise.

Plain output has no colours, no cursor movements and no cut lines, so that programs and screen
readers read all of it. ``NO_COLOR``, ``--no-color`` and ``TERM=dumb`` ask for no colours on a
terminal too. Notes and prompts go to stderr: stdout has results alone.
"""

import contextlib
import os
import shutil
import sys
import textwrap
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TextIO

from wegent_cli.errors import CliError, ExitCode
from wegent_cli.text import clean, one_line


class Style(Enum):
    """Styles of short texts, as SGR parameters."""

    GOOD = "32"
    BAD = "31"
    CAUTION = "33"
    FAINT = "2"
    STRONG = "1"


MIN_WIDTH: Final = 40
"""Columns below which lines are not shortened further."""


@dataclass(frozen=True, slots=True)
class Terminal:
    """The standard streams.

    Attributes:
        color: True to use colours on stdout and stderr, where they are terminals.
        json_errors: True to write errors as JSON.
    """

    color: bool = True
    json_errors: bool = False

    @classmethod
    def of_environment(cls, *, color: bool = True, json_errors: bool = False) -> "Terminal":
        """Return the terminal of this process."""
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        return cls(color and not plain, json_errors)

    @property
    def is_terminal(self) -> bool:
        """True if stdout is a terminal."""
        return sys.stdout.isatty()

    @property
    def is_interactive(self) -> bool:
        """True if a person can answer questions."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    @property
    def width(self) -> int | None:
        """Columns of the terminal; None if stdout is not one, so that nothing is cut."""
        if not self.is_terminal:
            return None
        return max(MIN_WIDTH, shutil.get_terminal_size((80, 24)).columns)

    def styled(self, text: str, style: Style | None, stream: TextIO | None = None) -> str:
        """Return ``text`` in a style, if ``stream`` (default stdout) shows colours."""
        if style is None or not self.color or not (stream or sys.stdout).isatty():
            return text
        return f"\x1b[{style.value}m{text}\x1b[0m"

    def line(self, text: str = "", style: Style | None = None) -> None:
        """Print one result, which may have several lines."""
        self.write(self.styled(clean(text), style) + "\n")

    def write(self, text: str) -> None:
        """Write a text to stdout as it is, at once. Callers have removed control characters."""
        sys.stdout.write(text)
        sys.stdout.flush()

    def note(self, text: str, style: Style | None = None) -> None:
        """Print one line about the progress to stderr."""
        shown = "\n".join(self.styled(it, style, sys.stderr) for it in self._lines(text))
        sys.stderr.write(f"{shown}\n")
        sys.stderr.flush()

    def _lines(self, text: str) -> list[str]:
        """Return a text for stderr: one line, or on a terminal as many as its width needs."""
        text = one_line(text)
        if not sys.stderr.isatty():
            return [text]
        width = max(MIN_WIDTH, shutil.get_terminal_size((80, 24)).columns)
        wrapped = textwrap.wrap(
            text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
        )
        return wrapped or [""]

    def error(self, error: CliError) -> None:
        """Print an error to stderr: one line, and one with the remedy; or a JSON object."""
        if self.json_errors:
            import json  # noqa: PLC0415

            sys.stderr.write(json.dumps(error.as_json()) + "\n")
        else:
            self._labelled("error", error.message, Style.BAD)
            if error.remedy:
                self._labelled("remedy", error.remedy, Style.STRONG)
        with contextlib.suppress(OSError):
            sys.stderr.flush()

    def _labelled(self, label: str, text: str, style: Style) -> None:
        first, *rest = self._lines(f"{label}: {text}")
        shown = self.styled(f"{label}:", style, sys.stderr)
        lines = [shown + first.removeprefix(f"{label}:"), *rest]
        sys.stderr.write("\n".join(lines) + "\n")

    def forget_typed(self) -> None:
        """Drop the keys that were pressed so far, such as a line without its Enter."""
        import termios  # noqa: PLC0415

        if sys.stdin.isatty():
            termios.tcflush(sys.stdin, termios.TCIFLUSH)

    def ask(self, prompt: str) -> str:
        """Return one line that the user types.

        Raises:
            CliError: stdin is not a terminal, or has ended.
        """
        self._needs_person(prompt)
        sys.stderr.write(prompt)
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line:
            sys.stderr.write("\n")
            raise no_input(prompt)
        return line.rstrip("\r\n")

    def ask_secret(self, prompt: str) -> str:
        """Return one line that the user types without an echo.

        Raises:
            CliError: stdin is not a terminal, or has ended.
        """
        import getpass  # noqa: PLC0415

        self._needs_person(prompt)
        try:
            return getpass.getpass(prompt, stream=sys.stderr)
        except EOFError as error:
            raise no_input(prompt) from error

    def _needs_person(self, prompt: str) -> None:
        if not self.is_interactive:
            raise no_input(prompt)


def no_input(prompt: str) -> CliError:
    """Return the error for a question that no person can answer."""
    asked = prompt.strip().rstrip(":").lower()
    return CliError(
        f"no input for: {asked}",
        "run the command in a terminal, or give the value by an option (see --help)",
        ExitCode.USAGE,
    )


def read_stdin(what: str, max_bytes: int) -> str:
    """Return all of stdin as text, without line breaks at the end.

    Args:
        what: name of the value, for messages.
        max_bytes: the longest input.

    Raises:
        CliError: it is empty, too long or not UTF-8.
    """
    data: Any = sys.stdin.buffer.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise CliError(f"{what}: stdin has more than {max_bytes} bytes", code=ExitCode.USAGE)
    try:
        text = data.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise CliError(f"{what}: stdin is not UTF-8", code=ExitCode.USAGE) from error
    if not text:
        raise CliError(f"{what}: stdin is empty", "write the value to stdin", ExitCode.USAGE)
    return str(text)
