"""The reference of the command line in docs/cli.md, from the commands themselves."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from typer.main import get_command

from codegen.files import Generated, GeneratedRegion
from codegen.markdown import cell, code, table
from wegent_cli.app import app
from wegent_cli.call import COMMON
from wegent_cli.errors import MEANINGS

PAGE: Final = Path("docs/cli.md")


def generate() -> Iterator[Generated]:
    """Yield the regions of the page."""
    root: Any = get_command(app)
    commands = list(_commands(root, "wegent"))
    rows = [(f"[`{name}`](#{_slug(name)})", cell(_first_line(it))) for name, it in commands]
    yield GeneratedRegion(PAGE, "commands", table(("Command", "Description"), rows))
    codes = [(code(str(int(it))), cell(text)) for it, text in MEANINGS.items()]
    yield GeneratedRegion(PAGE, "exit codes", table(("Status", "Meaning"), codes))
    first = commands[0][1]
    shared = [_option(it) for it in first.params if it.name in COMMON]
    yield GeneratedRegion(PAGE, "common options", table(("Option", "Description"), shared))
    reference = "\n\n".join(_section(name, it) for name, it in commands)
    yield GeneratedRegion(PAGE, "reference", reference)


def _commands(group: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield the name and the command of each command that is not a group."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def _slug(name: str) -> str:
    return name.replace(" ", "-")


def _first_line(command: Any) -> str:
    return str(command.help).split("\n\n")[0]


def _section(name: str, command: Any) -> str:
    arguments = [it for it in command.params if it.param_type_name == "argument"]
    options = [
        it
        for it in command.params
        if it.param_type_name == "option" and it.name not in COMMON and it.name != "help"
    ]
    usage = " ".join([name, *(["[OPTIONS]"] if options else []), *map(_metavar, arguments)])
    examples = _dedented(str(command.epilog or "").partition("Examples:\n")[2])
    parts = [f"### {name}", str(command.help)]
    if examples != usage:
        parts.append(f"```text\n{usage}\n```")
    if options:
        parts.append(table(("Option", "Description"), map(_option, options)))
    if examples:
        parts.append(f"```text\n{examples}\n```")
    return "\n\n".join(parts)


def _dedented(examples: str) -> str:
    return "\n".join(line.removeprefix("  ") for line in examples.splitlines())


def _metavar(argument: Any) -> str:
    shown = str(argument.metavar or argument.name.upper())
    return shown if argument.required or shown.startswith("[") else f"[{shown}]"


def _option(option: Any) -> tuple[str, str]:
    names = ", ".join(code(it) for it in (*option.opts, *option.secondary_opts))
    return names, cell(str(option.help or ""))
