"""What `make up` and its like do, on a cluster of the test's own."""

import json
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster.binaries import Binaries
from devcluster.errors import ClusterError
from devcluster.ports import LOOPBACK, free_ports
from devstack.admin import log_in
from devstack.stack import Stack
from tests.support.kubectl import Kubectl


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """A stack that is gone after the test."""
    monkeypatch.delenv("KUBECONFIG", raising=False)
    operator, api = free_ports(2)
    monkeypatch.setenv("WEGENT_OPERATOR_LISTEN_PORT", str(operator))
    monkeypatch.setenv("WEGENT_API_PORT", str(api))
    made = Stack(tmp_path)
    yield made
    made.clean()


def me(stack: Stack) -> dict[str, object]:
    """Who the first admin is, by REST."""
    request = urllib.request.Request(
        f"{stack.api.url}/api/v1/auth/me",
        headers={"Authorization": f"Bearer {log_in(stack.api.url, stack.login())}"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: dict[str, object] = json.load(answer)
    return found


def test_up_down_up_and_clean(stack: Stack, binaries: Binaries) -> None:
    login = stack.up("embedded")
    assert login is not None
    assert stack.status()[0]
    assert (me(stack)["username"], me(stack)["role"]) == ("admin", "admin")
    kubectl = Kubectl(binaries.kubectl, stack.cluster.kubeconfig())
    kubectl.run("create", "namespace", "kept").ok()

    first = stack.operator.daemon.identity()
    assert stack.up("embedded") == login, "a second time changes nothing"
    assert stack.operator.daemon.identity() == first

    stack.operator.stop()
    assert not stack.status()[0]
    assert stack.up("embedded") == login, "what has died is started again"
    assert stack.operator.daemon.identity() != first

    stack.down()
    assert not stack.status()[0]
    assert stack.up("embedded") == login
    kubectl.run("get", "namespace", "kept").ok()
    assert me(stack)["username"] == "admin"

    stack.clean()
    with pytest.raises(ClusterError, match="run `make up` first"):
        stack.login()


def test_a_taken_port_is_named_and_nothing_of_the_program_runs(stack: Stack) -> None:
    with socket.create_server((LOOPBACK, stack.api.port)):
        with pytest.raises(ClusterError, match=f"port {stack.api.port} .* WEGENT_API_PORT"):
            stack.up("embedded")
        assert not stack.api.daemon.running()
    assert stack.up("embedded") is not None
