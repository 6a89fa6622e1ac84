"""``fieldSelector``: the kinds' ``selectableFields``, passed on to the API server."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from codegen.crds import definition
from tests.api.events import following
from tests.api.objects import BASE
from tests.api.users import User, unique
from tests.support.kubectl import Kubectl
from tests.support.proxy import Client
from tests.support.tasks import ended, running
from tests.support.waiting import eventually
from wegent_crds.models import model_of
from wegent_crds.registry import KINDS

BOT = {"ghostRef": {"name": "g"}, "modelRef": {"name": "m"}, "shellRef": {"name": "s"}}


async def create(client: Client, plural: str, place: str, name: str, **spec: object) -> None:
    body = {"metadata": {"name": name}, "spec": spec}
    path = f"{BASE}/{plural}?namespace={place}&validateRefs=false"
    (await client.post(path, body)).expect(201)


async def names(client: Client, path: str) -> list[str]:
    listed = (await client.get(path)).expect(200)
    return [item["metadata"]["name"] for item in listed["items"]]


async def test_tasks_are_selected_by_phase_and_by_reference(user: User) -> None:
    tag = unique("field")
    for name, spec in (
        ("of-team", {"teamRef": {"name": tag}}),
        ("of-bot", {"botRef": {"name": tag, "namespace": "default"}}),
    ):
        await create(user.client, "tasks", user.home, f"{tag}-{name}", prompt="x", **spec)
    for place in (user.home, "*"):
        path = f"{BASE}/tasks?namespace={place}&fieldSelector="
        assert await names(user.client, f"{path}spec.teamRef.name={tag}") == [f"{tag}-of-team"]
        both = f"spec.botRef.name={tag},spec.botRef.namespace=default"
        assert await names(user.client, f"{path}{both},status.phase=Pending") == [f"{tag}-of-bot"]
        assert await names(user.client, f"{path}{both},status.phase!=Pending") == []


async def status(kubectl: Kubectl, plural: str, place: str, name: str, **said: Any) -> None:
    """Write a status as the operator and the runners do."""
    patch = ("--type=merge", "--subresource=status", "-p", json.dumps({"status": said}))
    (await kubectl.call("patch", plural, name, f"--namespace={place}", *patch)).ok()


@pytest.mark.usefixtures("operator")
async def test_what_is_ready_and_what_is_not(user: User) -> None:
    tag, place = unique("ready"), user.home
    await create(user.client, "models", place, tag, provider="p", model=tag)
    await create(user.client, "bots", place, tag, **BOT | {"ghostRef": {"name": tag}})
    for plural, own, value, other in (
        ("models", f"spec.model={tag}", "True", "False"),
        ("bots", f"spec.ghostRef.name={tag}", "False", "True"),
    ):
        for where in (place, "*"):
            path = f"{BASE}/{plural}?namespace={where}&fieldSelector={own},status.ready"

            async def reconciled(path: str = path, value: str = value) -> bool:
                assert await names(user.client, f"{path}={value}") == [tag]
                return True

            await eventually(reconciled, within_s=30, what=f"{plural} to be selected by {value}")
            assert await names(user.client, f"{path}={other}") == []
            assert await names(user.client, f"{path}!={value}") == []


async def test_a_task_that_leaves_the_selection_is_deleted_from_the_watch(
    user: User, kubectl: Kubectl
) -> None:
    tag, place = unique("leave"), user.home
    await create(user.client, "tasks", place, tag, prompt="x", teamRef={"name": tag})
    base = f"{BASE}/tasks?namespace={place}&watch=true&fieldSelector=spec.teamRef.name={tag}"
    async with (
        following(user.client, f"{base},status.phase=Pending") as pending,
        following(user.client, f"{base},status.phase=Failed") as failed,
    ):
        assert [it.event for it in await pending.beginning()] == ["ADDED", "BOOKMARK"]
        assert [it.event for it in await failed.beginning()] == ["BOOKMARK"]
        await status(kubectl, "tasks", place, tag, **running())
        await status(kubectl, "tasks", place, tag, **ended("Failed"), claim=None)
        while (left := await pending.next()) and left.event == "MODIFIED":
            pass  # the operator's verdict, if an operator runs
        came = await failed.next()
        assert [(it.event, it.name) for it in (left, came) if it] == [
            ("DELETED", tag),
            ("ADDED", tag),
        ]


async def test_pages_keep_the_selector(user: User) -> None:
    tag = unique("pages")
    for number in range(3):
        await create(user.client, "models", user.home, f"{tag}-{number}", provider="p", model=tag)
    await create(user.client, "models", user.home, f"{tag}-other", provider="p", model="other")
    path = f"{BASE}/models?namespace=*&limit=2&fieldSelector=spec.model={tag}"
    first = (await user.client.get(path)).expect(200)
    token = first["metadata"]["continue"]
    found = [item["metadata"]["name"] for item in first["items"]]
    found += await names(user.client, f"{path}&continue={token}")
    assert found == [f"{tag}-{number}" for number in range(3)]


async def test_what_is_followed_is_selected(user: User) -> None:
    tag = unique("watch")
    path = f"{BASE}/bots?namespace={user.home}&watch=true&fieldSelector=spec.ghostRef.name={tag}"
    await create(user.client, "bots", user.home, f"{tag}-other", **BOT)
    async with following(user.client, path) as stream:
        assert [event.event for event in await stream.beginning()] == ["BOOKMARK"]
        await create(user.client, "bots", user.home, f"{tag}-b", **BOT)
        await create(user.client, "bots", user.home, tag, **BOT | {"ghostRef": {"name": tag}})
        event = await stream.next()
        assert event
        assert (event.event, event.name) == ("ADDED", tag)


@pytest.mark.parametrize("query", ["", "&namespace=*", "&watch=true"])
async def test_a_field_that_can_not_be_selected_is_refused_with_those_that_can(
    user: User, query: str
) -> None:
    answer = await user.client.get(f"{BASE}/tasks?fieldSelector=spec.prompt=x{query}")
    said = answer.refused(400, "BadRequest")
    assert "field label not supported: spec.prompt" in said
    for field in ("metadata.name", "status.phase", "status.ready", "spec.teamRef.name"):
        assert field in said


@pytest.mark.parametrize("selector", ["status.phase", "status.phase>Pending", "a=b=c,"])
@pytest.mark.parametrize("query", ["", "&namespace=*", "&watch=true"])
async def test_what_is_no_selector_is_refused_with_the_fields_that_there_are(
    user: User, query: str, selector: str
) -> None:
    answer = await user.client.get(f"{BASE}/tasks?fieldSelector={quote(selector)}{query}")
    assert "supported fields of a Task are metadata.name" in answer.refused(400, "BadRequest")


async def test_all_parameters_at_their_bounds_fit_into_a_url(user: User) -> None:
    long = {"labelSelector": 2048, "continue": 2048, "fieldSelector": 1024}
    query = "&".join(f"{name}={quote(chr(0x10FFFF) * length)}" for name, length in long.items())
    said = (await user.client.get(f"{BASE}/tasks?{query}")).refused(400, "BadRequest")
    assert "not HTTP" not in said


async def test_another_bad_parameter_is_told_as_ever(user: User) -> None:
    path = f"{BASE}/tasks?fieldSelector=status.phase=Failed&labelSelector={quote('a in')}"
    assert "supported fields of" not in (await user.client.get(path)).refused(400, "BadRequest")


async def test_the_trash_takes_its_own_fields_beside_the_selector(user: User) -> None:
    path = f"/api/v1/trash?namespace={user.home}&kind=Ghost&fieldSelector="
    assert await names(user.client, f"{path}spec.name=none") == []
    said = (await user.client.get(f"{path}spec.object=x")).refused(400, "BadRequest")
    assert "supported fields of a Tombstone are" in said


def test_each_kind_is_selected_by_its_readiness() -> None:
    for kind in KINDS:
        [version] = definition(kind)["spec"]["versions"]
        assert {"jsonPath": ".status.ready"} in version["selectableFields"]


def test_no_kind_has_more_selectable_fields_than_a_crd_may_have() -> None:
    assert all(len(model_of(kind).selectable_fields()) <= 8 for kind in KINDS)
