"""``--remove-finalizers`` ends, prints the objects that are left, and counts its removals.

On a control plane of its own: the shared one is full of other tests' objects.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from devcluster.binaries import Binaries
from devcluster.controlplane import ControlPlane
from tests.support.api import Api
from tests.support.audit import AuditLog
from tests.support.cluster import installed_plane
from tests.support.identity import operator_kubeconfig_of
from tests.support.operator import OperatorProcess
from tests.support.policies import FINALIZERS_STAY, refusing
from tests.support.wegent import OPERATOR_USER
from wegent_crds.well_known import TRASH_FINALIZER
from wegent_kube import KubeClient, load_connection
from wegent_operator.trash.uninstall import uninstall

GHOST = {"systemPrompt": "You help."}


@pytest.fixture(scope="module")
def plane(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with installed_plane(binaries, tmp_path_factory.mktemp("uninstall"), audit=True) as made:
        yield made


@pytest.fixture(scope="module")
def kubeconfig(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the rights of the operator."""
    return operator_kubeconfig_of(plane, tmp_path_factory.mktemp("uninstall-operator"))


@pytest.fixture
def operator(kubeconfig: Path) -> Iterator[OperatorProcess]:
    process = OperatorProcess(kubeconfig, kubeconfig.with_name("operator.log"))
    with process:
        yield process


@pytest.fixture
async def api(plane: ControlPlane) -> AsyncIterator[Api]:
    async with KubeClient(load_connection(plane.kubeconfig)) as client:
        yield Api(client)


@pytest.fixture
def audit(plane: ControlPlane) -> AuditLog:
    return AuditLog(plane.audit_log)


def held(body: dict[str, Any] | None) -> bool:
    assert body is not None
    return TRASH_FINALIZER in (body["metadata"].get("finalizers") or ())


def remove_finalizers(kubeconfig: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "wegent_operator", "--remove-finalizers"],
        env={**os.environ, "KUBECONFIG": str(kubeconfig)},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


async def test_what_a_policy_keeps_is_named_and_the_rest_is_let_go(
    api: Api,
    namespace: str,
    operator: OperatorProcess,
    kubeconfig: Path,
    audit: AuditLog,
) -> None:
    free = f"{namespace}-free"
    await api.create_namespace(free)
    for name in ("a", "b", "c"):
        await api.create("ghosts", namespace, name, GHOST)
        await api.create("skills", free, name, {"description": "Reviews a diff"})
    assert operator.stop() == 0
    async with refusing(api.client, namespace, "ghosts", expression=FINALIZERS_STAY):
        began = time.monotonic()
        done = await asyncio.to_thread(remove_finalizers, kubeconfig)
        took = time.monotonic() - began
        assert done.returncode == 1, done.stdout
        assert took < 60
        for name in ("a", "b", "c"):
            assert f"Ghost {namespace}/{name}: " in done.stderr
        assert "the house rules forbid it" in done.stderr
        assert "objects still have the finalizer" in done.stderr
        assert all(held(it) for it in await api.list("ghosts", namespace))
        assert not any(held(it) for it in await api.list("skills", free))
    tries = [
        write
        for write in audit.writes(user=OPERATOR_USER, namespace=namespace)
        if (write.resource, write.verb, write.subresource) == ("ghosts", "patch", "")
    ]
    assert len(tries) == 3, "each was asked for once"
    done = await asyncio.to_thread(remove_finalizers, kubeconfig)
    assert done.returncode == 0, done.stderr
    assert "finalizer not removed" not in done.stderr


async def test_what_changes_all_the_time_is_tried_again_for_a_while(
    api: Api, namespace: str, operator: OperatorProcess
) -> None:
    assert operator.stop() == 0
    await api.create("ghosts", namespace, "busy", GHOST)
    await api.create("ghosts", namespace, "quiet", GHOST)
    going_on = True

    async def edit() -> None:
        number = 0
        while going_on:
            number += 1
            patch = {"metadata": {"annotations": {"n": str(number)}}}
            await api.merge("ghosts", namespace, "busy", patch)

    editing = asyncio.create_task(edit())
    found = await uninstall(api.client, pause_s=0.01)
    going_on = False
    await editing
    assert found.count >= 1
    assert not held(await api.get("ghosts", namespace, "quiet"))
    left = [it for it in found.left if namespace in it]
    assert left in ([], [f"Ghost {namespace}/busy: another client keeps changing it"])
    again = await uninstall(api.client)
    assert not [it for it in again.left if namespace in it]
