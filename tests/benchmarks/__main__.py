"""``python -m tests.benchmarks``: measure on a throwaway control plane, and print tables."""

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import aiohttp

from devcluster.binaries import find_binaries
from devcluster.checkout import CHECKOUT
from devcluster.controlplane import ControlPlane
from devcluster.install import Installer
from tests.benchmarks import long_prompts, operator_size, proxy_cost, runner
from tests.support.api import Api
from tests.support.identity import kubectl_as, token_for
from tests.support.kubectl import Kubectl
from tests.support.operator import OperatorProcess
from tests.support.proxy import ProxyProcess
from wegent_kube import KubeClient, load_connection

GHOST = "/apis/agent.wecode.io/v1/namespaces/bench/ghosts/g11"
THROUGH = "/api/v1/kinds/ghosts/g11?namespace=bench"


async def run(steps: Sequence[int], prompts: int, directory: Path) -> None:
    with ControlPlane(find_binaries(), directory, fsync=False) as plane:
        Installer(plane.binaries.kubectl, plane.kubeconfig).install(
            [CHECKOUT / "crds", CHECKOUT / "config"]
        )
        admin = Kubectl(plane.binaries.kubectl, plane.kubeconfig)
        identities = {
            name: kubectl_as(plane, admin, "wegent-system", name, directory).kubeconfig
            for name in ("wegent-operator", "wegent-api")
        }
        operator = OperatorProcess(identities["wegent-operator"], directory / "operator.log")
        operator.start()
        async with KubeClient(load_connection(plane.kubeconfig)) as client:
            print("| objects | operator, MiB | CPU ms for a new object | CPU s of a restart |")
            print("| ---: | ---: | ---: | ---: |")
            async for size in operator_size.measure(Api(client), operator, steps):
                print(
                    f"| {size.objects:,} | {size.resident_mib:.0f} "
                    f"| {size.cpu_ms_per_object:.1f} | {size.restart_cpu_s:.1f} |",
                    flush=True,
                )
            operator.stop()
            await _long_prompts(
                admin, Api(client), operator, identities["wegent-api"], directory, prompts
            )
        if not steps:
            return
        cost = await _proxy(plane, admin, identities["wegent-api"], directory)
        print(
            f"\nproxy: {cost.resident_mib:.0f} MiB; a GET takes {cost.latency_ratio:.2f} times the"
            f" direct one's {cost.direct_ms:.1f} ms; 16 clients get {cost.throughput_ratio:.2f}"
            f" times as many answers; {cost.cpu_ms_per_request:.2f} ms of CPU each"
        )


async def _long_prompts(
    admin: Kubectl,
    api: Api,
    operator: OperatorProcess,
    kubeconfig: Path,
    directory: Path,
    count: int,
) -> None:
    print("\n| with prompts of full length | peak, MiB | without, MiB |\n| --- | ---: | ---: |")

    def show(peak: long_prompts.Peak) -> None:
        print(f"| {peak.what} | {peak.mib:.0f} | {peak.before_mib:.0f} |", flush=True)

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


async def _proxy(
    plane: ControlPlane, admin: Kubectl, kubeconfig: Path, directory: Path
) -> proxy_cost.ProxyCost:
    headers = _reader(admin, "bench")
    with ProxyProcess(kubeconfig, directory / "proxy.log") as proxy:
        async with aiohttp.ClientSession(headers=headers) as session:
            connection = load_connection(plane.kubeconfig)
            tls = connection.ssl_context(client_certificate=False)
            return await proxy_cost.measure(
                proxy_cost.Way(session, plane.server + GHOST, tls),
                proxy_cost.Way(session, proxy.url + THROUGH, None),
                proxy.pid,
            )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure at the requested sizes."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description=__doc__, allow_abbrev=False
    )
    parser.add_argument(
        "--only", choices=("operator", "runner"), help="operator and proxy, or the runner"
    )
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
    steps = [int(number) for number in options.objects.split(",") if number]
    parts = options.parts.split(",")
    if unknown := set(parts) - runner.PARTS.keys():
        parser.error(f"--parts: no such part: {', '.join(sorted(unknown))}")
    sizes = runner.Sizes(
        **{size.name: getattr(options, size.name) for size in fields(runner.Sizes)}
    )
    with tempfile.TemporaryDirectory() as directory:
        if options.only != "runner":
            asyncio.run(run(steps, options.prompts, Path(directory)))
        if options.only != "operator":
            asyncio.run(runner.run(sizes, parts, Path(directory)))


if __name__ == "__main__":
    main()
