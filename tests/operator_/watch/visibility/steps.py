"""Steps that take kinds and rights away, and what the operator says of it."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import yaml

from devcluster.checkout import CHECKOUT
from tests.support.api import Api
from tests.support.operator import OperatorProcess
from tests.support.waiting import eventually
from wegent_crds.registry import BY_PLURAL, GROUP
from wegent_kube import ApiError, get_or_none
from wegent_kube.content_types import MERGE_PATCH
from wegent_kube.resources import CRDS, Resource

ROLE = Resource("rbac.authorization.k8s.io", "v1", "clusterroles").path(name="wegent-operator")
BACK_WITHIN_S = 30.0
"""The longest pause between two tries is 10 s, and the machine may be busy."""
GRACE_S = 20.0
"""A Pod is given 30 s to end."""
REFS = {"ghostRef": {"name": "g"}, "modelRef": {"name": "m"}, "shellRef": {"name": "s"}}


async def delete_crd(admin: Api, plural: str) -> None:
    path = CRDS.path(name=f"{plural}.{GROUP}")
    await admin.client.request("DELETE", path)

    async def gone() -> bool:
        return await get_or_none(admin.client.request("GET", path)) is None

    await eventually(gone, within_s=60, what=f"the CRD of {plural} to be gone")


async def put_crd_back(admin: Api, plural: str) -> None:
    manifest = yaml.safe_load(
        (CHECKOUT / "crds" / f"{BY_PLURAL[plural].singular}.yaml").read_text()
    )
    await admin.client.request("POST", CRDS.path(), body=manifest)


async def create_soon(admin: Api, plural: str, namespace: str, name: str, spec: Any) -> None:
    """Create an object of a kind that admission may not know yet."""

    async def created() -> bool:
        try:
            await admin.create(plural, namespace, name, spec)
        except ApiError as error:
            if error.is_not_found or error.is_service_unavailable:
                return False
            raise
        return True

    await eventually(created, within_s=60, what=f"{plural} to be creatable")


@asynccontextmanager
async def without_rights(admin: Api, *plurals: str) -> AsyncIterator[None]:
    """Take the right to read some kinds away from the operator for a while."""
    role = await admin.client.request("GET", ROLE)
    fewer = [
        {**rule, "resources": [it for it in rule["resources"] if it not in plurals]}
        for rule in role["rules"]
    ]
    fewer = [rule for rule in fewer if rule["resources"]]
    patch = {"rules": fewer}
    await admin.client.request("PATCH", ROLE, body=patch, content_type=MERGE_PATCH)
    try:
        yield
    finally:
        patch = {"rules": role["rules"]}
        await admin.client.request("PATCH", ROLE, body=patch, content_type=MERGE_PATCH)


async def refused(operator: OperatorProcess, plural: str, code: str) -> None:
    """Wait until /readyz names a resource and the code that it is refused with."""

    async def says() -> bool:
        answer = await asyncio.to_thread(operator.get, "/readyz")
        assert answer[0] == 503, answer
        assert re.search(f"^{plural}: .*{code}", answer[1], re.MULTILINE), answer
        return True

    await eventually(says, within_s=90, what=f"/readyz to say that {plural} are refused")


async def ready(operator: OperatorProcess) -> None:
    async def says() -> bool:
        answer = await asyncio.to_thread(operator.get, "/readyz")
        assert answer == (200, "ok\n"), (answer, operator.tail())
        return True

    await eventually(says, within_s=BACK_WITHIN_S, what="/readyz to be well")


def ends_in_time(operator: OperatorProcess) -> None:
    began = time.monotonic()
    assert operator.stop() == 0, operator.tail()
    assert time.monotonic() - began < GRACE_S
