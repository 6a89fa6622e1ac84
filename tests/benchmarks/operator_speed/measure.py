"""The measurements of one peer, on a control plane of its own."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from devcluster.binaries import find_binaries
from devcluster.checkout import CHECKOUT
from devcluster.controlplane import ControlPlane
from devcluster.progress import say
from tests.benchmarks.operator_speed.programs import (
    Built,
    GoController,
    Load,
    Peer,
    wegent_operator,
)
from tests.benchmarks.processes import usage_of
from tests.support.audit import AuditLog
from tests.support.cluster import installed_plane
from tests.support.identity import operator_kubeconfig_of
from tests.support.kubectl import Kubectl

RAW = "raw"
OPERATOR = "operator"
PEERS = {
    RAW: "raw bound",
    OPERATOR: "operator",
    "go": "controller-runtime, defaults",
    "go-tuned": "controller-runtime, 16 workers",
    "raw-no-mutating": "raw bound, no mutating policies",
    "operator-no-mutating": "operator, no mutating policies",
}
DEFAULT_PEERS = (RAW, OPERATOR, "go", "go-tuned")
TUNED = ("--workers=16", "--qps=2000")
NO_MUTATING = "-no-mutating"
WARM_UP = 110
"""Objects before the measured ones: the API server compiles policies at their first use."""
IDLE_CPU_S = 0.03
"""CPU in a second up to which a program counts as idle."""
IDLE_WITHIN_S = 20
IDENTITY = "system:serviceaccount:wegent-system:wegent-operator"
"""User name of each peer."""
FRESH = 22
"""Objects that are created one after the other, for the delay of a verdict."""


@dataclass(frozen=True, slots=True)
class Change:
    """A Ghost that is deleted and created again, with referrers."""

    referrers: int
    gone_s: float
    """From the deletion until all referrers are not Ready."""
    returned_s: float
    """From the creation until all are Ready."""
    cpu_ms_per_verdict: float


@dataclass(frozen=True, slots=True)
class Speed:
    """The measurements of one peer in one round."""

    peer: str
    objects: int
    only_created_per_s: float | None
    """The same objects without statuses, for the raw bound only: the load's own limit is above."""
    created_per_s: float
    ready_per_s: float
    p50_ms: float
    """From the creation of an object to its verdict, while all are created."""
    p99_ms: float
    cpu_ms_per_verdict: float | None
    """None for the raw bound, which has no program beside the load."""
    resident_mib: float | None
    load_share: float
    """Share of a core that the load used."""
    apiserver_cpu_ms: float
    """CPU of kube-apiserver for each object."""
    all_cpu_ms: float
    """CPU of the control plane, the load and the peer for each object."""
    changes: tuple[Change, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Restart:
    """A restart with settled objects."""

    peer: str
    objects: int
    watching_s: float
    cpu_s: float
    """Of the new process, until it is idle."""
    writes: int
    """The peer's writes of any resource from the start until it is idle, by the audit log."""
    resident_mib: float
    fresh_before_ms: float
    """Median delay of a verdict without these objects."""
    fresh_ms: float
    """The same with them, after the restart."""


class CPU(NamedTuple):
    """CPU seconds of a control plane."""

    apiserver: float
    all: float
    """With etcd and kube-controller-manager."""


@dataclass(frozen=True, slots=True)
class Place:
    """A control plane with Wegent installed, the load, and a way to start a peer."""

    plane: ControlPlane
    admin: Kubectl
    load: Load
    peer: Callable[[], Peer]

    def cpu_s(self) -> "CPU":
        """Return the CPU that the control plane has used."""
        servers = (self.plane.apiserver, self.plane.etcd, self.plane.manager)
        apiserver, *others = (usage_of(pid).cpu_s for it in servers if (pid := it.pid()))
        return CPU(apiserver, apiserver + sum(others))


@contextmanager
def place(
    name: str, built: Built, at_once: int, directory: Path, *, audit: bool = False
) -> Iterator[Place]:
    """Run a control plane for one peer."""
    binaries = find_binaries()
    with installed_plane(binaries, directory / "plane", audit=audit) as plane:
        admin = Kubectl(binaries.kubectl, plane.kubeconfig)
        if name.endswith(NO_MUTATING):
            admin.run("delete", "-f", CHECKOUT / "config" / "policies" / "mutating.yaml").ok()
            time.sleep(2)  # the API server takes a moment to forget a policy
        kubeconfig = operator_kubeconfig_of(plane, directory)
        load = Load(built.load, plane.kubeconfig, kubeconfig, at_once)

        def peer() -> Peer:
            log = directory / "peer.log"
            if name.startswith(OPERATOR):
                return wegent_operator(kubeconfig, log)
            options = TUNED if name == "go-tuned" else ()
            return GoController(built.controller, kubeconfig, log, *options)

        yield Place(plane, admin, load, peer)


def speed(name: str, place: Place, objects: int, changes: Sequence[int]) -> Speed:
    """Measure one peer with new objects, then with changes of Ghosts."""
    if name.startswith(RAW):
        place.load.run("raw", WARM_UP, "warm")
        only = place.load.run("create", objects, "only")
        found = _speed(name, place, objects, None)
        return replace(found, only_created_per_s=objects / only.seconds)
    peer = place.peer()
    peer.start()
    try:
        place.load.run("ready", WARM_UP, "warm")
        idle(peer)
        found = _speed(name, place, objects, peer)
        return replace(found, changes=tuple(_change(place, peer, it) for it in changes))
    finally:
        peer.stop()


def _speed(name: str, place: Place, objects: int, peer: Peer | None) -> Speed:
    served, used = place.cpu_s(), usage_of(peer.pid).cpu_s if peer else 0.0
    done = place.load.run("ready" if peer else "raw", objects)
    if peer:
        idle(peer)
    now = usage_of(peer.pid) if peer else None
    used = now.cpu_s - used if now else 0.0
    cpu = CPU(*(after - before for before, after in zip(served, place.cpu_s(), strict=True)))
    return Speed(
        peer=name,
        objects=objects,
        only_created_per_s=None,
        created_per_s=objects / done.created_s,
        ready_per_s=objects / done.seconds,
        p50_ms=done.p50_ms,
        p99_ms=done.p99_ms,
        cpu_ms_per_verdict=used * 1e3 / objects if now else None,
        resident_mib=now.resident_mib if now else None,
        load_share=done.cpu_s / done.seconds,
        apiserver_cpu_ms=cpu.apiserver * 1e3 / objects,
        all_cpu_ms=(cpu.all + done.cpu_s + used) * 1e3 / objects,
    )


def _change(place: Place, peer: Peer, referrers: int) -> Change:
    before = usage_of(peer.pid).cpu_s
    done = place.load.run("change", referrers)
    idle(peer)
    used = usage_of(peer.pid).cpu_s - before
    verdicts = 3 * referrers  # Ready, not Ready, Ready again
    return Change(referrers, done.seconds, done.returned_s, used * 1e3 / verdicts)


def restarts(name: str, place: Place, sizes: Sequence[int]) -> Iterator[Restart]:
    """Yield a restart of one peer with each number of settled objects; needs the audit log."""
    peer = place.peer()
    peer.start()
    try:
        place.load.run("ready", WARM_UP, "warm")
        before = place.load.run("one", FRESH, "few").p50_ms
        there = 0
        for size in sorted(sizes):
            say(f"{name}: {size} objects for a restart")
            place.load.run("ready", size - there, f"to{size}")
            there = size
            idle(peer)
            peer.stop()
            audit, since = AuditLog(place.plane.audit_log), time.monotonic()
            peer.start()
            watching_s = time.monotonic() - since
            idle(peer)
            now = usage_of(peer.pid)
            yield Restart(
                peer=name,
                objects=size,
                watching_s=watching_s,
                cpu_s=now.cpu_s,
                writes=len(audit.writes(user=IDENTITY)),
                resident_mib=now.resident_mib,
                fresh_before_ms=before,
                fresh_ms=place.load.run("one", FRESH, f"at{size}").p50_ms,
            )
    finally:
        peer.stop()


def idle(peer: Peer) -> None:
    """Wait until the program has nothing left to do."""
    for _ in range(IDLE_WITHIN_S):
        before = usage_of(peer.pid).cpu_s
        time.sleep(1)
        if usage_of(peer.pid).cpu_s - before <= IDLE_CPU_S:
            return
