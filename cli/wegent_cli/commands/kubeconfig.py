"""``kubeconfig`` and ``credential``: kubectl with the login of the CLI."""

import os
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from wegent_cli.call import Call, command
from wegent_cli.config import config_path, write_private
from wegent_cli.credential import exec_credential, requested_version
from wegent_cli.errors import CliError, ExitCode, usage
from wegent_cli.kubeconfig import cluster_of, entries, entry_name, merged, plugin
from wegent_cli.terminal import Style
from wegent_crds.reading import YAML_VALUE_FAULTS


def register(app: typer.Typer) -> None:
    """Register the commands."""
    command(
        app,
        "kubeconfig",
        examples=(
            "wegent kubeconfig",
            "wegent kubeconfig --file ./wegent.kubeconfig",
            "wegent kubeconfig --print",
        ),
    )(kubeconfig)
    command(
        app,
        "credential",
        examples=("wegent credential --context wegent.example.com",),
        namespaced=False,
    )(credential)


def kubeconfig(
    call: Call,
    *,
    file: Annotated[
        Path | None,
        typer.Option("--file", help="File to write. Default: $KUBECONFIG, else ~/.kube/config."),
    ] = None,
    print_: Annotated[
        bool, typer.Option("--print", help="Print a kubeconfig, and write no file.")
    ] = False,
    keep_current: Annotated[
        bool, typer.Option("--keep-current", help="Leave kubectl's current context as it is.")
    ] = False,
) -> None:
    """Give kubectl the login of this context.

    Adds a cluster, a user and a context to the kubeconfig. kubectl then asks `wegent credential`
    for a token, so that it works for as long as the login does.
    """
    import yaml  # noqa: PLC0415

    context = call.context
    if not context.url or not any(it.name == context.name for it in call.config.contexts):
        raise CliError("this context has no login", "log in: wegent login URL", ExitCode.LOGIN)
    cluster, namespace = cluster_of(_answered(call))
    name = entry_name(context.name)
    config = str(config_path().resolve()) if os.environ.get("WEGENT_CONFIG") else ""
    if not config and os.environ.get("XDG_CONFIG_HOME"):
        config = str(config_path().resolve())
    exec_ = plugin(_program(), context.name, config)
    new = entries(name, cluster, exec_, call.default_namespace or namespace)
    if print_:
        call.terminal.write(yaml.safe_dump(merged(None, new, make_current=True), sort_keys=False))
        return
    path = file or _default_file()
    try:
        existing = yaml.safe_load(path.read_bytes()) if path.exists() else None
    except OSError as error:
        raise usage(f"{path}: {error.strerror}", "name another file: --file PATH") from error
    except (yaml.YAMLError, *YAML_VALUE_FAULTS) as error:
        # YAML's message has an excerpt, and a kubeconfig has tokens.
        mark = getattr(error, "problem_mark", None)
        at = f", line {mark.line + 1}" if mark else ""
        remedy = "correct the file, or name another one: --file PATH"
        raise usage(f"{path}{at}: this is not valid YAML", remedy) from error
    document = merged(existing, new, make_current=not keep_current)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, yaml.safe_dump(document, sort_keys=False, allow_unicode=True))
    except OSError as error:
        raise usage(f"{path}: {error.strerror}", "name another file: --file PATH") from error
    call.terminal.note(f"kubectl has the context {name} now, in {path}.", Style.GOOD)
    if document["current-context"] == name:
        call.terminal.note("It is the current one: try `kubectl get wegent`.")
    else:
        call.terminal.note(f"Use it with: kubectl --context {name} get wegent")


def _answered(call: Call) -> Any:
    """Return the kubeconfig that the REST API answers, decoded."""
    import yaml  # noqa: PLC0415

    try:
        return yaml.safe_load(call.client.kubeconfig())
    except (yaml.YAMLError, *YAML_VALUE_FAULTS) as error:
        raise CliError("the server's kubeconfig is not valid YAML") from error


def _default_file() -> Path:
    first = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    return Path(first) if first else Path("~/.kube/config").expanduser()


def _program() -> str:
    """Return the command by which kubectl finds this program: its name on the path, or its path."""
    own = Path(sys.argv[0]).resolve()
    found = shutil.which("wegent")
    if found is not None and Path(found).resolve() == own:
        return "wegent"
    beside = own.with_name("wegent")  # of `kubectl-wegent`
    return str(beside if beside.exists() else own)


def credential(call: Call) -> None:
    """Print a token for kubectl, renewed if needed. kubectl calls this by itself."""
    token, expires_at = call.session.fresh_token()
    version = requested_version(os.environ.get("KUBERNETES_EXEC_INFO"))
    now = datetime.now(UTC)
    text = exec_credential(token, expires_at, api_version=version, now=now)
    call.terminal.write(f"{text}\n")
