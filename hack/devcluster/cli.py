"""``python -m devcluster``: the development cluster's commands."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from devcluster.binaries import ASSETS_VARIABLE, CONTROL_PLANE, Programs
from devcluster.checkout import CHECKOUT
from devcluster.releases import PROGRAMS
from devcluster.run_group import EXIT_CODES, FAILURE, OK, run_group, state_option
from devcluster.state import PROVIDERS, DevCluster

STATE: Final = CHECKOUT / ".dev" / "cluster"
EPILOG: Final = f"""\
\b
Environment variables:
  KUBECONFIG          the cluster of `up --existing`
  {ASSETS_VARIABLE}  a directory with programs of your own
  XDG_CACHE_HOME      programs that are got are kept there, in wegent/ (~/.cache)

{EXIT_CODES}"""
the_cluster = click.make_pass_decorator(DevCluster)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    interrupted = "started processes are stopped"
    return run_group(devcluster, name="devcluster", interrupted=interrupted, arguments=arguments)


@click.group(epilog=EPILOG)
@state_option(STATE, "Directory of the cluster.")
@click.pass_context
def devcluster(context: click.Context, state: Path) -> None:
    """A Kubernetes control plane for development; the data survives `down`."""
    context.obj = DevCluster(state)


@devcluster.command()
@click.option("--provider", type=click.Choice([*PROVIDERS]), help="The kind (default: as before).")
@click.option(
    "--existing",
    "provider",
    flag_value="existing",
    help="Use the current context of $KUBECONFIG; as --provider existing.",
)
@the_cluster
def up(cluster: DevCluster, provider: str | None) -> None:
    """Start the cluster and wait until it serves."""
    started = time.monotonic()
    fresh = cluster.up(provider)
    how = f"is up after {time.monotonic() - started:.1f} s" if fresh else "was up already"
    print(f"The {cluster.provider()} cluster {how}. To use it with kubectl:")
    print(f"  export KUBECONFIG={cluster.kubeconfig()}")


@devcluster.command()
@the_cluster
def down(cluster: DevCluster) -> None:
    """Stop it and keep its data."""
    cluster.down()
    print(f"The cluster is down; its data stays in {cluster.directory} until `clean`.")


@devcluster.command()
@the_cluster
def clean(cluster: DevCluster) -> None:
    """Stop it and remove its data."""
    cluster.clean()
    print(f"The cluster and its data in {cluster.directory} are gone.")


@devcluster.command()
@the_cluster
def status(cluster: DevCluster) -> int:
    """Print whether it runs."""
    found = cluster.status()
    print("up" if found.running else "down", *found.details, sep="\n  ")
    return OK if found.running else FAILURE


@devcluster.command()
@the_cluster
def kubeconfig(cluster: DevCluster) -> None:
    """Print the path of its kubeconfig."""
    print(cluster.kubeconfig())


@devcluster.command(epilog=f"Programs: {', '.join(PROGRAMS)}.")
@click.argument("programs", nargs=-1, metavar="[PROGRAM]...", type=click.Choice([*PROGRAMS]))
def fetch(programs: Sequence[str]) -> None:
    """Get programs into the cache and print their paths.

    Without a PROGRAM, those of the control plane.
    """
    for path in Programs.of_this_machine().ensure(programs or CONTROL_PLANE).values():
        print(path)
