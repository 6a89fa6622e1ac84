"""State that was copied from another checkout isn't changed, and neither is that checkout."""

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster.controlplane import ControlPlane
from devcluster.errors import ForeignState
from devcluster.ownership import RECORD, claim, copied_from, was_moved
from devcluster.processes import Daemon
from devcluster.state import DevCluster


@pytest.fixture
def original(tmp_path: Path) -> Iterator[Path]:
    """A cluster's directory as `up` leaves it, with one process that stands for a server."""
    directory = tmp_path / "original" / "cluster"
    claim(directory)
    (directory / "provider").write_text("embedded", encoding="utf-8")
    (directory / "kubeconfig").write_text("of the original", encoding="utf-8")
    (directory / "port").write_text("1", encoding="utf-8")
    server = server_of(directory)
    server.start(["sleep", "300"])
    yield directory
    server.stop(0)


def server_of(directory: Path) -> Daemon:
    return ControlPlane(None, directory, detached=True).etcd


@pytest.fixture
def copied(original: Path) -> Path:
    return Path(shutil.copytree(original.parent, original.parents[1] / "copy")) / "cluster"


def test_a_directory_is_its_own_until_it_is_copied(original: Path, copied: Path) -> None:
    assert copied_from(original) is None
    assert copied_from(copied) == original
    claim(copied)
    assert copied_from(copied) is None


def test_without_a_record_a_directory_is_its_own(tmp_path: Path) -> None:
    assert copied_from(tmp_path) is None
    assert copied_from(tmp_path / "nothing") is None
    (tmp_path / "home.json").write_text("[", encoding="utf-8")
    assert copied_from(tmp_path) is None


def test_a_moved_directory_stays_its_own(original: Path) -> None:
    moved = original.parent.rename(original.parents[1] / "moved") / "cluster"
    assert copied_from(moved) is None
    assert was_moved(moved)
    assert not was_moved(original)


@pytest.mark.parametrize("changed", ["path", "device", "both"])
def test_a_snapshot_is_a_copy(original: Path, changed: str) -> None:
    """Its inodes are the original's; after a reboot, a device may have another number."""
    directory = original
    if changed != "device":
        directory = original.parent.rename(original.parents[1] / "moved") / "cluster"
    if changed != "path":
        recorded = json.loads((directory / RECORD).read_text("utf-8"))
        recorded["device"] += 1
        (directory / RECORD).write_text(json.dumps(recorded), encoding="utf-8")
    assert copied_from(directory) == (original if changed == "both" else None)


def test_a_link_to_another_checkouts_state_is_refused(original: Path, tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(original.parent)
    for command in (DevCluster.up, DevCluster.down, DevCluster.clean, DevCluster.status):
        with pytest.raises(ForeignState, match=f"leads to {original}, which another checkout"):
            command(DevCluster(tmp_path / "linked" / "cluster"))
    assert server_of(original).running()


def test_commands_in_a_copy_leave_the_original_alone(
    original: Path, copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = DevCluster(copied)
    status = cluster.status()
    assert not status.running
    assert f"was copied from {original}" in status.details[0]
    for command in (cluster.kubeconfig, cluster.up):
        with pytest.raises(ForeignState, match="`make clean` here deletes the copy") as refused:
            command()
    assert f"{copied} was copied from {original} while the cluster ran." in str(refused.value)
    cluster.down()
    assert f"was copied from {original}, whose cluster is left alone" in capsys.readouterr().err
    assert server_of(original).running()
    cluster.clean()
    assert not copied.exists()
    assert server_of(original).running()
    assert DevCluster(original).kubeconfig().exists()


def test_a_copied_kind_cluster_is_the_originals(original: Path) -> None:
    (original / "provider").write_text("kind", encoding="utf-8")
    (original / "kind-name").write_text("wegent-original\n", encoding="utf-8")
    copied = Path(shutil.copytree(original, original.parents[1] / "copy"))
    with pytest.raises(ForeignState, match="which made the kind cluster wegent-original"):
        DevCluster(copied).up()
    DevCluster(copied).clean()  # which needs no Docker: nothing there is ours
    assert not copied.exists()


def test_a_copied_existing_cluster_is_the_originals(original: Path) -> None:
    (original / "provider").write_text("existing", encoding="utf-8")
    (original / "kubeconfig").write_text(
        "clusters: [{cluster: {server: 'https://of.the.company'}}]", encoding="utf-8"
    )
    copied = Path(shutil.copytree(original, original.parents[1] / "copy"))
    with pytest.raises(ForeignState, match=r"which works with https://of\.the\.company"):
        DevCluster(copied).up()


@pytest.mark.parametrize("provider", ["embedded", "kind", "existing"])
def test_a_stopped_cluster_that_came_back_from_a_backup_goes_on(
    original: Path, tmp_path: Path, provider: str
) -> None:
    (original / "provider").write_text(provider, encoding="utf-8")
    server_of(original).signal(signal.SIGKILL, within_s=10)  # a crash: its record stays
    shutil.copytree(original, tmp_path / "backup")
    shutil.rmtree(original)
    shutil.copytree(tmp_path / "backup", original)
    recorded = json.loads((original / RECORD).read_text("utf-8"))
    changed = recorded | {"inode": recorded["inode"] + 1}  # file systems may use one again
    (original / RECORD).write_text(json.dumps(changed), encoding="utf-8")
    assert copied_from(original) is None
    assert not was_moved(original)
    assert DevCluster(original).kubeconfig().exists()
