"""One call of a command: its common options, its configuration, its client, its errors.

``command`` registers a function as a command, gives it the options that all commands share, and
turns every error into one line, a remedy and an exit status. No command ends with a traceback.
"""

import functools
import inspect
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from wegent_cli.completion import complete_context
from wegent_cli.config import Config, ConfigFile, Context, config_path
from wegent_cli.errors import CliError, ExitCode, described
from wegent_cli.target import target
from wegent_cli.terminal import Terminal

if TYPE_CHECKING:
    from wegent_cli.clients import Session
    from wegent_sdk import Client


CONTEXT_SETTINGS: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 80}
"""Of every command: short help option, and help that fits a terminal of 80 columns."""


class Output(StrEnum):
    """Formats of results."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


@dataclass
class Call:
    """One call.

    Attributes:
        context_name: value of ``--context``; None for the current one.
        namespace: value of ``--namespace``; None for that of the context or the server.
        output: the format of the result.
        terminal: the standard streams.
    """

    context_name: str | None = None
    namespace: str | None = None
    output: Output = Output.TABLE
    terminal: Terminal = field(default_factory=Terminal)

    @cached_property
    def file(self) -> ConfigFile:
        """The configuration file."""
        return ConfigFile(config_path())

    @cached_property
    def config(self) -> Config:
        """The content of the configuration file."""
        config = self.file.load()
        if any(it.token for it in config.contexts) and self.file.readable_by_others():
            self.terminal.note(
                f"warning: other users can read your logins; run `chmod 600 {self.file.path}`"
            )
        return config

    @cached_property
    def context(self) -> Context:
        """The API that the call is for, and the credentials."""
        return target(self.config, self.context_name, os.environ)

    @cached_property
    def client(self) -> "Client":
        """The client of the API. It is made at its first use."""
        return self.session.client(self.default_namespace)

    @property
    def session(self) -> "Session":
        """The context, and the file to which a renewed login goes."""
        from wegent_cli.clients import Session  # noqa: PLC0415 - a client takes 0.2 s

        return Session(self.context, self.file, self.config.current, self.terminal.note)

    @property
    def default_namespace(self) -> str | None:
        """The namespace of requests that name none; None for that of the server."""
        return self.namespace or self.context.namespace or None

    @property
    def is_structured(self) -> bool:
        """True if the result is JSON or YAML."""
        return self.output in {Output.JSON, Output.YAML}


ContextOption = Annotated[
    str | None,
    typer.Option(
        "--context",
        autocompletion=complete_context,
        help="Context of the configuration to use; see `wegent config list`.",
        metavar="NAME",
    ),
]
NamespaceOption = Annotated[
    str | None,
    typer.Option(
        "--namespace",
        "-n",
        help="Namespace of the objects. Default: that of the context, else the server's.",
        metavar="NAME",
    ),
]
OutputOption = Annotated[
    Output, typer.Option("--output", "-o", help="Format of the result, and of errors.")
]
ColorOption = Annotated[
    bool,
    typer.Option("--no-color", help="Print plain text. The variable NO_COLOR does the same."),
]


def _common(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=default, annotation=annotation)


COMMON: Final = {
    "context": _common("context", ContextOption, None),
    "namespace": _common("namespace", NamespaceOption, None),
    "output": _common("output", OutputOption, Output.TABLE),
    "no_color": _common("no_color", ColorOption, default=False),
}


def command(
    app: typer.Typer,
    name: str,
    *,
    examples: tuple[str, ...],
    namespaced: bool = True,
    hidden: bool = False,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that registers a function as a command.

    Args:
        app: the group of the command.
        name: its name.
        examples: command lines, for ``--help``.
        namespaced: True for the option ``--namespace``.
        hidden: True to leave the command out of ``--help``.

    The function's first parameter is the `Call`; the others are the command's own, as for typer.
    """

    def register(function: Callable[..., None]) -> Callable[..., None]:
        _, *own = inspect.signature(function, eval_str=True).parameters.values()
        shared = [it for key, it in COMMON.items() if namespaced or key != "namespace"]

        @functools.wraps(function)
        def run(**values: Any) -> None:
            call = Call(
                context_name=values.pop("context"),
                namespace=values.pop("namespace", None),
                output=values.pop("output"),
            )
            call.terminal = Terminal.of_environment(
                color=not values.pop("no_color"), json_errors=call.output is Output.JSON
            )
            finish(call.terminal, functools.partial(function, call, **values))

        run.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
        run.__annotations__ = {it.name: it.annotation for it in (*own, *shared)}
        lines = "\n".join(f"  {example}" for example in examples)
        app.command(
            name,
            help=inspect.getdoc(function),
            epilog=f"\b\nExamples:\n{lines}" if examples else None,
            hidden=hidden,
            context_settings=CONTEXT_SETTINGS,
        )(run)
        return function

    return register


def group(app: typer.Typer, name: str, help_: str) -> typer.Typer:
    """Return a new group of commands of ``app``."""
    made = typer.Typer(
        help=help_, no_args_is_help=True, rich_markup_mode=None, context_settings=CONTEXT_SETTINGS
    )
    app.add_typer(made, name=name)
    return made


def finish(terminal: Terminal, run: Callable[[], None]) -> None:
    """Run a command to its end; print its error, and exit with its status.

    Raises:
        typer.Exit: the command failed or was interrupted.
    """
    try:
        run()
        sys.stdout.flush()
    except KeyboardInterrupt as error:
        terminal.note("")
        raise typer.Exit(ExitCode.INTERRUPTED) from error
    except BrokenPipeError as error:
        # The reader of the output left, as `head` does. Python would complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(ExitCode.FAILED) from error
    except typer.Exit:
        raise
    except Exception as error:
        if os.environ.get("WEGENT_DEBUG") == "1":
            raise
        known = described(error) or CliError(
            f"unexpected {type(error).__name__}: {error}",
            "run the command again with WEGENT_DEBUG=1, and report the output",
        )
        terminal.error(known)
        raise typer.Exit(known.code) from error
