"""kind is refused without a container engine, and gets the right arguments with one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from devcluster.errors import ProviderRefused
from devcluster.kind import KindCluster, has_buildkit

DOCKER = """
case "$1" in
version) echo 28.0 ;;
ps) cat "$LOG.nodes" 2>/dev/null || true ;;
*) echo docker "$@" >>"$LOG" ;;
esac
"""
KIND = 'echo kind "$@" >>"$LOG"\n'


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand-ins for docker and kind on PATH; the file of what they are told."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, script in (("docker", DOCKER), ("kind", KIND)):
        (folder / name).write_text(f"#!/bin/sh\n{script}", encoding="utf-8")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    return tmp_path / "log"


def cluster(tmp_path: Path) -> KindCluster:
    return KindCluster(tmp_path / "state", tmp_path / "bin" / "kind")


def nodes(log: Path, state: str) -> str:
    node = f"{cluster(log.parent).cluster}-control-plane"
    log.with_name("log.nodes").write_text(f"{node} {state}\n", encoding="utf-8")
    return node


def said(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8").splitlines() if log.exists() else []


@pytest.mark.parametrize("there", [True, False])
def test_buildkit(log: Path, *, there: bool) -> None:
    (log.parent / "bin" / "docker").write_text(f"#!/bin/sh\n{'true' if there else 'false'}\n")
    assert has_buildkit() == there


def test_engine_that_does_not_answer(tmp_path: Path) -> None:
    if shutil.which("docker") is None:
        pytest.skip("the Docker command line is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "devcluster", "--state", tmp_path / "c", "up", "--provider", "kind"],
        env=os.environ | {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 1
    assert "devcluster: docker version: " in done.stderr
    assert f"unix://{tmp_path}/none.sock" in done.stderr
    assert not (tmp_path / "c").exists()


def test_without_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProviderRefused, match="no `docker` on PATH"):
        cluster(tmp_path).up()


def test_cluster_is_created_once_and_waited_for(log: Path, tmp_path: Path) -> None:
    kind = cluster(tmp_path)
    assert kind.up()
    flags = f"--wait=180s --kubeconfig={tmp_path}/state/kubeconfig --name={kind.cluster}"
    assert said(log) == [f"kind create cluster {flags}"]
    assert cluster(tmp_path / "elsewhere").cluster != kind.cluster


def test_stopped_cluster_is_started_again(log: Path, tmp_path: Path) -> None:
    node = nodes(log, "exited")
    assert cluster(tmp_path).up()
    start, export, ready = said(log)
    assert start == f"docker start {node}"
    assert export.startswith("kind export kubeconfig ")
    assert ready.startswith(f"docker exec {node} kubectl ")
    assert ready.endswith(" get --raw=/readyz")


def test_running_cluster_is_not_started(log: Path, tmp_path: Path) -> None:
    nodes(log, "running")
    kind = cluster(tmp_path)
    assert not kind.up()
    assert kind.status().running
    assert not any(line.startswith(("docker start", "kind create")) for line in said(log))


def test_down_keeps_the_cluster_and_clean_deletes_it(log: Path, tmp_path: Path) -> None:
    node, kind = nodes(log, "running"), cluster(tmp_path)
    kind.down()
    nodes(log, "exited")
    kind.down()
    kind.clean()
    assert said(log) == [
        f"docker stop {node}",
        f"kind delete cluster --kubeconfig={tmp_path}/state/kubeconfig --name={kind.cluster}",
    ]
    assert not kind.status().running


def test_kinds_own_words_are_passed_on(log: Path, tmp_path: Path) -> None:
    kind_program = tmp_path / "bin" / "kind"
    kind_program.write_text("#!/bin/sh\necho 'ERROR: no such node' >&2; exit 1\n", encoding="utf-8")
    nodes(log, "running")
    with pytest.raises(ProviderRefused, match=r"kind delete cluster: ERROR: no such node"):
        cluster(tmp_path).clean()
