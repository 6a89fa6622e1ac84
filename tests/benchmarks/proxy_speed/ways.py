"""The API proxy beside a bare pass-through and the API server itself, in turn and in one run."""

import json
import re
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from devcluster.controlplane import ControlPlane
from tests.benchmarks.processes import usage_of
from tests.benchmarks.proxy_speed.load import NUMBER, Load, Result, generate
from tests.support.identity import token_for
from tests.support.kubectl import Kubectl
from wegent_crds.well_known import DELETED_BY

CLIENTS = (1, 16, 64)
REQUESTS = {1: 200, 16: 1000, 64: 1000}
ROUNDS = 3
NOTED = "PATCH and DELETE"
"""The requests that the proxy makes of one DELETE: it notes the user who deletes the object."""
METHODS = ("GET", "POST", "DELETE", NOTED)
STARTS_WITHIN_S = 30.0
LISTENING = re.compile(r"Uvicorn running on (http://[0-9.:]+)")
NAMESPACE = "proxy-cost"
COLLECTION = f"/apis/agent.wecode.io/v1/namespaces/{NAMESPACE}/ghosts"
OF_THE_PROXY = "/api/v1/kinds/ghosts"
QUERY = f"?namespace={NAMESPACE}"
DIRECT, BARE, PROXY = WAYS = ("API server", "pass-through", "proxy")
COLUMNS = (
    "requests",
    "at once",
    "API server, /s",
    "pass-through, /s",
    "proxy, /s",
    "proxy / pass-through",
    "CPU ms, pass-through",
    "CPU ms, proxy",
    "CPU ms of the load generator",
    "p99 ms, proxy",
)
FORMATS = ("", "d", ",.0f", ",.0f", ",.0f", ".2f", ".2f", ".2f", ".2f", ".0f")


@dataclass(frozen=True, slots=True)
class Way:
    """A base URL with the Ghosts of one namespace behind it."""

    name: str
    url: str
    token: str
    query: str = ""
    ca_file: str = ""
    pid: int | None = None
    user: str = f"system:serviceaccount:{NAMESPACE}:writer"

    def load(self, method: str, at_once: int, count: int, first: int = 0) -> Load:
        """Return the load of ``count`` requests. Those to create and delete take names in turn."""
        new = f"{self.name.split()[0].lower()}-{NUMBER.decode()}"  # each way has its own objects
        name = {"GET": "/g11", "POST": ""}.get(method, f"/{new}")
        body = json.dumps(ghost(new)) if method == "POST" else ""
        noted = {"metadata": {"annotations": {DELETED_BY: self.user}}}
        patch = json.dumps(noted) if method == NOTED and self.name != PROXY else ""
        return Load(
            self.url + name + self.query,
            self.token,
            at_once,
            count,
            method="DELETE" if method == NOTED else method,
            body=body,
            patch=patch,
            ca_file=self.ca_file,
            first=first,
        )


@dataclass(slots=True)
class Measured:
    """Results of one way with one kind of load, in all rounds."""

    results: list[Result] = field(default_factory=list)
    cpu_s: float = 0.0
    """CPU time of the program in the middle."""

    @property
    def requests(self) -> int:
        """Requests in all rounds."""
        return sum(it.requests for it in self.results)

    @property
    def per_s(self) -> float:
        """Answers per second."""
        return self.requests / sum(it.seconds for it in self.results)

    @property
    def cpu_ms(self) -> float:
        """CPU time of the program in the middle, for each request."""
        return self.cpu_s * 1000 / self.requests

    @property
    def load_cpu_ms(self) -> float:
        """CPU time of the load generator, for each request."""
        return sum(it.cpu_s for it in self.results) * 1000 / self.requests


def ghost(name: str) -> dict[str, object]:
    """Return a Ghost of 2 kB."""
    return {
        "apiVersion": "agent.wecode.io/v1",
        "kind": "Ghost",
        "metadata": {"name": name},
        "spec": {"systemPrompt": "You review changes to code. " * 70},
    }


def prepare(admin: Kubectl) -> str:
    """Create the namespace and one Ghost. Return the token of a user who may write there.

    Without the trash's finalizer, a DELETE ends at once through all ways. With it, the proxy would
    wait for the operator, and the others would not.
    """
    unbound = ("delete", "mutatingadmissionpolicybinding", "wegent-trash", "--ignore-not-found")
    admin.run(*unbound).ok()
    admin.run("create", "namespace", NAMESPACE).ok()
    admin.run("create", "-n", NAMESPACE, "-f", "-", stdin=ghost("g11")).ok()
    admin.run("create", "serviceaccount", "writer", "-n", NAMESPACE).ok()
    binding = ("create", "rolebinding", "writer", "-n", NAMESPACE, "--clusterrole=wegent-editor")
    admin.run(*binding, f"--serviceaccount={NAMESPACE}:writer").ok()
    return token_for(admin, NAMESPACE, "writer")


def ways_of(
    plane: ControlPlane, token: str, bare: tuple[str, int], proxy: tuple[str, int]
) -> list[Way]:
    """Return the three ways. ``bare`` and ``proxy`` are a URL and a process's id each."""
    return [
        Way(DIRECT, plane.server + COLLECTION, token, ca_file=str(plane.ca_file)),
        Way(BARE, bare[0] + COLLECTION, token, pid=bare[1]),
        Way(PROXY, proxy[0] + OF_THE_PROXY, token, query=QUERY, pid=proxy[1]),
    ]


@contextmanager
def pass_through(server: str, ca_file: Path, log: Path) -> Iterator[tuple[str, int]]:
    """Run the bare pass-through. Yield its URL and its process's id."""
    command = (
        sys.executable,
        "-m",
        "tests.benchmarks.proxy_speed.pass_through",
        server,
        str(ca_file),
    )
    with log.open("wb") as out:
        program = subprocess.Popen(command, stdout=out, stderr=out, cwd=Path(__file__).parents[3])
    try:
        deadline = time.monotonic() + STARTS_WITHIN_S
        while not (listening := LISTENING.search(log.read_text())):
            assert program.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield listening[1], program.pid
    finally:
        program.send_signal(signal.SIGTERM)
        program.wait()


async def measure(
    ways: list[Way], *, rounds: int = ROUNDS
) -> AsyncIterator[tuple[str, int, dict[str, Measured]]]:
    """Yield the results of each method and number of clients.

    The ways take turns, so that other load on the machine affects all alike. Each round begins with
    another way: the last of a round writes to a fuller etcd.
    """
    for way in ways:  # connections, caches, and the interpreter's own warm-up
        for method in ("GET", "POST", "DELETE"):
            await generate(way.load(method, 16, 200))
    for at_once in CLIENTS:
        found: dict[str, dict[str, Measured]] = {it: defaultdict(Measured) for it in METHODS}
        for number in range(rounds):
            first = number % len(ways)
            for method in ("GET", "POST", "DELETE", "POST", NOTED):
                for way in (*ways[first:], *ways[:first]):
                    await _add(found[method][way.name], way, method, at_once)
        for method, measured in found.items():
            yield method, at_once, measured


async def _add(measured: Measured, way: Way, method: str, at_once: int) -> None:
    before = usage_of(way.pid).cpu_s if way.pid else 0.0
    measured.results.append(await generate(way.load(method, at_once, REQUESTS[at_once])))
    measured.cpu_s += (usage_of(way.pid).cpu_s if way.pid else 0.0) - before


def row(method: str, at_once: int, measured: dict[str, Measured]) -> tuple[str | float, ...]:
    """Return one row below `COLUMNS`."""
    direct, bare, proxy = (measured[name] for name in WAYS)
    return (
        method,
        at_once,
        direct.per_s,
        bare.per_s,
        proxy.per_s,
        proxy.per_s / bare.per_s,
        bare.cpu_ms,
        proxy.cpu_ms,
        direct.load_cpu_ms,
        max(it.p99_ms for it in proxy.results),
    )
