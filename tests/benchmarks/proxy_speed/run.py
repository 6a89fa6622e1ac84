"""The proxy and its peers on one control plane, in one run."""

from pathlib import Path

from devcluster.binaries import find_binaries
from tests.benchmarks.cpu_limit import LimitUnavailableError, limited
from tests.benchmarks.proxy_speed import streams, ways
from tests.benchmarks.tables import Tables
from tests.support.cluster import installed_plane
from tests.support.identity import kubectl_as
from tests.support.kubectl import Kubectl
from tests.support.proxy import ProxyProcess

PARTS = ("ways", "memory", "workers")
CORES_EACH = 0.25


async def run(
    directory: Path, told: Tables, *, rounds: int = ways.ROUNDS, parts: tuple[str, ...] = PARTS
) -> None:
    """Measure, and tell the results."""
    with installed_plane(find_binaries(), directory) as plane:
        admin = Kubectl(plane.binaries.kubectl, plane.kubeconfig)
        kubeconfig = kubectl_as(plane, admin, "wegent-system", "wegent-api", directory).kubeconfig
        token = ways.prepare(admin)
        with (
            ProxyProcess(kubeconfig, directory / "proxy.log") as proxy,
            ways.pass_through(plane.server, plane.ca_file, directory / "bare.log") as bare,
        ):
            found = ways.ways_of(plane, token, bare, (proxy.url, proxy.pid))
            if "ways" in parts:
                await _compare(found, rounds, told)
            if "workers" in parts:
                await _two(kubeconfig, directory, found[-1], told)
        if "memory" in parts:
            await _memory(kubeconfig, directory, found[0], told)


async def _compare(found: list[ways.Way], rounds: int, told: Tables) -> None:
    told.begin(ways.COLUMNS, ways.FORMATS)
    speeds: dict[str, dict[str, float]] = {}
    cpu: dict[str, dict[str, float]] = {}
    told.charts = {"answers": ("Answers/s", speeds), "cpu": ("CPU of a request, ms", cpu)}
    async for method, at_once, measured in ways.measure(found, rounds=rounds):
        group = f"{method}, {at_once} at once"
        speeds[group] = {name: measured[name].per_s for name in ways.WAYS}
        cpu[group] = {name: measured[name].cpu_ms for name in (ways.BARE, ways.PROXY)}
        told.row(*ways.row(method, at_once, measured))


async def _two(kubeconfig: Path, directory: Path, one: ways.Way, told: Tables) -> None:
    """Compare two proxies with one, each with the CPU limit of a Pod.

    Without it, two proxies, the API server, etcd and the load share the machine's cores, and the
    number of cores is what is measured.
    """
    assert one.pid is not None
    with ProxyProcess(kubeconfig, directory / "second.log") as second:
        other = streams.way_to(second, one.token)
        await streams.workers(one, other)  # a warm-up
        try:
            with limited(one.pid, CORES_EACH), limited(second.pid, CORES_EACH):
                alone, both = await streams.workers(one, other)
        except LimitUnavailableError as error:
            told.note(f"Two proxies are not compared with one: {error}")
            return
    each = ", ".join(f"{it.per_s:,.0f}/s" for it in both)
    ratio = sum(it.per_s for it in both) / alone.per_s
    told.note(
        f"64 clients of two proxies, each limited to {CORES_EACH} of a core, get {ratio:.2f}"
        f" times as many answers as of one ({each}; {alone.per_s:,.0f}/s)."
    )


async def _memory(kubeconfig: Path, directory: Path, direct: ways.Way, told: Tables) -> None:
    with streams.watched(kubeconfig, directory / "watched.log") as proxy:
        told.begin(streams.COLUMNS, streams.FORMATS)
        async for memory in streams.memory(direct, streams.way_to(proxy, direct.token)):
            told.row(*memory.row())
