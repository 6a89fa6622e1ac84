"""``python -m devstack``: the commands behind the Makefile's targets."""

import argparse
import os
import shutil
import signal
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Final

from devcluster.binaries import Programs
from devcluster.checkout import CHECKOUT
from devcluster.command_line import FAILURE, OK, exit_code_of, parser_of
from devcluster.errors import ClusterError
from devcluster.progress import say
from devcluster.state import PROVIDERS
from devstack.admin import Login, log_in
from devstack.settings import unknown
from devstack.stack import Stack

STATE: Final = CHECKOUT / ".dev"
EPILOG: Final = """\
environment variables of `up`:
  KUBECONFIG
      the cluster of `--provider existing`
  WEGENT_API_PORT
      port of the REST API (default: 8000)
  WEGENT_OPERATOR_LISTEN_PORT
      port of the operator's health and metrics (default: 8081)
  WEGENT_API_*, WEGENT_OPERATOR_*
      the programs' other settings: `python -m wegent_api --help` lists them

exit codes: 0 done, 1 failed or not up, 2 wrong usage, 130 interrupted"""
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

`make down` stops it and keeps the data, `make clean` removes the data too."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    command: Callable[[Stack, argparse.Namespace], int] = options.command

    def run() -> int:
        stack = Stack(options.state, os.environ)
        _check_environment(stack, options)
        return command(stack, options)

    left = "`make status` shows the state, `make down` stops it"
    return exit_code_of("wegent", run, interrupted=left)


def _check_environment(stack: Stack, options: argparse.Namespace) -> None:
    """Refuse a cluster that isn't this checkout's, and print the settings that are left out.

    Raises:
        ClusterError: CLUSTER names no kind of cluster, or another kind than this checkout's.
    """
    lines = unknown(os.environ)
    if options.command is not _up:
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
            f" omit CLUSTER, or run `make clean` without CLUSTER first"
        )


def _up(stack: Stack, options: argparse.Namespace) -> int:
    login = stack.up(options.provider or os.environ.get("CLUSTER") or None)
    print(
        WELCOME.format(
            url=stack.api.url,
            kubeconfig=stack.cluster.kubeconfig(),
            admin=_show(login),
            path=_path_of_kubectl(),
        )
    )
    return OK


def _path_of_kubectl() -> str:
    if shutil.which("kubectl"):
        return ""
    kubectl = Programs.of_this_machine().ensure(["kubectl"])["kubectl"]
    return f"  export PATH={kubectl.parent}:$PATH\n"


def _show(login: Login | None) -> str:
    if login is None:
        return "created by another checkout; ask the cluster's administrator"
    return f"{login.name}   password {login.password}   (again: make admin-login)"


def _down(stack: Stack, _: argparse.Namespace) -> int:
    stack.down()
    print("Wegent is down; its data is kept until `make clean`.")
    return OK


def _clean(stack: Stack, _: argparse.Namespace) -> int:
    stack.clean()
    print("Wegent is down, and the development cluster's data is gone.")
    return OK


def _uninstall(stack: Stack, _: argparse.Namespace) -> int:
    if not stack.uninstall():
        print("There is no cluster, and so nothing to take Wegent out of.")
        return OK
    print(
        "Wegent's programs, roles and policies are gone. Users' objects stay, and can be deleted;"
        "\n`kubectl delete -f crds/` deletes all of them with their kinds."
    )
    return OK


def _status(stack: Stack, _: argparse.Namespace) -> int:
    running, lines = stack.status()
    print("\n".join(lines))
    return OK if running else FAILURE


def _kubeconfig(stack: Stack, _: argparse.Namespace) -> int:
    print(stack.cluster.kubeconfig())
    return OK


def _admin_login(stack: Stack, _: argparse.Namespace) -> int:
    print(*stack.login())
    return OK


def _token(stack: Stack, _: argparse.Namespace) -> int:
    print(log_in(stack.api.url, stack.login()))
    return OK


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    description = "All of Wegent on this machine."
    parser = parser_of("devstack", description, EPILOG, state=STATE, contents="everything")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="start the cluster and the programs")
    up.set_defaults(command=_up)
    up.add_argument("--provider", choices=PROVIDERS, help="(default: as before)")
    for name, command, text in (
        ("down", _down, "stop it and keep the data"),
        ("clean", _clean, "stop it and remove the data"),
        ("uninstall", _uninstall, "take Wegent out of the cluster; users' objects stay"),
        ("status", _status, "show the state of cluster and programs"),
        ("kubeconfig", _kubeconfig, "print the path of the cluster's kubeconfig"),
        ("admin-login", _admin_login, "print the first admin's name and password"),
        ("token", _token, "log the first admin in and print the token"),
    ):
        commands.add_parser(name, help=text).set_defaults(command=command)
    return parser
