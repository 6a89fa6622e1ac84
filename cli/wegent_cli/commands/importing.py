"""``import``: documents and databases of the original Wegent."""

import os
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from wegent_cli.call import Call, Output, command
from wegent_cli.errors import CliError, ExitCode, usage

if TYPE_CHECKING:
    from wegent_sdk import Client


class Tasks(StrEnum):
    """Values of ``--tasks``."""

    NONE = "none"
    PENDING = "pending"


def register(app: typer.Typer) -> None:
    """Register the command."""
    command(
        app,
        "import",
        namespaced=False,
        examples=(
            "wegent import init_data/ > objects.yaml",
            "wegent import agents.yaml --apply --map-namespace default=platform",
            "wegent import export.ndjson --create-namespaces --secrets file=secrets.yaml",
            "wegent import --from https://old.example.com --apply",
        ),
    )(import_)


def import_(  # noqa: PLR0913 - one for each decision about an import
    call: Call,
    paths: Annotated[
        list[str] | None, typer.Argument(help="Files, directories, or - for stdin.", metavar="PATH")
    ] = None,
    *,
    from_url: Annotated[str, typer.Option("--from", help="A running Wegent.", metavar="URL")] = "",
    token: Annotated[
        str,
        typer.Option(
            "--token",
            help="Token for --from. Others on this machine may see it; WEGENT_IMPORT_TOKEN is"
            " hidden.",
            metavar="TOKEN",
        ),
    ] = "",
    map_namespace: Annotated[
        list[str] | None,
        typer.Option("--map-namespace", help="Put namespace A's objects into B.", metavar="A=B"),
    ] = None,
    default_model: Annotated[
        str, typer.Option("--default-model", help="Model of Bots that name none.", metavar="NAME")
    ] = "",
    create_namespaces: Annotated[
        bool, typer.Option("--create-namespaces", help="Make the namespaces too.")
    ] = False,
    secrets: Annotated[
        str,
        typer.Option(
            "--secrets",
            help="Keys and tokens: apply, file=F or skip. Default: apply with --apply, else skip.",
            metavar="MODE",
        ),
    ] = "",
    tasks: Annotated[Tasks, typer.Option("--tasks", help="Tasks to import.")] = Tasks.NONE,
    expand_templates: Annotated[
        bool, typer.Option("--expand-templates", help="Import the objects of Templates.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 if any value is lost or exposed.")
    ] = False,
    apply: Annotated[
        bool, typer.Option("--apply", help="Apply the objects, and store the secrets.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --apply: check everything, store nothing.")
    ] = False,
) -> None:
    """Convert objects of the original Wegent, and print or apply them.

    The objects go to stdout, and the report to stderr.
    """
    from wegent_import.command import Request, UsageError, run  # noqa: PLC0415 - takes 0.3 s
    from wegent_import.remote import RemoteError, TokenRefusedError  # noqa: PLC0415

    if call.output not in {Output.TABLE, Output.JSON}:
        raise usage(
            f"-o {call.output.value}: an import prints its objects as YAML",
            "leave -o out; -o json prints the report as JSON",
        )

    def server() -> "Client":
        return call.client

    request = Request(
        paths=paths or (),
        from_url=from_url,
        token=token,
        map_namespace=map_namespace or (),
        default_model=default_model,
        create_namespaces=create_namespaces,
        secrets=secrets,
        tasks=tasks.value,
        expand_templates=expand_templates,
        strict=strict,
        apply=apply,
        dry_run=dry_run,
        report_json=call.output is Output.JSON,
    )
    try:
        code = run(request, os.environ, sys.stdout, sys.stderr, server)
    except UsageError as error:
        raise usage(str(error), "see `wegent import --help`") from None
    except TokenRefusedError as error:
        raise CliError(str(error), "set WEGENT_IMPORT_TOKEN", ExitCode.LOGIN) from None
    except RemoteError as error:
        raise CliError(str(error), "", ExitCode.UNREACHABLE) from None
    if code:
        raise typer.Exit(code)
