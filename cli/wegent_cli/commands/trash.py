"""``trash``: deleted objects, and their restoration."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from wegent_cli.call import Call, command, group
from wegent_cli.documents import name_of, show
from wegent_cli.errors import CliError, ExitCode, usage
from wegent_cli.kinds import kind_and_name
from wegent_cli.tables import table
from wegent_cli.text import age, duration, moment
from wegent_crds.registry import TOMBSTONE


def register(app: typer.Typer) -> None:
    """Register the commands."""
    trash = group(app, "trash", "Show deleted objects, and restore them.")
    command(trash, "list", examples=("wegent trash list", "wegent trash list -A"))(list_)
    command(
        trash,
        "restore",
        examples=("wegent trash restore ghost/writer", "wegent trash restore ghost-0d1f1f6c-3a9c"),
    )(restore)


def list_(
    call: Call,
    *,
    all_namespaces: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="All your namespaces.")
    ] = False,
) -> None:
    """List deleted objects, the newest first."""
    namespace = "*" if all_namespaces else call.default_namespace
    items = list(call.client.raw.list(TOMBSTONE.plural, namespace))
    items.sort(key=lambda it: str(it.get("spec", {}).get("deletedAt", "")), reverse=True)

    def human() -> None:
        if not items:
            call.terminal.note("The trash is empty.")
            return
        now = datetime.now(UTC)
        first = ["Namespace"] if all_namespaces else []
        heads = [*first, "Object", "Deleted", "Kept for", "Name"]
        rows = []
        for it in items:
            spec, metadata = it.get("spec") or {}, it["metadata"]
            end = moment(spec.get("expiresAt"))
            rows.append(
                [
                    *([metadata["namespace"]] if all_namespaces else []),
                    f"{str(spec.get('kind', '')).lower()}/{spec.get('name', '')}",
                    age(spec.get("deletedAt"), now),
                    duration((end - now).total_seconds()) if end else "",
                    metadata["name"],
                ]
            )
        for line in table(heads, rows, call.terminal.width, kept=len(heads) - 3):
            call.terminal.line(line)

    show(call, {"apiVersion": "v1", "kind": "List", "items": items}, human)


def restore(
    call: Call,
    words: Annotated[
        list[str],
        typer.Argument(help="KIND/NAME of the object, or the name in the trash.", metavar="OBJECT"),
    ],
) -> None:
    """Restore a deleted object, with its spec, labels and creator."""
    name = words[0] if len(words) == 1 and "/" not in words[0] else _newest(call, words)
    restored = call.client.trash.restore(name, call.default_namespace)
    if restored is None:
        call.terminal.note(f"The operator restores {name} now.")
        return
    body = restored.model_dump(mode="json", by_alias=True, exclude_unset=True)
    show(call, body, lambda: call.terminal.line(f"{name_of(body)} restored"))


def _newest(call: Call, words: list[str]) -> str:
    """Return the name of the newest Tombstone of an object.

    Raises:
        CliError: the trash has none of it.
    """
    if not words:
        raise usage("the object is missing", "for example: wegent trash restore ghost/writer")
    kind, name = kind_and_name(words)
    found = list(
        call.client.raw.list(
            TOMBSTONE.plural,
            call.default_namespace,
            field_selector=f"spec.kind={kind.kind},spec.name={name}",
        )
    )
    if not found:
        raise CliError(
            f"the trash has no {kind.singular}/{name}",
            "list it: wegent trash list -A",
            ExitCode.NOT_FOUND,
        )
    newest = max(found, key=lambda it: str(it["spec"].get("deletedAt", "")))
    return str(newest["metadata"]["name"])
