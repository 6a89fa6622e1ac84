"""Backup and restore with the commands of docs/operations.md."""

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from devcluster.checkout import CHECKOUT
from devcluster.controlplane import ControlPlane
from tests.api.users import PASSWORD
from tests.support.api import Api
from tests.support.cluster import installed_plane
from tests.support.identity import kubectl_as
from tests.support.kubectl import Kubectl
from tests.support.operator import OperatorProcess
from tests.support.proxy import Client, ProxyProcess
from tests.support.waiting import eventually
from wegent_crds.well_known import CREATED_BY
from wegent_kube import KubeClient, load_connection

PAGE = (CHECKOUT / "docs" / "operations.md").read_text(encoding="utf-8")
KINDS = "/api/v1/kinds"
DEVELOPER = "system:serviceaccount:wegent-accounts:developer"
FLEET: list[tuple[str, str, dict[str, Any]]] = [
    ("ghosts", "g", {"systemPrompt": "You help."}),
    ("models", "m", {"provider": "openai", "model": "gpt-4"}),
    ("shells", "s", {"type": "Chat"}),
    (
        "bots",
        "b",
        {"ghostRef": {"name": "g"}, "modelRef": {"name": "m"}, "shellRef": {"name": "s"}},
    ),
    ("skills", "k", {"description": "Reviews a diff"}),
]
pytestmark = pytest.mark.skipif(shutil.which("jq") is None, reason="the page's commands need jq")


@dataclass(frozen=True, slots=True)
class Cluster:
    """A whole cluster with Wegent."""

    plane: ControlPlane
    api: Api
    rest: Client

    def run(self, block: str, directory: Path) -> None:
        """Run the page's commands, as the cluster's administrator."""
        found = re.search(rf"<!-- tested: {block} -->\n```sh\n(.*?)```", PAGE, re.DOTALL)
        assert found, block
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", found[1]],
            cwd=directory,
            env={
                **os.environ,
                "KUBECONFIG": str(self.plane.kubeconfig),
                "PATH": f"{self.plane.binaries.kubectl.parent}:{os.environ['PATH']}",
            },
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, done.stderr

    async def log_in(self) -> Client:
        credentials = {"username": "developer", "password": PASSWORD}
        answer = await self.rest.post("/api/v1/auth/login", credentials)
        return self.rest.as_(answer.expect(200)["accessToken"])


@asynccontextmanager
async def cluster(binaries: Any, directory: Path) -> AsyncIterator[Cluster]:
    with installed_plane(binaries, directory / "plane") as plane:
        admin = Kubectl(plane.binaries.kubectl, plane.kubeconfig)
        of = {
            name: kubectl_as(plane, admin, "wegent-system", name, directory).kubeconfig
            for name in ("wegent-operator", "wegent-api")
        }
        operator = OperatorProcess(of["wegent-operator"], directory / "operator.log")
        await asyncio.to_thread(operator.start)
        try:
            with ProxyProcess(of["wegent-api"], directory / "proxy.log") as proxy:
                async with (
                    KubeClient(load_connection(plane.kubeconfig)) as client,
                    aiohttp.ClientSession() as session,
                ):
                    yield Cluster(plane, Api(client), Client(session, proxy.url))
        finally:
            operator.stop()


async def test_everything_is_there_in_another_cluster(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    saved = tmp_path / "saved"
    saved.mkdir()
    (saved / "config").symlink_to(CHECKOUT / "config")
    binaries = control_plane.binaries
    async with cluster(binaries, tmp_path / "old") as old:
        account = {"username": "developer", "email": "developer@example.com", "password": PASSWORD}
        (await old.rest.post("/api/v1/auth/register", account)).expect(201)
        client = await old.log_in()
        for namespace in ("default", "wegent-developer"):
            for plural, name, spec in FLEET:
                body = {"metadata": {"name": name, "namespace": namespace}, "spec": spec}
                (await client.post(f"{KINDS}/{plural}", body)).expect(201)
        (await client.delete(f"{KINDS}/skills/k")).expect(204)
        old.run("save", saved)
    async with cluster(binaries, tmp_path / "new") as new:
        new.run("bring back", saved)
        client = await new.log_in()
        for namespace in ("default", "wegent-developer"):
            for plural, name, spec in FLEET:
                if (plural, namespace) != ("skills", "default"):
                    found = await new.api.settled(plural, namespace, name)
                    assert found["metadata"]["annotations"][CREATED_BY] == DEVELOPER
                    assert found["spec"] == spec | found["spec"]
        [tombstone] = (await client.get("/api/v1/trash")).expect(200)["items"]
        name = tombstone["metadata"]["name"]
        (await client.post(f"/api/v1/trash/{name}/restore")).expect(200)
        found = await new.api.settled("skills", "default", "k")
        assert found["metadata"]["annotations"][CREATED_BY] == DEVELOPER
        # The policies are back, and were there all the time for all but the administrator.
        forged = {
            "metadata": {"name": "x", "annotations": {CREATED_BY: "somebody"}},
            "spec": {"systemPrompt": "You help."},
        }
        answer = await client.post(f"{KINDS}/ghosts?dryRun=All", forged)
        assert answer.expect(201)["metadata"]["annotations"][CREATED_BY] == DEVELOPER
        admin = Kubectl(new.plane.binaries.kubectl, new.plane.kubeconfig)
        tombstone["metadata"] = {"name": "forged", "namespace": "default"}

        async def refused() -> bool:
            done = await admin.call("create", "--dry-run=server", "-f", "-", stdin=tombstone)
            assert "only Wegent's operator creates Tombstones" in done.stderr, done.stdout
            return True

        await eventually(refused, within_s=30, what="the policies to be in force again")
