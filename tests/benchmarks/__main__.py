"""``python -m tests.benchmarks``: measure on a throwaway control plane, and print tables."""

import argparse
import asyncio
import signal
import tempfile
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from types import FrameType

from devcluster.binaries import find_binaries
from devcluster.errors import BinariesUnavailable
from tests.benchmarks import long_prompts, operator_size, runner
from tests.benchmarks.operator_speed import run as speed
from tests.benchmarks.proxy_speed import run as proxy_speed
from tests.benchmarks.tables import Tables
from tests.support import forked
from tests.support.api import Api
from tests.support.cluster import installed_plane
from tests.support.identity import kubectl_as, token_for
from tests.support.kubectl import Kubectl
from tests.support.operator import OperatorProcess
from tests.support.proxy import ProxyProcess
from wegent_kube import KubeClient, load_connection

INTERRUPTED = 130
"""Exit code after a signal, as shells have it for Ctrl-C."""


async def run(steps: Sequence[int], prompts: int, directory: Path, told: Tables) -> None:
    with installed_plane(find_binaries(), directory) as plane:
        admin = Kubectl(plane.binaries.kubectl, plane.kubeconfig)
        identities = {
            name: kubectl_as(plane, admin, "wegent-system", name, directory).kubeconfig
            for name in ("wegent-operator", "wegent-api")
        }
        log = directory / "operator.log"
        async with KubeClient(load_connection(plane.kubeconfig)) as client:
            api = Api(client)
            with OperatorProcess(identities["wegent-operator"], log) as operator:
                await _sizes(api, operator, steps, told)
                operator.stop()
                await _long_prompts(
                    admin, api, operator, identities["wegent-api"], directory, prompts, told
                )


async def _sizes(api: Api, operator: OperatorProcess, steps: Sequence[int], told: Tables) -> None:
    columns = ("objects", "operator, MiB", "CPU ms for a new object", "CPU s of a restart")
    told.begin(columns, (",d", ".0f", ".1f", ".1f"))
    memory: dict[str, float] = {}
    told.charts["memory"] = ("Memory of the operator by objects, MiB", {"": memory})
    async for size in operator_size.measure(api, operator, steps):
        memory[f"{size.objects:,}"] = size.resident_mib
        told.row(size.objects, size.resident_mib, size.cpu_ms_per_object, size.restart_cpu_s)


async def _long_prompts(
    admin: Kubectl,
    api: Api,
    operator: OperatorProcess,
    kubeconfig: Path,
    directory: Path,
    count: int,
    told: Tables,
) -> None:
    told.begin(("with prompts of full length", "peak, MiB", "without, MiB"), ("", ".0f", ".0f"))

    def show(peak: long_prompts.Peak) -> None:
        told.row(peak.what, peak.mib, peak.before_mib)

    async for peak in long_prompts.of_operator(api, operator, count):
        show(peak)
    operator.stop()
    headers = _reader(admin, long_prompts.NAMESPACE)
    with ProxyProcess(kubeconfig, directory / "prompts.log") as proxy:
        async for peak in long_prompts.of_proxy(proxy, headers):
            show(peak)


def _reader(admin: Kubectl, namespace: str) -> dict[str, str]:
    """Return the headers of a user who may read one namespace."""
    admin.run("create", "serviceaccount", "reader", "-n", namespace).ok()
    binding = ("create", "rolebinding", "reader", "-n", namespace, "--clusterrole=wegent-viewer")
    admin.run(*binding, f"--serviceaccount={namespace}:reader").ok()
    return {"Authorization": f"Bearer {token_for(admin, namespace, 'reader')}"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure at the requested sizes."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description=__doc__, allow_abbrev=False
    )
    parser.add_argument(
        "--only",
        choices=("operator", "proxy", "size", "runner"),
        help="the operator or the proxy beside its peers; both by the number of objects; or the"
        " runner",
    )
    speed.add_arguments(parser)
    parser.add_argument("--objects", default="1000,5000,10000", help="(%(default)s)")
    parser.add_argument(
        "--prompts", type=int, default=500, help="Ghosts with the longest prompts (%(default)s)"
    )
    parser.add_argument(
        "--parts", default=",".join(runner.PARTS), help="of the runner's part (%(default)s)"
    )
    for size in fields(runner.Sizes):
        parser.add_argument(f"--{size.name}", type=int, default=size.default, help="(%(default)s)")
    options = parser.parse_args(arguments)
    if unknown := set(_parts(options)) - runner.PARTS.keys():
        parser.error(f"--parts: no such part: {', '.join(sorted(unknown))}")
    end_in_order()
    forked.forks = False
    try:
        _measure(options)
    except BinariesUnavailable as error:
        parser.exit(1, f"{error}\n")
    except KeyboardInterrupt:
        parser.exit(INTERRUPTED, "interrupted; all programs have ended\n")


def end_in_order() -> None:
    """Let SIGTERM and SIGHUP end the measurements as Ctrl-C does: with all programs.

    asyncio has its own handler of SIGINT, which cancels the main task.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        signal.raise_signal(signal.SIGINT)

    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it for a job
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores SIGHUP
            signal.signal(number, interrupt)


def _measure(options: argparse.Namespace) -> None:
    steps = [int(number) for number in options.objects.split(",") if number]
    sizes = runner.Sizes(
        **{size.name: getattr(options, size.name) for size in fields(runner.Sizes)}
    )
    if options.only in (None, "operator"):
        try:
            print(speed.run(speed.sizes_of(options), options.peers, options.output).markdown())
        except BinariesUnavailable as error:
            if options.only:
                raise
            print(f"The operator's peers are left out: {error}\n")
    with tempfile.TemporaryDirectory() as directory:
        if options.only in (None, "proxy"):
            told = Tables("proxy", options.output)
            asyncio.run(proxy_speed.run(Path(directory) / "proxy", told, rounds=options.rounds))
        if options.only in (None, "size"):
            told = Tables("size", options.output)
            asyncio.run(run(steps, options.prompts, Path(directory), told))
        if options.only in (None, "runner"):
            told = Tables("runner", options.output)
            asyncio.run(runner.run(sizes, _parts(options), Path(directory), told))


def _parts(options: argparse.Namespace) -> list[str]:
    parts: str = options.parts
    return parts.split(",")


if __name__ == "__main__":
    main()
