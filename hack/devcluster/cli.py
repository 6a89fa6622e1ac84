"""``python -m devcluster``: the development cluster's commands."""

import argparse
import signal
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Final

from devcluster.binaries import ASSETS_VARIABLE, CONTROL_PLANE, Programs
from devcluster.checkout import CHECKOUT
from devcluster.command_line import FAILURE, OK, exit_code_of, parser_of
from devcluster.releases import PROGRAMS
from devcluster.state import PROVIDERS, DevCluster

STATE: Final = CHECKOUT / ".dev" / "cluster"
EPILOG: Final = f"""\
environment variables:
  KUBECONFIG
      the cluster of `up --existing`
  {ASSETS_VARIABLE}
      a directory with programs of your own
  XDG_CACHE_HOME
      programs that are got are kept there, in wegent/ (default: ~/.cache)

exit codes: 0 done, 1 failed or not up, 2 wrong usage, 130 interrupted"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    command: Callable[[argparse.Namespace], int] = options.command
    return exit_code_of(
        "devcluster", lambda: command(options), interrupted="started processes are stopped"
    )


def _up(options: argparse.Namespace) -> int:
    cluster, started = DevCluster(options.state), time.monotonic()
    fresh = cluster.up(options.provider)
    how = f"is up after {time.monotonic() - started:.1f} s" if fresh else "was up already"
    print(f"The {cluster.provider()} cluster {how}. To use it with kubectl:")
    print(f"  export KUBECONFIG={cluster.kubeconfig()}")
    return OK


def _down(options: argparse.Namespace) -> int:
    DevCluster(options.state).down()
    print(f"The cluster is down; its data stays in {options.state} until `clean`.")
    return OK


def _clean(options: argparse.Namespace) -> int:
    DevCluster(options.state).clean()
    print(f"The cluster and its data in {options.state} are gone.")
    return OK


def _status(options: argparse.Namespace) -> int:
    status = DevCluster(options.state).status()
    print("up" if status.running else "down", *status.details, sep="\n  ")
    return OK if status.running else FAILURE


def _kubeconfig(options: argparse.Namespace) -> int:
    print(DevCluster(options.state).kubeconfig())
    return OK


def _fetch(options: argparse.Namespace) -> int:
    for path in Programs.of_this_machine().ensure(options.programs or CONTROL_PLANE).values():
        print(path)
    return OK


def _program_name(text: str) -> str:
    if text not in PROGRAMS:
        raise argparse.ArgumentTypeError(f"no program {text!r}; there are {', '.join(PROGRAMS)}")
    return text


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    # Once is enough: what follows is the orderly stop, which has deadlines of its own.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    description = "A Kubernetes control plane for development; the data survives `down`."
    parser = parser_of("devcluster", description, EPILOG, state=STATE, contents="the cluster")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="start the cluster and wait until it serves")
    up.set_defaults(command=_up)
    up.add_argument("--provider", choices=PROVIDERS, help="(default: as before)")
    up.add_argument(
        "--existing",
        dest="provider",
        action="store_const",
        const="existing",
        help="use the current context of $KUBECONFIG; as --provider existing",
    )
    for name, command, text in (
        ("down", _down, "stop it and keep its data"),
        ("clean", _clean, "stop it and remove its data"),
        ("status", _status, "say whether it runs"),
        ("kubeconfig", _kubeconfig, "print the path of its kubeconfig"),
    ):
        commands.add_parser(name, help=text).set_defaults(command=command)
    fetch = commands.add_parser("fetch", help="get programs into the cache, print their paths")
    fetch.set_defaults(command=_fetch)
    fetch.add_argument(
        "programs",
        nargs="*",
        metavar="PROGRAM",
        type=_program_name,
        help=f"of {', '.join(PROGRAMS)} (default: those of the control plane)",
    )
    return parser
