"""The command line: all commands, in the order in which ``wegent --help`` lists them."""

import io
import os
import sys

import typer
from typer.main import get_command

from wegent_cli.call import CONTEXT_SETTINGS
from wegent_cli.commands import (
    accounts,
    apply,
    chat,
    config,
    doctor,
    importing,
    keys,
    kubeconfig,
    login,
    members,
    namespaces,
    objects,
    shell,
    tasks,
    tokens,
    trash,
    tree,
)

app = typer.Typer(
    name="wegent",
    help="Wegent at a terminal: log in, run Tasks, chat with Teams, manage objects.",
    epilog="Begin with `wegent login URL`. Every command has --help with examples.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=CONTEXT_SETTINGS,
)
for module in (
    *(login, accounts, config, chat, tasks, objects, apply, importing, tree, kubeconfig),
    *(trash, tokens, keys, members, namespaces, doctor, shell),
):
    module.register(app)


@app.callback()
def main(*, version: shell.VersionOption = False) -> None:
    """Take the options that precede a command."""


def run(name: str) -> int:
    """Run the command line of this process, and return the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a character that can't be written is no failure
            stream.reconfigure(errors="replace")
    if any(key.endswith("WEGENT_COMPLETE") for key in os.environ):
        shell.enable_completion()
    try:
        get_command(app).main(prog_name=name)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0
