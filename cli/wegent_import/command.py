"""The command ``wegent import``, apart from its options' syntax.

Objects go to the standard output, and the report to the standard error. No value of a secret goes
to either.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from wegent_import.convert import Result, convert
from wegent_import.database import imported
from wegent_import.decrypt import DecryptError, decrypter
from wegent_import.files import Inputs, ReadError
from wegent_import.index import Index
from wegent_import.notes import exit_code
from wegent_import.options import OptionError, Options, TasksMode, model_key, namespace_map
from wegent_import.remote import Remote
from wegent_import.report import printable, summary, write_notes, write_secrets, yaml_of

if TYPE_CHECKING:
    from wegent_sdk import Client

FILE: Final = "file="
TOKEN_VARIABLE: Final = "WEGENT_IMPORT_TOKEN"  # noqa: S105 - the name of a variable


class UsageError(Exception):
    """The options don't fit together, or name something that is not there."""


@dataclass(frozen=True, slots=True)
class Request:
    """The options of one import, as the command line has them."""

    paths: Sequence[str] = ()
    from_url: str = ""
    token: str = ""
    map_namespace: Sequence[str] = ()
    default_model: str = ""
    create_namespaces: bool = False
    secrets: str = ""
    """``apply``, ``skip`` or ``file=F``; empty for ``apply`` with ``apply``, else ``skip``."""
    tasks: TasksMode = "none"
    expand_templates: bool = False
    strict: bool = False
    apply: bool = False
    dry_run: bool = False
    report_json: bool = False


def run(
    request: Request,
    environment: Mapping[str, str],
    out: TextIO,
    err: TextIO,
    server: "Callable[[], Client]",
) -> int:
    """Import, and return the exit code: 0 for all, 1 if something is left out or failed.

    ``server`` returns the client for ``--apply``, and is called for nothing else.

    Raises:
        UsageError: an option or a path is wrong. Nothing is written.
        RemoteError: the other Wegent can't be read. Nothing is written.
        WegentError: the server of ``--apply`` can't be reached, or refuses all.
    """
    options = _options(request, environment)
    mode = _secrets_mode(request)
    documents, result = _converted(request, environment, options)
    code = exit_code(result.notes, strict=request.strict)
    write_notes(result.notes, err, as_json=request.report_json)
    if mode.startswith(FILE) and result.secrets:
        path = Path(mode.removeprefix(FILE))
        try:
            write_secrets(result.secrets, path)
        except OSError as error:
            raise UsageError(f"--secrets {mode}: {error.strerror or error}") from None
        err.write(f"the secrets are in {path}: apply the file, and delete it\n")
    elif mode == "skip" and result.secrets:
        err.write("no secret is kept; use --secrets file=F, or --apply, to keep them\n")
    if request.apply:
        kept = result if mode == "apply" else replace(result, secrets=())
        code = max(code, _apply(kept, server(), out, err, dry_run=request.dry_run))
    else:
        out.write(yaml_of(result.objects) if result.objects else "")
    err.write(f"{documents} documents: {summary(result)}\n")
    return code


def _apply(result: Result, server: "Client", out: TextIO, err: TextIO, *, dry_run: bool) -> int:
    """Apply a result, write each outcome as it comes, and return the exit code.

    Raises:
        WegentError: the server can't be reached, or refuses all. The number of outcomes before is
            written.
    """
    from wegent_import.apply import apply  # noqa: PLC0415 - the SDK takes 0.2 s
    from wegent_sdk.errors import WegentError  # noqa: PLC0415

    done = failed = 0
    try:
        for outcome in apply(result, server, dry_run=dry_run):
            out.write(f"{printable(outcome.line())}\n")
            failed += outcome.result == "failed"
            done += outcome.result != "failed"
    except WegentError:
        err.write(f"{done} objects are applied; import again to apply the others\n")
        raise
    return int(failed > 0)


def _options(request: Request, environment: Mapping[str, str]) -> Options:
    try:
        return Options(
            namespaces=namespace_map(list(request.map_namespace)),
            default_model=model_key(request.default_model) if request.default_model else None,
            create_namespaces=request.create_namespaces,
            tasks=request.tasks,
            expand_templates=request.expand_templates,
            decrypt=decrypter(environment),
        )
    except (OptionError, DecryptError) as error:
        raise UsageError(str(error)) from None


def _secrets_mode(request: Request) -> str:
    mode = request.secrets or ("apply" if request.apply else "skip")
    if mode == "apply" and not request.apply:
        raise UsageError("--secrets apply needs --apply; without it, use file=F or skip")
    if mode not in {"apply", "skip"} and not (mode.startswith(FILE) and mode != FILE):
        raise UsageError(f"--secrets {mode}: use apply, skip or file=F")
    return mode


def _converted(
    request: Request, environment: Mapping[str, str], options: Options
) -> tuple[int, Result]:
    if bool(request.paths) == bool(request.from_url):
        raise UsageError("name files or folders, - for the standard input, or --from URL")
    inputs = Inputs()
    if request.from_url:
        token = request.token or environment.get(TOKEN_VARIABLE, "")
        documents, notes = Remote(request.from_url, token).read()
        inputs.documents += documents
        inputs.notes += notes
    try:
        inputs.read(request.paths)
    except ReadError as error:
        raise UsageError(str(error)) from None
    number = len(inputs.documents) + len(inputs.rows)
    if not number and not inputs.notes and not request.from_url:
        places = ", ".join(request.paths)
        raise UsageError(f"{places}: no documents found; name YAML, JSON, NDJSON or ZIP files")
    return number, converted(inputs, options)


def converted(inputs: Inputs, options: Options) -> Result:
    """Return the result of inputs: documents, and the rows of a database."""
    if not inputs.rows:
        result = convert(inputs.documents, options)
        return replace(result, notes=(*inputs.notes, *result.notes))
    mapped = Index((), options).mapped
    found = imported(inputs.rows, mapped, options.accounts_namespace)
    result = convert([*inputs.documents, *found.documents], options)
    # The operator makes the namespaces of groups itself.
    groups = {it["metadata"]["name"] for it in found.groups}
    others = [
        it
        for it in result.objects
        if it["kind"] != "Namespace" or it["metadata"]["name"] not in groups
    ]
    namespaces = [it for it in others if it["kind"] == "Namespace"]
    rest = [it for it in others if it["kind"] != "Namespace"]
    return Result(
        (*namespaces, *found.accounts, *found.groups, *rest),
        result.secrets,
        (*inputs.notes, *found.notes, *result.notes),
    )
