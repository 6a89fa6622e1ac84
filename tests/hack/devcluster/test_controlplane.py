"""The control plane of tests: its abilities, and the files and processes that it leaves."""

import http.client
import json
import os
import re
import signal
import socket
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from devcluster import controlplane
from devcluster.binaries import Binaries
from devcluster.controlplane import ControlPlane
from devcluster.errors import PortTaken, ProgramFailed
from tests.hack.devcluster.test_processes import needs_setpriv
from tests.support.identity import kubectl_as
from tests.support.kubectl import Kubectl
from tests.support.processes import processes_naming
from tests.support.waiting import eventually


def kubectl_of(cluster: ControlPlane) -> Kubectl:
    return Kubectl(cluster.binaries.kubectl, cluster.kubeconfig)


def program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


class TestShared:
    """On the cluster that all tests share."""

    def test_is_the_version_it_says(self, kubectl: Kubectl) -> None:
        version = kubectl.run("version", "-o", "json").ok().json
        assert version["serverVersion"]["gitVersion"] == "v1.37.2"
        assert version["clientVersion"]["gitVersion"] == "v1.37.2"

    def test_controllers_are_at_work(self, kubectl: Kubectl) -> None:
        kubectl.run("create", "namespace", "controllers-work").ok()
        kubectl.run("delete", "namespace", "controllers-work").ok()
        gone = kubectl.run("get", "namespace", "controllers-work")
        assert "NotFound" in gone.stderr

    def test_audit_log_has_a_write_at_once(
        self, control_plane: ControlPlane, kubectl: Kubectl
    ) -> None:
        kubectl.run("create", "namespace", "audited").ok()
        # A reader may see half of the line that is being written.
        lines = control_plane.audit_log.read_bytes().rpartition(b"\n")[0].splitlines()
        created = [
            event
            for event in map(json.loads, lines)
            if (event.get("objectRef") or {}).get("name") == "audited"
        ]
        assert created[0]["verb"] == "create"
        assert created[0]["user"]["username"] == "wegent-dev-admin"
        assert created[0]["responseStatus"]["code"] == 201

    def test_service_account_acts_as_itself(
        self, control_plane: ControlPlane, kubectl: Kubectl, tmp_path: Path
    ) -> None:
        account = kubectl_as(control_plane, kubectl, "default", "default", tmp_path)
        who = account.run("auth", "whoami", "-o", "json").ok().json
        assert who["status"]["userInfo"]["username"] == "system:serviceaccount:default:default"
        assert "Forbidden" in account.run("get", "namespaces").stderr

    def test_listens_on_loopback_only(self, control_plane: ControlPlane) -> None:
        """etcd and the controller manager listen on no port at all."""
        sockets = set()
        for server in control_plane.servers:
            for descriptor in Path(f"/proc/{server.pid()}/fd").iterdir():
                found = re.fullmatch(r"socket:\[(\d+)\]", str(descriptor.readlink()))
                sockets |= {found[1]} if found else set()
        listening = set()
        for table in ("/proc/net/tcp", "/proc/net/tcp6"):
            for line in Path(table).read_text("ascii").splitlines()[1:]:
                _, address, _, state, *_, inode = line.split()[:10]
                if state == "0A" and inode in sockets:  # LISTEN
                    listening.add(address)
        assert listening == {f"0100007F:{control_plane.port:04X}"}

    def test_api_server_knows_nobody_without_credentials(self, control_plane: ControlPlane) -> None:
        context = ssl.create_default_context(cafile=str(control_plane.ca_file))
        address = control_plane.server.removeprefix("https://")
        connection = http.client.HTTPSConnection(address, timeout=10, context=context)
        connection.request("GET", "/api/v1/namespaces")
        assert connection.getresponse().status == 403
        connection.close()


@pytest.fixture(scope="module")
def own(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A second cluster beside the shared one, for tests that break it."""
    directory = tmp_path_factory.mktemp("own")
    cluster = ControlPlane(binaries, directory, fsync=False)
    former = os.umask(0o002)  # where each user has a group, it is usual
    try:
        cluster.start()
    finally:
        os.umask(former)
    with cluster:
        yield cluster
    assert processes_naming(directory) == []


class TestBroken:
    """A cluster whose servers go and come back."""

    def test_is_another_cluster_than_the_shared_one(
        self, own: ControlPlane, control_plane: ControlPlane
    ) -> None:
        assert own.server != control_plane.server
        stranger = replace(kubectl_of(own), kubeconfig=own.kubeconfig)
        assert stranger.run("get", "crd", "-o", "name").ok().stdout == ""

    def test_etcd_is_closed_to_other_users_of_the_machine(self, own: ControlPlane) -> None:
        for name in ("etcd.sock", "etcd-peer.sock"):
            found = (own.directory / name).stat()
            assert stat.S_ISSOCK(found.st_mode)
            assert found.st_uid == os.getuid()
            assert not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH), "writing is connecting"

    def test_api_server_comes_back_where_it_was_with_its_data(self, own: ControlPlane) -> None:
        server, kubectl = own.server, kubectl_of(own)
        kubectl.run("create", "configmap", "kept", "--from-literal=a=b").ok()
        own.stop_apiserver()
        assert "refused" in kubectl.run("get", "configmap", "kept").stderr
        own.start_apiserver()
        assert own.server == server
        assert kubectl.run("get", "configmap", "kept", "-o", "json").ok().json["data"] == {"a": "b"}

    def test_paused_api_server_is_silent_until_it_goes_on(self, own: ControlPlane) -> None:
        own.pause_apiserver()
        silent = kubectl_of(own).run("get", "namespaces", "--request-timeout=500ms")
        own.resume_apiserver()
        assert silent.exit_code == 1
        kubectl_of(own).run("get", "namespaces").ok()

    def test_data_tokens_and_address_survive_a_restart(
        self, own: ControlPlane, tmp_path: Path
    ) -> None:
        kubectl_of(own).run("create", "configmap", "survivor").ok()
        kubectl_of(own).run(
            "create",
            "clusterrolebinding",
            "read",
            "--clusterrole=view",
            "--serviceaccount=default:default",
        ).ok()
        account = kubectl_as(own, kubectl_of(own), "default", "default", tmp_path)
        copied = tmp_path / "admin"
        copied.write_bytes(own.kubeconfig.read_bytes())
        own.stop()
        assert processes_naming(own.directory) == []
        assert own.start()
        assert not own.start()  # it runs: nothing to do
        account.run("get", "configmap", "survivor").ok()
        Kubectl(own.binaries.kubectl, copied).run("get", "configmap", "survivor").ok()

    def test_taken_port_is_named(self, own: ControlPlane) -> None:
        own.stop()
        port = own.port
        with (
            socket.create_server(("127.0.0.1", port)),
            pytest.raises(
                PortTaken, match=f"port {port} of 127.0.0.1, which this cluster's API server"
            ),
        ):
            own.start()
        assert processes_naming(own.directory) == []
        own.start()

    def test_dying_controllers_are_noticed_in_a_later_start_too(
        self, own: ControlPlane, tmp_path: Path
    ) -> None:
        own.stop()
        dying = program(tmp_path / "dying", "sleep 2; echo 'no such flag' >&2; exit 1")
        binaries = replace(own.binaries, kube_controller_manager=dying)
        with pytest.raises(ProgramFailed, match=r"(?s)ended by itself; .*no such flag"):
            ControlPlane(binaries, own.directory, fsync=False).start()
        own.start()

    def test_stops_in_time_without_its_etcd(
        self, own: ControlPlane, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(controlplane, "STOP_WITHIN_S", 2.0)
        own.etcd.stop(deadline_s=5)
        begun = time.monotonic()
        own.stop()
        assert time.monotonic() - begun < 10
        assert processes_naming(own.directory) == []
        own.start()


@pytest.mark.parametrize("name", ["etcd", "kube_apiserver", "kube_controller_manager"])
def test_server_that_dies_at_once(binaries: Binaries, tmp_path: Path, name: str) -> None:
    dying = program(tmp_path / "dying", "echo 'unknown flag: --no-such-flag' >&2; exit 1")
    directory = tmp_path / "cluster"
    cluster = ControlPlane(replace(binaries, **{name: dying}), directory, fsync=False)
    with pytest.raises(ProgramFailed, match=r"(?s)ended by itself; .*unknown flag: --no-such"):
        cluster.start()
    assert processes_naming(directory) == []


def test_lost_race_for_a_port_is_run_again(binaries: Binaries, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    racing = program(
        tmp_path / "kube-apiserver",
        f'echo run >>{runs}\n[ "$(wc -l <{runs})" = 1 ] && echo "bind: address already in use"'
        f' && exit 1\nexec {binaries.kube_apiserver} "$@"',
    )
    with ControlPlane(
        replace(binaries, kube_apiserver=racing), tmp_path / "cluster", fsync=False
    ) as cluster:
        kubectl_of(cluster).run("get", "namespaces").ok()
    assert runs.read_text("utf-8") == "run\nrun\n"


KILLED = """
import sys, time
from pathlib import Path
from devcluster.binaries import find_binaries
from devcluster.controlplane import ControlPlane
ControlPlane(find_binaries(), Path(sys.argv[1]), fsync=False).start()
print("up", flush=True)
time.sleep(60)
"""


def parent_of(directory: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", KILLED, str(directory)], stdout=subprocess.PIPE)


@needs_setpriv
async def test_killed_test_run_leaves_no_servers(tmp_path: Path) -> None:
    directory = tmp_path / "cluster"
    with parent_of(directory) as parent:
        assert parent.stdout
        assert parent.stdout.readline() == b"up\n"
        assert len(processes_naming(directory)) >= 3
        parent.send_signal(signal.SIGKILL)

    def nothing_left() -> bool:
        left = processes_naming(directory)
        assert not left, left
        return True

    await eventually(nothing_left, within_s=10, what="the end of its servers")
