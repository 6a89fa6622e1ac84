"""``get`` and ``delete``: objects of all kinds, as kubectl does."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from wegent_cli.call import Call, Output, command
from wegent_cli.completion import complete_name
from wegent_cli.documents import name_of, show
from wegent_cli.errors import CliError, described, usage
from wegent_cli.kinds import ALL, USER_FACING, kind_and_names, kind_named
from wegent_crds.registry import API_VERSION, Kind


def register(app: typer.Typer) -> None:
    """Register the commands."""
    command(
        app,
        "get",
        examples=(
            "wegent get bots",
            "wegent get wegent -A",
            "wegent get task hello -o yaml",
            "wegent get tasks --field-selector status.phase=Failed",
        ),
    )(get)
    command(
        app,
        "delete",
        examples=("wegent delete bot reviewer", "wegent delete task/first task/second"),
    )(delete)


Words = Annotated[
    list[str],
    typer.Argument(
        help="KIND [NAME...] or KIND/NAME...",
        metavar="KIND [NAME]...",
        autocompletion=complete_name,
    ),
]


def get(
    call: Call,
    words: Words,
    *,
    all_namespaces: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="All your namespaces.")
    ] = False,
    selector: Annotated[
        str | None, typer.Option("--selector", "-l", help="Select by labels.")
    ] = None,
    field_selector: Annotated[
        str | None, typer.Option("--field-selector", help="Select by fields.")
    ] = None,
    show_managed_fields: Annotated[
        bool, typer.Option("--show-managed-fields", help="Keep them in JSON and YAML.")
    ] = False,
) -> None:
    """Show objects of a kind, or of all kinds: `wegent`."""
    kind_name, names = kind_and_names(words)
    kinds = USER_FACING if kind_name.lower() == ALL else (kind_named(kind_name),)
    if names and (len(kinds) > 1 or all_namespaces or selector or field_selector):
        raise usage("names go with one kind, without -A and without selectors")
    if names:
        get_one = call.client.raw.get
        bodies = [get_one(kinds[0].plural, name, call.default_namespace) for name in names]
        found = {kinds[0]: bodies}
    else:
        namespace = "*" if all_namespaces else call.default_namespace
        found = {
            kind: list(
                call.client.raw.list(
                    kind.plural, namespace, label_selector=selector, field_selector=field_selector
                )
            )
            for kind in kinds
        }
    if not show_managed_fields:
        found = {kind: _without_managers(bodies) for kind, bodies in found.items()}
    _show_objects(call, found, single=len(names) == 1, namespaces=all_namespaces)


def _without_managers(bodies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return objects without their ``managedFields``, which kubectl leaves out too."""
    return [
        {
            **body,
            "metadata": {key: it for key, it in body["metadata"].items() if key != "managedFields"},
        }
        for body in bodies
    ]


def _show_objects(
    call: Call,
    found: dict[Kind, list[dict[str, Any]]],
    *,
    single: bool,
    namespaces: bool,
) -> None:
    bodies = [body for of_kind in found.values() for body in of_kind]
    listed = {"apiVersion": "v1", "kind": "List", "items": bodies}
    value = bodies[0] if single else listed

    def human() -> None:
        if not bodies:
            call.terminal.note("No objects found.")
        present = {kind: of_kind for kind, of_kind in found.items() if of_kind}
        for number, (kind, of_kind) in enumerate(present.items()):
            if number:
                call.terminal.line()
            print_table(call, kind, of_kind, namespaces=namespaces, prefix=len(present) > 1)

    show(call, value, human)


def print_table(
    call: Call,
    kind: Kind,
    bodies: Sequence[dict[str, Any]],
    *,
    namespaces: bool = False,
    prefix: bool = False,
) -> None:
    """Print objects of one kind as a table; ``prefix`` puts the kind before each name."""
    from wegent_cli.columns import rows_of  # noqa: PLC0415
    from wegent_cli.tables import table  # noqa: PLC0415

    if prefix:
        bodies = [
            {**body, "metadata": {**body["metadata"], "name": _prefixed(kind, body)}}
            for body in bodies
        ]
    wide = call.output is Output.WIDE
    heads, rows = rows_of(kind, bodies, datetime.now(UTC), wide=wide, namespaces=namespaces)
    width = None if wide else call.terminal.width
    for line in table(heads, rows, width, kept=2 if namespaces else 1):
        call.terminal.line(line)


def _prefixed(kind: Kind, body: dict[str, Any]) -> str:
    return f"{kind.singular}/{body['metadata']['name']}"


def delete(call: Call, words: Words) -> None:
    """Delete objects. They stay in the trash for 30 days by default: `wegent trash list`."""
    kind_name, names = kind_and_names(words)
    kind = kind_named(kind_name)
    if not names:
        raise usage("the name is missing", f"for example: {kind.singular}/NAME")
    deleted: list[dict[str, Any]] = []
    failed: CliError | None = None
    for name in names:
        try:
            call.client.raw.delete(kind.plural, name, call.default_namespace)
        except Exception as error:
            known = described(error)
            if known is None or len(names) == 1:
                raise
            call.terminal.error(known)
            failed = known
            continue
        deleted.append({"apiVersion": API_VERSION, "kind": kind.kind, "metadata": {"name": name}})
    if call.output is not Output.TABLE or deleted:
        show(call, {"items": deleted}, lambda: _say(call, deleted, "deleted"))
    if failed is not None:
        raise CliError(
            f"{len(names) - len(deleted)} of {len(names)} objects were not deleted",
            "the messages above name the reasons",
            failed.code,
        )


def _say(call: Call, bodies: Iterable[dict[str, Any]], verb: str) -> None:
    for body in bodies:
        call.terminal.line(f"{name_of(body)} {verb}")
