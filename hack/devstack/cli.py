"""``python -m devstack``: the commands behind the Makefile's targets."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from devcluster.binaries import Programs
from devcluster.checkout import CHECKOUT
from devcluster.errors import ClusterError
from devcluster.progress import say
from devcluster.run_group import EXIT_CODES, FAILURE, OK, run_group, state_option
from devcluster.state import PROVIDERS
from devstack.admin import Login, log_in
from devstack.ask import answer
from devstack.settings import unknown
from devstack.stack import Stack

STATE: Final = CHECKOUT / ".dev"
EPILOG: Final = f"""\
\b
Environment variables of `up`:
  KUBECONFIG                   the cluster of `--provider existing`
  WEGENT_API_PORT              port of the REST API (8000)
  WEGENT_OPERATOR_LISTEN_PORT  port of the operator's health and metrics (8081)
  WEGENT_RUNNER_LISTEN_PORT    port of the runner's streams, health and metrics (8082)
  WEGENT_DEMO_MODEL_PORT       port of the demo model (8083)
  WEGENT_DEMO_MODEL_ENABLED    false: no demo model
  WEGENT_API_*                 settings of the API proxy: python -m wegent_api --help
  WEGENT_OPERATOR_*            settings of the operator: python -m wegent_operator --help
  WEGENT_RUNNER_*              settings of the runner: python -m wegent_runner --help

{EXIT_CODES}"""
WELCOME: Final = """
Wegent is up.
  API        {url}       (try it in the browser: {url}/docs)
  kubectl    export KUBECONFIG={kubeconfig}
  admin      {admin}

First commands:
{path}  export KUBECONFIG={kubeconfig}
  kubectl apply -f examples/
  kubectl get wegent -A
  TOKEN=$(make -s token)
  curl -s {url}/api/v1/kinds/ghosts -H "Authorization: Bearer $TOKEN"

`make down` stops it and keeps the data, `make clean` removes the data too.{demo}"""

DEMO: Final = (
    "\n\nA Team answers on a small language model that runs here. Ask it:"
    '\n  make ask PROMPT="What is the capital of France?"'
)
"""The last lines, which can be copied and run."""


the_stack = click.make_pass_decorator(Stack)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    interrupted = "`make status` shows the state, `make down` stops it"
    return run_group(devstack, name="wegent", interrupted=interrupted, arguments=arguments)


@click.group(epilog=EPILOG)
@state_option(STATE, "Directory of everything.")
@click.pass_context
def devstack(context: click.Context, state: Path) -> None:
    """All of Wegent on this machine."""
    context.obj = stack = Stack(state, os.environ)
    lines = unknown(os.environ)
    if context.invoked_subcommand != "up":
        lines += stack.settings.differing(os.environ)
    for line in lines:
        say(f"wegent: {line}")
    wanted, current = os.environ.get("CLUSTER"), stack.cluster.provider()
    if wanted and wanted not in PROVIDERS:
        raise ClusterError(
            f"CLUSTER={wanted} is not a kind of cluster; choose one of {', '.join(PROVIDERS)}."
            f" The default is that of the existing cluster, else {next(iter(PROVIDERS))}"
        )
    if wanted and current not in {None, wanted}:
        raise ClusterError(
            f"CLUSTER={wanted}, but this checkout works with a cluster of the kind {current}:"
            " omit CLUSTER, or run `make clean` without CLUSTER first"
        )


@devstack.command()
@click.option("--provider", type=click.Choice([*PROVIDERS]), help="The kind (default: as before).")
@the_stack
def up(stack: Stack, provider: str | None) -> None:
    """Bring up all parts that are not."""
    login = stack.up(provider or os.environ.get("CLUSTER") or None)
    print(
        WELCOME.format(
            url=stack.api.url,
            kubeconfig=stack.cluster.kubeconfig(),
            admin=_show(login),
            path=_path_of_kubectl(),
            demo=DEMO if stack.demo_model.daemon.running() else "",
        )
    )


@devstack.command()
@the_stack
def down(stack: Stack) -> None:
    """Stop it and keep the data."""
    stack.down()
    print("Wegent is down; its data is kept until `make clean`.")


@devstack.command()
@the_stack
def clean(stack: Stack) -> None:
    """Stop it and remove the data."""
    stack.clean()
    print("Wegent is down, and the development cluster's data is gone.")


@devstack.command()
@the_stack
def uninstall(stack: Stack) -> None:
    """Take Wegent out of the cluster; users' objects stay."""
    if not stack.uninstall():
        print("There is no cluster, and so nothing to take Wegent out of.")
        return
    print(
        "Wegent's programs, roles and policies are gone. Users' objects stay, and can be deleted;"
        "\n`kubectl delete -f crds/` deletes all of them with their kinds."
    )


@devstack.command()
@the_stack
def status(stack: Stack) -> int:
    """Tell which parts run."""
    running, lines = stack.status()
    print("\n".join(lines))
    return OK if running else FAILURE


@devstack.command()
@the_stack
def kubeconfig(stack: Stack) -> None:
    """Print the path of the cluster's kubeconfig."""
    print(stack.cluster.kubeconfig())


@devstack.command("admin-login")
@the_stack
def admin_login(stack: Stack) -> None:
    """Print the first admin's name and password."""
    print(*stack.login())


@devstack.command()
@the_stack
def token(stack: Stack) -> None:
    """Log the first admin in and print the token."""
    print(log_in(stack.api.url, stack.login()))


@devstack.command()
@click.argument("prompt")
@the_stack
def ask(stack: Stack, prompt: str) -> None:
    """Give the demo's Team a Task and print the answer while it is written."""
    api = stack.api.url
    for text in answer(api, log_in(api, stack.login()), prompt):
        print(text, end="", flush=True)
    print()


def _path_of_kubectl() -> str:
    if shutil.which("kubectl"):
        return ""
    kubectl = Programs.of_this_machine().ensure(["kubectl"])["kubectl"]
    return f"  export PATH={kubectl.parent}:$PATH\n"


def _show(login: Login | None) -> str:
    if login is None:
        return "created by another checkout; ask the cluster's administrator"
    return f"{login.name}   password {login.password}   (again: make admin-login)"
