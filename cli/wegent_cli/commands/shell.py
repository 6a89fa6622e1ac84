"""``completion`` and ``version``."""

from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from wegent_cli.call import Call, command
from wegent_cli.documents import show

VARIABLE = "_WEGENT_COMPLETE"
"""Set by the shell's script to ask for completions."""


class Shell(StrEnum):
    """Shells with completion."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def register(app: typer.Typer) -> None:
    """Register the commands."""
    command(
        app,
        "completion",
        examples=(
            'bash: eval "$(wegent completion bash)"      in ~/.bashrc',
            'zsh:  eval "$(wegent completion zsh)"       in ~/.zshrc',
            "fish: wegent completion fish > ~/.config/fish/completions/wegent.fish",
        ),
        namespaced=False,
    )(completion)
    command(app, "version", examples=("wegent version",), namespaced=False)(show_version)


def completion(
    call: Call, shell: Annotated[Shell, typer.Argument(help="The shell.", metavar="SHELL")]
) -> None:
    """Print a script that completes words in a shell."""
    from typer._completion_shared import get_completion_script  # noqa: PLC0415

    text = get_completion_script(prog_name="wegent", complete_var=VARIABLE, shell=shell.value)
    call.terminal.write(f"{text}\n")


def enable_completion() -> None:
    """Prepare typer for a request of a shell, which it does by itself for its own options only."""
    from typer._completion_classes import completion_init  # noqa: PLC0415

    completion_init()


def own_version() -> str:
    """Return the version of the installed distribution."""
    try:
        return version("wegent")
    except PackageNotFoundError:
        return "unknown"


def _print_version(wanted: object) -> None:
    if wanted:
        typer.echo(f"wegent {own_version()}")
        raise typer.Exit


VersionOption = Annotated[
    bool,
    typer.Option(
        "--version",
        help="Show the version and exit.",
        callback=_print_version,
    ),
]


def show_version(call: Call) -> None:
    """Show the version of this command. `wegent doctor` shows that of the server."""
    facts = {"version": own_version()}
    show(call, facts, lambda: call.terminal.line(f"wegent {facts['version']}"))
