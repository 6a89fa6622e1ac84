"""``tree``: the graph of an object, to the root cause of its fault."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from wegent_cli.call import Call, command
from wegent_cli.completion import complete_name
from wegent_cli.documents import show
from wegent_cli.errors import CliError, ExitCode
from wegent_cli.kinds import kind_and_name
from wegent_cli.terminal import Style
from wegent_cli.tree import Absent, Node, State, graph
from wegent_cli.tree_text import lines
from wegent_crds.references import ObjectKey


def register(app: typer.Typer) -> None:
    """Register the command."""
    command(app, "tree", examples=("wegent tree task/hello", "wegent tree team reviewers"))(tree)


def tree(
    call: Call,
    words: Annotated[
        list[str],
        typer.Argument(
            help="KIND/NAME or KIND NAME", metavar="KIND/NAME", autocompletion=complete_name
        ),
    ],
) -> None:
    """Show the graph of an object, to the root cause of a fault.

    The graph has all objects that it refers to. The exit status is 1 if something is wrong.
    """
    kind, name = kind_and_name(words)
    first = call.client.raw.get(kind.plural, name, call.default_namespace)
    key = ObjectKey(kind.plural, first["metadata"]["namespace"], name)
    root = graph(key, _reader(call, key, first))
    show(call, root.as_json(), lambda: _print(call, root))
    causes = [node for node in root.walk() if node.is_root_cause]
    if causes:
        titles = ", ".join(node.title for node in causes)
        raise CliError(
            f"{root.title} has a fault; root cause: {titles}",
            "the messages above say how to correct it",
            ExitCode.FAILED,
        )


def _reader(call: Call, first_key: ObjectKey, first: Mapping[str, Any]) -> Any:
    from wegent_sdk import Forbidden, NotFound  # noqa: PLC0415

    def read(key: ObjectKey) -> Mapping[str, Any] | Absent:
        if key == first_key:
            return first
        try:
            body: Mapping[str, Any] = call.client.raw.get(key.plural, key.name, key.namespace)
        except NotFound:
            return Absent.MISSING
        except Forbidden:
            return Absent.UNREADABLE
        return body

    return read


def _print(call: Call, root: Node) -> None:
    terminal = call.terminal
    guides = terminal.is_terminal and terminal.color and _shows_lines()
    for start, text, style in lines(root, width=terminal.width, guides=guides):
        terminal.write(f"{start}{terminal.styled(text, style)}\n")
    if all(node.state is State.GOOD for node in root.walk()):
        terminal.note("Nothing is wrong.", Style.GOOD)


def _shows_lines() -> bool:
    import sys  # noqa: PLC0415

    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
