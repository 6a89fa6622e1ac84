"""Watches that end in an error because a CRD or a right is removed, and later comes back.

The tests use a control plane of their own, because other tests need all kinds and all rights.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from devcluster.binaries import Binaries
from devcluster.controlplane import ControlPlane
from tests.support.api import Api, condition
from tests.support.audit import AuditLog
from tests.support.cluster import ROOT, installed_plane
from tests.support.identity import kubectl_as
from tests.support.kubectl import Kubectl
from tests.support.operator import OperatorProcess
from tests.support.waiting import eventually
from wegent_crds.registry import BY_PLURAL, GROUP
from wegent_kube import ApiError, KubeClient, get_or_none, load_connection
from wegent_kube.backoff import CAP_S
from wegent_kube.content_types import JSON_PATCH, MERGE_PATCH
from wegent_kube.resources import CRDS, EVENTS, ROLE_BINDINGS, SERVICE_ACCOUNTS, Resource
from wegent_operator.runtime.sight import ABSENT_AFTER_S

ROLE = Resource("rbac.authorization.k8s.io", "v1", "clusterroles").path(name="wegent-operator")
BACK_WITHIN_S = 30.0
"""The longest pause between two tries is 10 s, and the machine may be busy."""
GRACE_S = 20.0
"""A Pod is given 30 s to end."""
REFS = {"ghostRef": {"name": "g"}, "modelRef": {"name": "m"}, "shellRef": {"name": "s"}}


@pytest.fixture(scope="module")
def cluster(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with installed_plane(binaries, tmp_path_factory.mktemp("watching"), audit=True) as plane:
        yield plane


@pytest.fixture(scope="module")
def kubeconfig(cluster: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the rights of the operator."""
    admin = Kubectl(cluster.binaries.kubectl, cluster.kubeconfig)
    directory = tmp_path_factory.mktemp("watching-operator")
    return kubectl_as(cluster, admin, "wegent-system", "wegent-operator", directory).kubeconfig


@pytest.fixture
async def admin(cluster: ControlPlane) -> AsyncIterator[Api]:
    async with KubeClient(load_connection(cluster.kubeconfig)) as client:
        yield Api(client)


@pytest.fixture
async def space(admin: Api) -> str:
    """A namespace in which a Bot can be Ready."""
    name = f"w{time.monotonic_ns()}"
    await admin.create_namespace(name)
    await admin.create("models", name, "m", {"provider": "openai", "model": "gpt-4"})
    await admin.create("shells", name, "s", {"type": "Chat"})
    return name


@pytest.fixture
def operator_of_its_own(kubeconfig: Path) -> Iterator[OperatorProcess]:
    process = OperatorProcess(kubeconfig, kubeconfig.with_name("watching.log"))
    yield process
    if process.running():
        process.kill()


async def delete_crd(admin: Api, plural: str) -> None:
    path = CRDS.path(name=f"{plural}.{GROUP}")
    await admin.client.request("DELETE", path)

    async def gone() -> bool:
        return await get_or_none(admin.client.request("GET", path)) is None

    await eventually(gone, within_s=60, what=f"the CRD of {plural} to be gone")


async def put_crd_back(admin: Api, plural: str) -> None:
    manifest = yaml.safe_load((ROOT / "crds" / f"{BY_PLURAL[plural].singular}.yaml").read_text())
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


async def test_nothing_is_said_of_references_to_what_may_not_be_read_and_all_of_it_afterwards(
    admin: Api, space: str, operator_of_its_own: OperatorProcess
) -> None:
    operator = operator_of_its_own
    await admin.create("ghosts", space, "g", {"systemPrompt": "You help."})
    async with without_rights(admin, "ghosts", "rolebindings"):
        operator.launch()
        await refused(operator, "ghosts", "403")
        await refused(operator, "rolebindings", "403")
        await admin.create("bots", space, "b", REFS)
        await admin.create("skills", space, "k", {"description": "Knows."})
        await admin.settled("skills", space, "k")
        bot = await admin.get("bots", space, "b")
        assert bot is not None
        assert condition(bot, "Ready")["reason"] == "Pending", "the Ghost is there"
        assert operator.get("/healthz")[0] == 200

        async def told() -> bool:
            events = await admin.client.request("GET", EVENTS.path(space))
            of_bot = [it for it in events["items"] if it["involvedObject"]["name"] == "b"]
            assert [it["reason"] for it in of_bot] == ["KindRefused"], of_bot
            assert "ghosts (403" in of_bot[0]["message"]
            return True

        await eventually(told, within_s=30, what="the Bot to have an Event that says why")
    await ready(operator)
    await admin.settled("bots", space, "b")
    ends_in_time(operator)


async def test_a_right_that_goes_for_a_while_loses_nothing_that_happened_meanwhile(
    admin: Api, space: str, operator_of_its_own: OperatorProcess
) -> None:
    operator = OperatorProcess(
        operator_of_its_own.kubeconfig,
        operator_of_its_own.log,
        watch_timeout_s="2",  # a watch that is under way is not cut off with its right
    )
    await asyncio.to_thread(operator.start)
    try:
        await admin.create("ghosts", space, "g", {"systemPrompt": "You help."})
        await admin.create("bots", space, "b", REFS)
        await admin.settled("bots", space, "b")
        async with without_rights(admin, "ghosts"):
            await refused(operator, "ghosts", "403")
            await admin.create("ghosts", space, "new", {"systemPrompt": "You help."})
            await admin.create("bots", space, "c", {**REFS, "ghostRef": {"name": "new"}})
            await admin.merge("models", space, "m", {"spec": {"model": "gpt-5"}})
            await admin.settled("models", space, "m")
            await admin.settled("bots", space, "b")
            bot = await admin.get("bots", space, "c")
            assert bot is not None
            assert condition(bot, "Ready")["reason"] == "Pending", "the Ghost is there"
        await ready(operator)
        await admin.settled("bots", space, "c")
        await admin.settled("ghosts", space, "new")
    finally:
        assert operator.stop() == 0, operator.tail()


async def test_no_access_is_withdrawn_while_accounts_may_not_be_read(
    admin: Api, space: str, operator_of_its_own: OperatorProcess
) -> None:
    operator, name = operator_of_its_own, f"u{space}"
    await asyncio.to_thread(operator.start)
    await admin.create("accounts", "wegent-accounts", name, {"email": "developer@example.org"})
    await admin.settled("accounts", "wegent-accounts", name)
    path = SERVICE_ACCOUNTS.path("wegent-accounts", name)
    before = await admin.client.request("GET", path)
    assert operator.stop() == 0
    async with without_rights(admin, "accounts"):
        operator.launch()
        await refused(operator, "accounts", "403")
        await admin.create("skills", space, "k", {"description": "Knows."})
        await admin.settled("skills", space, "k")
        after = await admin.client.request("GET", path)
        assert after["metadata"]["uid"] == before["metadata"]["uid"]
        assert "deletionTimestamp" not in after["metadata"]
    await ready(operator)
    assert (await admin.client.request("GET", path))["metadata"]["uid"] == before["metadata"]["uid"]
    ends_in_time(operator)


async def test_a_suspension_waits_for_no_list_of_bindings_or_namespaces(
    admin: Api, space: str, operator_of_its_own: OperatorProcess
) -> None:
    operator, name = operator_of_its_own, f"u{space}"
    binding = ROLE_BINDINGS.path(space, f"wegent-account-{name}-editor")
    await asyncio.to_thread(operator.start)
    spec = {
        "email": "developer@example.org",
        "namespaces": [{"name": space, "role": "editor"}],
    }
    await admin.create("accounts", "wegent-accounts", name, spec)
    await admin.settled("accounts", "wegent-accounts", name)
    assert operator.stop() == 0
    async with without_rights(admin, "namespaces", "rolebindings", "clusterrolebindings"):
        operator.launch()
        await refused(operator, "rolebindings", "403")
        await admin.merge("accounts", "wegent-accounts", name, {"spec": {"suspended": True}})
        await admin.settled("accounts", "wegent-accounts", name, "Suspended")
        assert await admin.find(SERVICE_ACCOUNTS, "wegent-accounts", name) is None
        await admin.client.request("GET", binding)
    await ready(operator)

    async def gone() -> bool:
        return await get_or_none(admin.client.request("GET", binding)) is None

    await eventually(gone, within_s=BACK_WITHIN_S, what="the binding to be gone")
    ends_in_time(operator)


async def serve_v1(admin: Api, plural: str, *, served: bool) -> None:
    """Let a kind's one version be served, or not, as in the midst of a change of versions."""
    path = CRDS.path(name=f"{plural}.{GROUP}")
    patch = [{"op": "replace", "path": "/spec/versions/0/served", "value": served}]
    await admin.client.request("PATCH", path, body=patch, content_type=JSON_PATCH)


def deleted_by_operator(audit: AuditLog) -> list[str]:
    """Return the objects that the operator deleted, except quotas.

    The operator deletes a quota that the controller manager can't count, and creates it again. A
    kind that isn't served is such a reason.
    """
    writes = audit.writes(user="system:serviceaccount:wegent-system:wegent-operator")
    return [
        f"{it.resource}/{it.name}"
        for it in writes
        if it.verb == "delete" and it.resource != "resourcequotas"
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
from wegent_operator.watch import kopf_session
from wegent_operator.__main__ import main

async def broken(self, **_):
    raise RuntimeError("nobody has foreseen this")

kopf_session.KopfSession.request = broken
main([])
"""


def test_a_process_whose_kopf_has_ended_ends_too(kubeconfig: Path) -> None:
    operator = OperatorProcess(
        kubeconfig, kubeconfig.with_name("broken.log"), command=("-c", WITHOUT_KOPF)
    )
    operator.launch()
    assert operator.wait(60) not in {0, None}, operator.tail()
