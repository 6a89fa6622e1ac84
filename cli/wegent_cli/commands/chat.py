"""``chat``: a conversation with a Team at the terminal."""

import secrets
import select
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import typer

from wegent_cli.call import Call, command
from wegent_cli.commands.tasks import create_task, events_of, work_of
from wegent_cli.completion import complete_team
from wegent_cli.conversation import (
    HELP,
    Command,
    Conversation,
    Decision,
    Interrupts,
    Unknown,
    decision_of,
    read,
)
from wegent_cli.errors import CliError, ExitCode, described, usage
from wegent_cli.events import Background
from wegent_cli.present import Viewer, failure_of, show_question
from wegent_cli.run_text import Note
from wegent_cli.terminal import Style

POLL_S: Final = 0.1
"""Seconds after which typed lines are noticed while an answer is written."""
PROMPT: Final = "> "


def register(app: typer.Typer) -> None:
    """Register the command."""
    command(
        app,
        "chat",
        examples=("wegent chat assistant", "wegent chat reviewer --bot", "wegent chat platform/qa"),
    )(chat)


def chat(
    call: Call,
    team: Annotated[
        str,
        typer.Argument(
            help="Name of the Team, or NAMESPACE/NAME.",
            metavar="TEAM",
            autocompletion=complete_team,
        ),
    ],
    *,
    bot: Annotated[bool, typer.Option("--bot", help="TEAM is the name of a Bot.")] = False,
    previous: Annotated[
        str,
        typer.Option("--continue", help="Continue the conversation of a Task.", metavar="TASK"),
    ] = "",
) -> None:
    """Talk with a Team. Each message is a Task that continues the one before.

    /new begins another conversation, /cancel stops the answer, /quit leaves. Ctrl-C stops the
    answer, and pressed again it leaves.
    """
    if call.context.kubeconfig:
        raise CliError(
            "chat needs the REST API, and this context uses a kubeconfig",
            "log in: wegent login URL",
            ExitCode.LOGIN,
        )
    if call.is_structured:
        raise usage("chat has no structured output", "use: wegent run TEAM PROMPT -o json")
    _check_partner(call, team, is_bot=bot)
    again = f"wegent chat {team}{' --bot' if bot else ''}"
    again += f" -n {call.namespace}" if call.namespace else ""
    again += f" --context {call.context_name}" if call.context_name else ""
    _Chat(call, Conversation(work_of(team, is_bot=bot), previous), again).talk(team)


def _check_partner(call: Call, name: str, *, is_bot: bool) -> None:
    """Read the Team or the Bot, so that a wrong name shows before the first message."""
    from wegent_sdk import Forbidden  # noqa: PLC0415

    namespace, _, alone = name.rpartition("/")
    try:
        call.client.raw.get(
            "bots" if is_bot else "teams", alone, namespace or call.default_namespace
        )
    except Forbidden:
        return  # a Task may refer to an object that its creator can't read


class _Chat:
    """One chat.

    Args:
        call: the call.
        conversation: its state.
        again: the command that begins another chat with the same partner.
    """

    def __init__(self, call: Call, conversation: Conversation, again: str) -> None:
        self._call = call
        self._again = again
        self._terminal = call.terminal
        self._conversation = conversation
        self._interrupts = Interrupts()
        self._typed: list[str] = []
        """Lines that were typed while an answer was written."""
        self._answered: set[str] = set()
        self._cancelling = False
        self._task = ""
        """Name of the Task whose end is not known."""
        self._unsent = ""
        """The message that no Task has."""

    def talk(self, partner: str) -> None:
        """Read and answer until the user leaves, and say how the conversation goes on."""
        try:
            self._talk(partner)
        finally:
            self._leave()

    def _leave(self) -> None:
        """Name all that the user may want to keep."""
        note = self._terminal.note
        if self._unsent:
            note("The message may not have been sent:")
            for line in self._unsent.splitlines():
                note(line)
        if self._task:
            where = f" -n {self._call.namespace}" if self._call.namespace else ""
            note(f"The end of the Task {self._task} is not known: wegent logs {self._task}{where}")
        if self._conversation.previous:
            note(f"Continue: {self._again} --continue {self._conversation.previous}")

    def _talk(self, partner: str) -> None:
        if self._terminal.is_interactive:
            self._terminal.note(f"Chat with {partner}. /help lists the commands.", Style.FAINT)
            _enable_line_editing()
        while True:
            try:
                line = self._line()
            except KeyboardInterrupt:
                self._terminal.note("")
                if self._interrupts.pressed():
                    raise
                self._terminal.note("Press Ctrl-C again, or type /quit, to leave.")
                continue
            meaning = Command.QUIT if line is None else read(line)
            if meaning is Command.QUIT:
                return
            if isinstance(meaning, str):
                self._turn(meaning)
            elif meaning is not None:
                self._obey(meaning)

    def _obey(self, command: Command | Unknown) -> None:
        match command:
            case Command.NEW:
                self._conversation = self._conversation.new()
                self._terminal.note("A new conversation begins.")
            case Command.CANCEL:
                self._terminal.note("No answer is being written.")
            case Unknown(word):
                self._terminal.note(f"there is no command {word}; /help lists them")
            case _:
                for text in HELP:
                    self._terminal.note(text)

    def _line(self) -> str | None:
        """Return the next line; None at the end of the input."""
        if self._typed:
            return self._typed.pop(0)
        lines: list[str] = []
        while True:
            try:
                text = _input("... " if lines else PROMPT, self._terminal.is_interactive)
            except EOFError:
                if self._terminal.is_interactive:
                    self._terminal.note("")
                return "\n".join(lines) if lines else None
            self._interrupts.reset()
            if not text.endswith("\\"):
                return "\n".join([*lines, text])
            lines.append(text[:-1])

    def _turn(self, message: str) -> None:
        """Give the message as a Task, and show the answer. A failed turn does not end the chat.

        Raises:
            KeyboardInterrupt: the user wants to leave.
            CliError: the login has expired, or there is no person to go on.
        """
        worker, spec = self._conversation.worker, self._conversation.turn(message)
        # The name is known before the Task is: a Ctrl-C in between loses nothing.
        self._task, self._unsent = f"task-{secrets.token_hex(6)}", message
        try:
            name, namespace = create_task(self._call, worker, spec, self._task)
            self._unsent = ""
            end = self._show(name, namespace)
        except KeyboardInterrupt:
            raise
        except Exception as error:
            known = described(error)
            if known is not None and known.code is ExitCode.LOGIN and self._unsent:
                self._task = ""
            if known is None or known.code is ExitCode.LOGIN or not self._terminal.is_interactive:
                raise
            self._terminal.error(known)
            self._task = self._unsent = ""
            return
        self._task = ""
        self._conversation = self._conversation.after(name, end.phase)
        if failure := failure_of(name, end):
            if not self._terminal.is_interactive:
                raise failure
            if end.phase == "Cancelled":
                self._terminal.note("(cancelled)", Style.FAINT)
            else:
                self._terminal.error(failure)

    def _show(self, name: str, namespace: str) -> Any:
        """Show the events of a run until its end, and return the end.

        Raises:
            KeyboardInterrupt: the user pressed Ctrl-C a second time.
            CliError: the events ended before the run.
        """
        questions: list[Mapping[str, Any]] = []
        viewer = Viewer(self._terminal, name, ask=questions.extend)
        # The thread that reads knows of a cut before the texts so far are shown.
        events = Background(
            lambda put: events_of(self._call, name, namespace, lambda text: put(Note(text)))
        )
        self._interrupts.reset()
        self._cancelling = False
        while viewer.end is None:
            try:
                event = events.next(POLL_S)
                if isinstance(event, Note):
                    viewer.interrupted(event.text)
                elif event is not None:
                    viewer.take(event.type, event.data)
                if questions and not self._cancelling:
                    self._answer(name, namespace, questions)
                questions.clear()
                self._read_typed(name, namespace, viewer)
            except StopIteration as stop:
                raise CliError(
                    f"the events of the Task {name} ended before the Task",
                    f"look at the Task: wegent get task {name}",
                    ExitCode.UNREACHABLE,
                ) from stop
            except KeyboardInterrupt:
                if self._interrupts.pressed():
                    raise
                questions.clear()
                viewer.finish_line()
                self._cancel(name, namespace)
        return viewer.end

    def _cancel(self, name: str, namespace: str) -> None:
        self._cancelling = True
        self._terminal.note("Cancelling; press Ctrl-C again to leave.", Style.FAINT)
        self._call.client.tasks.cancel(name, namespace)

    def _read_typed(self, name: str, namespace: str, viewer: Viewer) -> None:
        """Take the lines that were typed meanwhile: /cancel at once, others as the next input."""
        if self._terminal.is_interactive and self._take_lines():
            viewer.finish_line()
            self._cancel(name, namespace)

    def _take_lines(self) -> bool:
        """Keep the typed lines for later; return True at /cancel, which is the last one taken."""
        while select.select([sys.stdin], [], [], 0)[0]:
            line = sys.stdin.readline()
            if not line:
                return False
            if read(line) is Command.CANCEL:
                return True
            if line.strip():
                self._typed.append(line.rstrip("\n"))
        return False

    def _answer(self, name: str, namespace: str, questions: Sequence[Mapping[str, Any]]) -> None:
        """Ask the user each question that has no answer yet, and send the answers.

        Raises:
            CliError: there is no person to answer.
        """
        for question in questions:
            its_id = str(question["id"])
            if its_id in self._answered:
                continue
            show_question(self._terminal, question, name)
            decision = None
            while decision is None:
                # Lines from before the question are no answer to it.
                if self._terminal.is_interactive and self._take_lines():
                    self._cancel(name, namespace)
                    return
                self._terminal.forget_typed()
                line = self._terminal.ask("  approve? (y, n, n: REASON, or a reply) ")
                if read(line) is Command.CANCEL:
                    self._cancel(name, namespace)
                    return
                decision = decision_of(line)
            self._send(name, namespace, its_id, decision)
            self._answered.add(its_id)

    def _send(self, name: str, namespace: str, question: str, decision: Decision) -> None:
        """Send an answer. A question that another user has answered meanwhile is only noted."""
        from wegent_sdk import Conflict  # noqa: PLC0415

        try:
            self._call.client.tasks.answer(
                name, question, decision.decision, decision.text or None, namespace=namespace
            )
        except Conflict as error:
            self._terminal.note(error.message, Style.CAUTION)


def _input(prompt: str, interactive: bool) -> str:  # noqa: FBT001
    """Return a line of stdin. The prompt goes to the terminal alone.

    Raises:
        EOFError: stdin has ended.
    """
    if interactive and sys.stdout.isatty():
        return input(prompt)
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.rstrip("\n")


def _enable_line_editing() -> None:
    """Give the prompt the keys and the history of a shell, where Python has them."""
    import contextlib  # noqa: PLC0415

    with contextlib.suppress(ImportError):
        import readline  # noqa: PLC0415

        readline.set_auto_history(True)
