"""``apply``: objects of files, as ``kubectl apply --server-side`` does."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from wegent_cli.call import Call, Output, command
from wegent_cli.documents import show
from wegent_cli.errors import CliError, ExitCode, described, usage
from wegent_cli.terminal import Style

if TYPE_CHECKING:
    from wegent_sdk import Applied

SUFFIXES: Final = (".yaml", ".yml", ".json")
MAX_BYTES: Final = 16 << 20
"""Of all files together. The API takes 1.5 MiB in one request."""


def register(app: typer.Typer) -> None:
    """Register the command."""
    command(
        app,
        "apply",
        examples=(
            "wegent apply -f team.yaml",
            "wegent apply -f agents/ --recursive -n platform-team",
            "cat bot.yaml | wegent apply -f - --dry-run",
        ),
    )(apply)


def apply(
    call: Call,
    *,
    files: Annotated[
        list[str],
        typer.Option("--filename", "-f", help="File, directory, or - for stdin.", metavar="PATH"),
    ],
    recursive: Annotated[
        bool, typer.Option("--recursive", "-R", help="Read directories in directories.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, and store nothing.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force-conflicts", help="Take over fields of others.")
    ] = False,
    validate_refs: Annotated[
        bool,
        typer.Option(
            "--validate-refs/--no-validate-refs", help="Refuse references to missing objects."
        ),
    ] = True,
) -> None:
    """Create objects, or change them to what files say. The order does not matter.

    Results are shown as they come, those of referents first.
    """
    given = texts(files, recursive=recursive)
    manifests = [it for text, where in given for it in read(text, where)]
    if not manifests:
        raise usage("the files have no objects", "name files with objects of Wegent's kinds")
    applied: list[Applied] = []
    live = call.output in {Output.TABLE, Output.WIDE}
    cut = None
    try:
        for it in call.client.apply_each(
            manifests,
            namespace=call.default_namespace,
            dry_run=dry_run,
            force=force,
            validate_refs=validate_refs,
        ):
            applied.append(it)
            if live:
                _print(call, _as_json(it), " (dry run)" if dry_run else "")
    except Exception as error:
        cut = described(error)
        if cut is None or not applied:
            raise
    items = [_as_json(it) for it in sorted(applied, key=lambda it: it.index)]
    failed = [it for it in items if it["result"] == "failed"]
    if not live:
        show(call, {"items": items, "failed": len(failed)}, lambda: None)
    if cut:
        _print_failures(call, failed)
        done = f"{len(items) - len(failed)} of {len(manifests)} objects are applied"
        raise replace(cut, message=f"{done}, and then: {cut.message}")
    if failed:
        _fail(call, failed, len(items))


def _print(call: Call, item: Mapping[str, Any], suffix: str) -> None:
    """Print the result for one object; a failure comes at the end."""
    if item["result"] != "failed":
        style = None if item["result"] == "unchanged" else Style.GOOD
        name = f"{str(item['kind']).lower()}/{item['name']}"
        call.terminal.line(f"{name} {item['result']}{suffix}", style)
    for warning in item.get("warnings") or ():
        call.terminal.note(f"warning: {item['name']}: {warning}", Style.CAUTION)


def _print_failures(call: Call, failed: Sequence[Mapping[str, Any]]) -> None:
    """Print the reason of each failure, unless the result has it."""
    if not call.is_structured:
        for item in failed:
            name = f"{str(item['kind']).lower()}/{item['name']}"
            call.terminal.note(f"error: {name}: {item['message']}", Style.BAD)


def _fail(call: Call, failed: list[dict[str, Any]], total: int) -> None:
    """Print the reason of each failure, and fail.

    Raises:
        CliError: always.
    """
    _print_failures(call, failed)
    code = {403: ExitCode.FORBIDDEN, 404: ExitCode.NOT_FOUND, 409: ExitCode.CONFLICT}
    codes = {code.get(item["code"], ExitCode.FAILED) for item in failed}
    raise CliError(
        f"{len(failed)} of {total} objects were not applied",
        "correct them and apply the files again; the others are applied",
        codes.pop() if len(codes) == 1 else ExitCode.FAILED,
    )


def _as_json(applied: "Applied") -> dict[str, Any]:
    error = applied.error
    known = described(error) if error else None
    return {
        "kind": applied.kind,
        "namespace": applied.namespace,
        "name": applied.name,
        "result": applied.result,
        "message": known.message if known else "",
        "code": error.status if error else 0,
        "warnings": list(applied.warnings),
    }


def texts(names: list[str], *, recursive: bool = False) -> list[tuple[bytes, str]]:
    """Return the content of files, directories and stdin, each with a name for messages.

    Raises:
        CliError: a file can't be read, a directory has none, or they are too long.
    """
    found: list[tuple[bytes, str]] = []
    room = MAX_BYTES
    for name in names:
        for where in [name] if name == "-" else _files(Path(name), recursive=recursive):
            try:
                if where == "-":
                    data = sys.stdin.buffer.read(room + 1)
                else:
                    with Path(where).open("rb") as file:
                        data = file.read(room + 1)
            except OSError as error:
                raise usage(f"{where}: {error.strerror}", "check the path") from error
            room -= len(data)
            if room < 0:
                raise usage(f"the files have more than {MAX_BYTES} bytes", "apply them in parts")
            found.append((data, "stdin" if where == "-" else where))
    return found


def _files(path: Path, *, recursive: bool) -> list[str]:
    if not path.is_dir():
        return [str(path)]
    entries = sorted(path.rglob("*") if recursive else path.iterdir())
    files = [str(it) for it in entries if it.suffix in SUFFIXES and it.is_file()]
    if not files:
        raise usage(
            f"{path} has no files that end with {', '.join(SUFFIXES)}",
            "name another directory, or use --recursive",
        )
    return files


def read(data: bytes, where: str) -> list[dict[str, Any]]:
    """Return the objects of one file of YAML or JSON. Lists are replaced by their items.

    Raises:
        CliError: it is not valid, or holds something else than objects.
    """
    import yaml  # noqa: PLC0415

    from wegent_sdk.plain import TooLargeError, documents  # noqa: PLC0415

    try:
        values = documents(data)
    except TooLargeError as error:
        raise usage(f"{where}: a document can't be read: {error}", "split the file") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f" line {mark.line + 1}, column {mark.column + 1}:" if mark else ""
        words = getattr(error, "problem", None) or str(error)
        raise usage(f"{where}:{at} this is not valid YAML: {words}", "correct the file") from error
    found: list[dict[str, Any]] = []
    for document in values:
        if document is None:
            continue
        if isinstance(document, dict) and str(document.get("kind", "")).endswith("List"):
            items = document.get("items") or []
        else:
            items = document if isinstance(document, list) else [document]
        found += [_checked(item, where) for item in items]
    return found


def _checked(item: Any, where: str) -> dict[str, Any]:
    """Return an object that can be applied.

    Raises:
        CliError: it has no kind or no name.
    """
    if not isinstance(item, dict) or not item.get("kind") or not item.get("apiVersion"):
        raise usage(f"{where}: an object without apiVersion and kind", "add apiVersion and kind")
    metadata = item.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str) or not name:
        raise usage(
            f"{where}: metadata.name of a {item['kind']} is missing, or is no text",
            "add metadata.name; a name of digits needs quotes",
        )
    return item
