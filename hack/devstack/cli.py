"""``python -m devstack``: what the Makefile's targets run."""

import argparse
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Final

from devcluster.errors import ClusterError
from devcluster.progress import say
from devcluster.state import DEFAULT_PROVIDER, PROVIDERS
from devstack.admin import Login, log_in
from devstack.programs import CHECKOUT
from devstack.stack import Stack

STATE: Final = CHECKOUT / ".dev"
OK, FAILURE, INTERRUPTED = 0, 1, 130
WELCOME: Final = """
Wegent is up.
  API        {url}       (try it in the browser: {url}/docs)
  kubectl    export KUBECONFIG={kubeconfig}
  admin      {admin}

First commands:
  export KUBECONFIG={kubeconfig}
  kubectl apply -f examples/
  kubectl get wegent -A
  TOKEN=$(make -s token)
  curl -s {url}/api/v1/kinds/ghosts -H "Authorization: Bearer $TOKEN"

`make down` stops it and keeps the data, `make clean` removes the data too."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    stack = Stack(options.state)
    command: Callable[[Stack, argparse.Namespace], int] = options.command
    try:
        return command(stack, options)
    except ClusterError as error:
        say(f"wegent: {error}")
        return FAILURE
    except KeyboardInterrupt:
        say("wegent: interrupted; `make status` says what runs, `make down` stops it")
        return INTERRUPTED


def _up(stack: Stack, options: argparse.Namespace) -> int:
    login = stack.up(options.provider)
    print(
        WELCOME.format(
            url=stack.api.url,
            kubeconfig=stack.cluster.kubeconfig(),
            admin=_show(login),
        )
    )
    return OK


def _show(login: Login | None) -> str:
    if login is None:
        return "made elsewhere; ask whoever set this cluster up"
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
    stack.uninstall()
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
    parser = argparse.ArgumentParser(
        prog="python -m devstack", description="All of Wegent on this machine."
    )
    parser.add_argument(
        "--state", type=Path, default=STATE, help="directory of everything (default: %(default)s)"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="bring up what isn't")
    up.set_defaults(command=_up)
    up.add_argument("--provider", choices=PROVIDERS, default=DEFAULT_PROVIDER)
    for name, command, text in (
        ("down", _down, "stop it and keep the data"),
        ("clean", _clean, "stop it and remove the data"),
        ("uninstall", _uninstall, "take Wegent out of the cluster; users' objects stay"),
        ("status", _status, "say what runs"),
        ("kubeconfig", _kubeconfig, "print the path of the cluster's kubeconfig"),
        ("admin-login", _admin_login, "print the first admin's name and password"),
        ("token", _token, "log the first admin in and print the token"),
    ):
        commands.add_parser(name, help=text).set_defaults(command=command)
    return parser
