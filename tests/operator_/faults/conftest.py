"""Scenes in the cluster that all tests share, and in one whose etcd is small and kinds come and go.

The package's files share the latter if they run in one worker.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any

import pytest

from devcluster.binaries import Binaries
from devcluster.controlplane import ControlPlane
from tests.operator_.faults.scene import Scene
from tests.support.api import Api
from tests.support.audit import AuditLog
from tests.support.cluster import installed_plane
from tests.support.identity import operator_kubeconfig_of
from tests.support.operator import OperatorProcess
from wegent_kube import KubeClient, load_connection

SetScene = Callable[..., Coroutine[Any, Any, Scene]]
ETCD_MIB = 64


@pytest.fixture
def set_scene(api: Api, control_plane: ControlPlane) -> SetScene:
    """Sets the scene for the operators that run."""

    async def set_(*operators: OperatorProcess) -> Scene:
        return await Scene.set(api, AuditLog(control_plane.audit_log), operators)

    return set_


@pytest.fixture(scope="package")
def small_plane(
    binaries: Binaries, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ControlPlane]:
    """A control plane whose etcd has little space."""
    directory = tmp_path_factory.mktemp("small")
    etcd = directory / "small-etcd"
    quota = f"--quota-backend-bytes={ETCD_MIB * 2**20}"
    etcd.write_text(f'#!/bin/sh\nexec {quote(str(binaries.etcd))} {quota} "$@"\n')
    etcd.chmod(0o755)
    with installed_plane(replace(binaries, etcd=etcd), directory / "plane", audit=True) as plane:
        yield plane


@pytest.fixture(scope="package")
def small_kubeconfig(small_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the operator's rights."""
    return operator_kubeconfig_of(small_plane, tmp_path_factory.mktemp("small-operator"))


@pytest.fixture
async def admin(small_plane: ControlPlane) -> AsyncIterator[Api]:
    """The administrator of the small control plane."""
    async with KubeClient(load_connection(small_plane.kubeconfig)) as client:
        yield Api(client)


@pytest.fixture
def small_operator(small_kubeconfig: Path) -> Iterator[OperatorProcess]:
    """The operator of the small control plane, with watches that begin again every 2 s."""
    log = small_kubeconfig.with_name("small.log")
    with OperatorProcess(small_kubeconfig, log, watch_timeout_s="2") as process:
        yield process


@pytest.fixture
def set_small_scene(admin: Api, small_plane: ControlPlane) -> SetScene:
    """Sets the scene in the small control plane."""

    async def set_(*operators: OperatorProcess) -> Scene:
        return await Scene.set(admin, AuditLog(small_plane.audit_log), operators)

    return set_
