"""Shows a run as it goes on: texts to stdout, notes to stderr."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from wegent_cli.errors import CliError, ExitCode
from wegent_cli.run_text import Action, Ask, End, Note, RunText, Write
from wegent_cli.terminal import Style, Terminal
from wegent_cli.text import one_line

Question = Mapping[str, Any]
PHASES: Final = {"Failed": "failed", "Cancelled": "was cancelled", "Deleted": "was deleted"}
SHOWN: Final = 2000
"""Characters of a tool's arguments that a question shows."""


class Viewer:
    """Shows the events of one run.

    Args:
        terminal: the standard streams.
        name: name of the Task.
        ask: called with questions to people; None to name them alone.
        live: True to show text as it comes, None for terminals alone.
    """

    def __init__(
        self,
        terminal: Terminal,
        name: str,
        *,
        ask: Callable[[Sequence[Question]], None] | None = None,
        live: bool | None = None,
    ) -> None:
        self.terminal = terminal
        self.name = name
        self.end: End | None = None
        self._ask = ask or self._name_questions
        self._run = RunText(terminal.is_terminal if live is None else live)

    def take(self, type_: str, data: Mapping[str, Any]) -> None:
        """Show one event."""
        for action in self._run.take(type_, data):
            self._act(action)

    def finish_line(self) -> None:
        """End the line of the text, before something else is printed."""
        for action in self._run.finish_line():
            self._act(action)

    def interrupted(self, text: str) -> None:
        """Say on a line of its own why the text does not go on."""
        self.finish_line()
        self.terminal.note(text, Style.CAUTION)

    def _act(self, action: Action) -> None:
        match action:
            case Write(text, faint):
                style = Style.FAINT if faint else None
                self.terminal.write(self.terminal.styled(text, style))
            case Note(text):
                self.terminal.note(text, Style.FAINT)
            case Ask(questions):
                self._ask(questions)
            case End():
                self.end = action

    def _name_questions(self, questions: Iterable[Question]) -> None:
        for question in questions:
            show_question(self.terminal, question, self.name)
        self.terminal.note(
            f"answer it: wegent answer {self.name} --approve, --deny or --reply TEXT"
        )


def show_question(terminal: Terminal, question: Question, task: str) -> None:
    """Show one question of a Task to people. Its words come from an LLM."""
    words = one_line(str(question.get("message", "")))
    terminal.note(f"question {question.get('id')} of {question.get('bot')}: {words}", Style.CAUTION)
    if arguments := one_line(str(question.get("arguments") or "")):
        terminal.note(f"  arguments: {arguments[:SHOWN]}")
        if len(arguments) > SHOWN:
            more = len(arguments) - SHOWN
            terminal.note(f"  and {more} more characters: wegent answer {task} -o json")


def usage_line(end: End) -> str:
    """Return the usage of a run in one line; empty if it is not known."""
    use = end.usage
    if not use:
        return ""
    words = f"{use.get('inputTokens', 0)} tokens in, {use.get('outputTokens', 0)} out"
    return words + (f", {use['costUSD']} USD" if use.get("costUSD") else "")


def failure_of(name: str, end: End) -> CliError | None:
    """Return the error for the end of a Task; None if it is completed."""
    if end.phase == "Completed":
        return None
    how = PHASES.get(end.phase, f"ended as {end.phase}")
    words = f": {end.message}" if end.message else ""
    remedy = f"see the cause with `wegent tree task/{name}`" if end.phase == "Failed" else ""
    return CliError(f"the Task {name} {how}{words}", remedy, ExitCode.FAILED)
