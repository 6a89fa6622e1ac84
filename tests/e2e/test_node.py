"""Wegent's own node leaves nothing when it is stopped, fails to start, or is killed."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from devcluster.binaries import Programs
from devcluster.errors import NodeUnavailable, ProgramFailed
from devcluster.kind import engine_answers
from devcluster.node import requirements
from devcluster.node.cluster import NodeCluster
from tests.support.processes import processes_naming
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.skipif(engine_answers(), reason="pods run in kind here"),
]


def left_of(*clusters: Path) -> set[str]:
    """Return the processes, links, mounts and control groups of the nodes in these directories."""
    found = {command for cluster in clusters for command in processes_naming(cluster)}
    for alias in Path("/sys/class/net").glob("*/ifalias"):
        if Path(alias.read_text(encoding="utf-8").strip()) in clusters:
            found.add(f"link {alias.parent.name}")
    for mount in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        if any(str(cluster) in mount for cluster in clusters):
            found.add(f"mount {mount}")
    return found | {f"group {path}" for cluster in clusters for path in groups_of(cluster)}


def groups_of(cluster: Path) -> list[Path]:
    groups = NodeCluster(cluster).cgroups.directories
    return [path for path in groups if path.exists()]


class Broken(Programs):
    """The programs, with another one in place of ``name``."""

    def __init__(self, name: str, path: Path) -> None:
        self._replaced = {name: path}
        self._others = Programs.of_this_machine()

    def ensure(self, names: Iterable[str]) -> Mapping[str, Path]:
        found = dict(self._others.ensure(names))
        return found | {name: path for name, path in self._replaced.items() if name in found}


@pytest.mark.parametrize("name", ["containerd", "kubelet", "coredns", "kube-apiserver"])
def test_failed_start_leaves_nothing(tmp_path: Path, name: str) -> None:
    dying = tmp_path / "dying"
    dying.write_text("#!/bin/sh\necho 'no such thing' >&2; exit 1\n", encoding="utf-8")
    dying.chmod(0o755)
    directory = tmp_path / "cluster"
    with pytest.raises(ProgramFailed, match=rf"(?s){name} ended by itself; .*no such thing"):
        NodeCluster(directory, Broken(name, dying)).start()
    assert left_of(directory) == set()


def test_two_run_beside_each_other_and_leave_nothing(tmp_path: Path) -> None:
    directories = tmp_path / "one", tmp_path / "two"
    with NodeCluster(directories[0]) as one, NodeCluster(directories[1]) as two:
        assert one.control_plane.server != two.control_plane.server
        for directory in directories:
            kinds = {it.partition(" ")[0] for it in left_of(directory)}
            assert {"link", "group"} <= kinds, kinds
            assert "mount" not in kinds  # this machine sees no mount of the node
    assert left_of(*directories) == set()


STARTED = """
import sys, time
from pathlib import Path
from devcluster.node.cluster import NodeCluster
NodeCluster(Path(sys.argv[1])).start()
print("up", flush=True)
time.sleep(300)
"""


async def test_killed_run_leaves_no_process_and_no_link(tmp_path: Path) -> None:
    directory, next_one = tmp_path / "cluster", tmp_path / "next"
    command = [sys.executable, "-c", STARTED, str(directory)]
    run = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert run.stdout
    assert await run.stdout.readline() == b"up\n"
    run.send_signal(signal.SIGKILL)
    await run.wait()

    def gone() -> bool:
        left = {it for it in left_of(directory) if not it.startswith("group ")}
        assert not left, left
        return True

    await eventually(gone, within_s=30, what="the end of all that it started")
    # The next start of a node removes empty control groups.
    with NodeCluster(next_one):
        assert groups_of(directory) == []
        assert groups_of(next_one)
    assert left_of(directory, next_one) == set()


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert requirements.missing(tmp_path) == []
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "the program nft, Debian package nftables" in requirements.missing(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(NodeUnavailable, match=r"(?s)missing requirements:\n  root"):
        NodeCluster(tmp_path / "cluster").start()
