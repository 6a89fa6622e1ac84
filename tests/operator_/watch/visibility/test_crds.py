"""Watches that end because a CRD is removed or changed, and begin again when it is back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from devcluster.controlplane import ControlPlane
from tests.operator_.watch.visibility.steps import (
    BACK_WITHIN_S,
    REFS,
    create_soon,
    delete_crd,
    ends_in_time,
    put_crd_back,
    ready,
    refused,
)
from tests.support.api import Api, condition
from tests.support.audit import AuditLog
from tests.support.operator import OperatorProcess
from tests.support.waiting import eventually
from wegent_crds.registry import BY_PLURAL, GROUP
from wegent_kube import ApiError
from wegent_kube.backoff import CAP_S
from wegent_kube.content_types import JSON_PATCH, MERGE_PATCH
from wegent_kube.resources import CRDS, RESOURCE_QUOTAS, ROLE_BINDINGS, SERVICE_ACCOUNTS
from wegent_operator.runtime.visibility import ABSENT_AFTER_S


async def test_a_crd_that_is_deleted_stops_no_other_kind_and_is_watched_again_when_it_is_back(
    admin: Api, space: str, operator_of_its_own: OperatorProcess
) -> None:
    operator = operator_of_its_own
    await asyncio.to_thread(operator.start)
    await admin.create("skills", space, "k", {"description": "Knows."})
    skilled = {"systemPrompt": "You help.", "skillRefs": [{"name": "k"}]}
    await admin.create("ghosts", space, "skilled", skilled)
    await admin.settled("ghosts", space, "skilled")
    await delete_crd(admin, "skills")
    await refused(operator, "skills", "404")
    await admin.create("ghosts", space, "g", {"systemPrompt": "You help."})
    await admin.settled("ghosts", space, "g")
    await admin.create("bots", space, "b", REFS)
    await admin.settled("bots", space, "b")
    await admin.settled("ghosts", space, "skilled", "RefNotFound")
    assert operator.get("/healthz") == (200, "ok\n"), "a restart would not help"
    metrics = operator.get("/metrics")[1]
    assert 'wegent_operator_watch_refused{resource="skills"} 1.0' in metrics
    assert 'wegent_operator_watch_refused{resource="ghosts"} 0.0' in metrics

    await put_crd_back(admin, "skills")
    await create_soon(admin, "skills", space, "k", {"description": "Knows."})
    await ready(operator)
    await admin.settled("skills", space, "k")
    await admin.settled("ghosts", space, "skilled")
    ends_in_time(operator)


async def test_a_crd_that_is_missing_at_the_start_stops_no_other_kind_nor_the_end(
    admin: Api, space: str, operator_of_its_own: OperatorProcess
) -> None:
    operator = operator_of_its_own
    await delete_crd(admin, "teams")
    operator.launch()
    await refused(operator, "teams", "404")
    await admin.create("ghosts", space, "g", {"systemPrompt": "You help."})
    await admin.settled("ghosts", space, "g")
    await asyncio.to_thread(ends_in_time, operator)

    operator.launch()
    await refused(operator, "teams", "404")
    await put_crd_back(admin, "teams")
    await admin.create("bots", space, "b", REFS)
    await create_soon(admin, "teams", space, "t", {"bots": [{"name": "b"}]})
    await ready(operator)
    await admin.settled("teams", space, "t")
    ends_in_time(operator)


async def serve_v1(admin: Api, plural: str, *, served: bool) -> None:
    """Let a kind's one version be served, or not, as in the midst of a change of versions."""
    path = CRDS.path(name=f"{plural}.{GROUP}")
    patch = [{"op": "replace", "path": "/spec/versions/0/served", "value": served}]
    await admin.client.request("PATCH", path, body=patch, content_type=JSON_PATCH)


def deleted_by_operator(audit: AuditLog) -> list[str]:
    """Return the operator's deletions, without those of quotas.

    The operator deletes a quota that the cluster has counted in part, and creates it again.
    """
    writes = audit.writes(user="system:serviceaccount:wegent-system:wegent-operator")
    return [
        f"{it.resource}/{it.name}"
        for it in writes
        if it.verb == "delete" and it.resource != RESOURCE_QUOTAS.plural
    ]


async def test_a_version_that_is_not_served_for_a_while_takes_nothing_for_deleted(
    admin: Api, space: str, cluster: ControlPlane, operator_of_its_own: OperatorProcess
) -> None:
    """The API server answers 404 then, as it does without the CRD.

    The garbage collector may take the 404 for the end of the ServiceAccount's owner, if it has
    not listed Accounts yet, and the operator then creates the ServiceAccount again. The test
    therefore asks the audit log for the operator's own deletions.
    """
    operator = OperatorProcess(
        operator_of_its_own.kubeconfig, operator_of_its_own.log, watch_timeout_s="1"
    )
    name = f"u{space}"
    path = SERVICE_ACCOUNTS.path("wegent-accounts", name)
    await asyncio.to_thread(operator.start)
    try:
        await admin.create("ghosts", space, "g", {"systemPrompt": "You help."})
        await admin.create("bots", space, "b", REFS)
        await admin.settled("bots", space, "b")
        await admin.create("accounts", "wegent-accounts", name, {"email": "developer@example.org"})
        await admin.settled("accounts", "wegent-accounts", name)
        audit = AuditLog(cluster.audit_log)
        for plural in ("accounts", "ghosts"):
            await serve_v1(admin, plural, served=False)
        try:
            for plural in ("accounts", "ghosts"):
                await refused(operator, plural, "404")
            # Longer than a CRD must be missing to count as gone, and the pause between two tries.
            await asyncio.sleep(ABSENT_AFTER_S + CAP_S + 1)
            bot = await admin.get("bots", space, "b")
            assert bot is not None
            assert condition(bot, "Ready")["reason"] == "Ready", "the Ghost is there"
            assert deleted_by_operator(audit) == []
        finally:
            for plural in ("accounts", "ghosts"):
                await serve_v1(admin, plural, served=True)
        await ready(operator)
        assert deleted_by_operator(audit) == []
        await admin.client.request("GET", path)
    finally:
        assert operator.stop() == 0, operator.tail()


@asynccontextmanager
async def without_schema(admin: Api, *plurals: str) -> AsyncIterator[None]:
    """Let kinds take any value, as a CRD of an earlier version may have."""
    anything = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    strict = {}
    for plural in plurals:
        path = CRDS.path(name=f"{plural}.{GROUP}")
        [version] = (await admin.client.request("GET", path))["spec"]["versions"]
        strict[path] = version
        # A field that can be selected must be in the schema.
        loose = {**version, "schema": anything, "selectableFields": None}
        patch = {"spec": {"versions": [loose]}}
        await admin.client.request("PATCH", path, body=patch, content_type=MERGE_PATCH)
    try:
        yield
    finally:
        for path, version in strict.items():
            patch = {"spec": {"versions": [version]}}
            await admin.client.request("PATCH", path, body=patch, content_type=MERGE_PATCH)


async def test_objects_that_an_earlier_schema_let_by_are_there_and_can_be_deleted(
    admin: Api, space: str, operator_of_its_own: OperatorProcess
) -> None:
    operator, name = operator_of_its_own, f"u{space}"
    path = SERVICE_ACCOUNTS.path("wegent-accounts", name)
    await asyncio.to_thread(operator.start)
    await admin.create("accounts", "wegent-accounts", name, {"email": "developer@example.org"})
    await admin.settled("accounts", "wegent-accounts", name)
    before = await admin.client.request("GET", path)
    assert operator.stop() == 0
    odd = {
        "g": ("ghosts", 7, {"conditions": [7, {"type": 5}], "observedGeneration": "x"}),
        "k": ("skills", {"accessFrom": {"namespaceSelectors": "all"}}, "text"),
        "t": ("tasks", {"botRef": {"name": "b"}, "prompt": "Go."}, {"phase": "Paused"}),
    }
    async with without_schema(admin, "ghosts", "skills", "tasks", "accounts"):
        for item, (plural, spec, status) in odd.items():

            async def stored(
                item: str = item, plural: str = plural, spec: Any = spec, status: Any = status
            ) -> bool:
                try:
                    if await admin.get(plural, space, item) is None:
                        await admin.create(plural, space, item, spec)
                    body = {"status": status}
                    await admin.merge(plural, space, item, body, subresource="status")
                except ApiError as error:
                    raise AssertionError(str(error)) from error
                return True

            await eventually(stored, within_s=60, what=f"{plural} to take any value")
        spec = {"spec": {"namespaces": [{"name": "x"}, 5, {"name": space, "role": "editor"}]}}
        await admin.merge("accounts", "wegent-accounts", name, spec)
    operator.start()
    await admin.create("bots", space, "b", REFS)
    await admin.settled("bots", space, "b")
    after = await admin.client.request("GET", path)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    binding = ROLE_BINDINGS.path(space, f"wegent-account-{name}-editor")

    async def bound() -> bool:
        try:
            await admin.client.request("GET", binding)
        except ApiError as error:
            raise AssertionError(str(error)) from error
        return True

    await eventually(bound, within_s=BACK_WITHIN_S, what="what can be read to be given")
    for item, (plural, _, _) in odd.items():
        uid = (await admin.get(plural, space, item) or {})["metadata"]["uid"]
        await admin.delete(plural, space, item)
        kept = await admin.get("tombstones", space, f"{BY_PLURAL[plural].singular}-{uid}")
        assert kept is not None
    ends_in_time(operator)


async def test_all_crds_may_be_deleted_at_once_and_put_back(
    admin: Api, space: str, operator_of_its_own: OperatorProcess
) -> None:
    """No object waits for the trash if the trash's CRD is deleted too.

    Otherwise the object's CRD could never be recreated.
    """
    operator, name = operator_of_its_own, f"u{space}"
    await asyncio.to_thread(operator.start)
    await admin.create("ghosts", space, "g", {"systemPrompt": "You help."})
    await admin.create("bots", space, "b", REFS)
    await admin.settled("bots", space, "b")
    await admin.create("accounts", "wegent-accounts", name, {"email": "developer@example.org"})
    await admin.settled("accounts", "wegent-accounts", name)
    # First the trash's own: without it, objects wait, until their kind is to go as well.
    await delete_crd(admin, "tombstones")
    await admin.ask_to_delete("ghosts", space, "g")
    await asyncio.sleep(2)
    held = await admin.get("ghosts", space, "g")
    assert held is not None
    assert held["metadata"]["finalizers"], "there is no place for it in the trash"
    others = [plural for plural in BY_PLURAL if plural != "tombstones"]
    await asyncio.gather(*(delete_crd(admin, plural) for plural in others))
    assert operator.get("/healthz")[0] == 200
    for plural in BY_PLURAL:
        await put_crd_back(admin, plural)
    await create_soon(admin, "models", space, "m", {"provider": "openai", "model": "gpt-4"})
    await create_soon(admin, "shells", space, "s", {"type": "Chat"})
    await create_soon(admin, "ghosts", space, "g", {"systemPrompt": "You help."})
    await create_soon(admin, "bots", space, "b", REFS)
    await ready(operator)
    await admin.settled("bots", space, "b")
    ends_in_time(operator)


WITHOUT_KOPF = """
from wegent_operator.watch import kopf_settings
from wegent_operator.__main__ import main

async def broken(self, **_):
    raise RuntimeError("nobody has foreseen this")

kopf_settings.Session.request = broken
main([])
"""


def test_a_process_whose_kopf_has_ended_ends_too(kubeconfig: Path) -> None:
    operator = OperatorProcess(
        kubeconfig, kubeconfig.with_name("broken.log"), command=("-c", WITHOUT_KOPF)
    )
    operator.launch()
    assert operator.wait(60) not in {0, None}, operator.tail()
