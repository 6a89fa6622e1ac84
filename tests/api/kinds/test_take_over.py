"""Server-side apply after other writes over REST: only fields of other users conflict."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.api.objects import BASE, Body, ghost
from tests.api.users import User, unique
from tests.support.kubectl import Kubectl
from tests.support.proxy import Answer, Client
from wegent_crds.registry import API_VERSION
from wegent_kube.content_types import APPLY_PATCH, JSON_PATCH, MERGE_PATCH

GHOSTS = f"{BASE}/ghosts"
APPLY = "/api/v1/apply"
OPERATION = {"op": "replace", "path": "/spec/systemPrompt", "value": "Mine."}

Write = Callable[[Client, str, str], Awaitable[Answer]]


def prompt(name: str, text: str) -> Body:
    return ghost(name, text)


async def post(client: Client, name: str, text: str) -> Answer:
    return await client.post(GHOSTS, prompt(name, text))


async def put(client: Client, name: str, text: str) -> Answer:
    return await client.put(f"{GHOSTS}/{name}", prompt(name, text))


async def merge(client: Client, name: str, text: str) -> Answer:
    body = {"spec": {"systemPrompt": text}}
    return await client.patch(f"{GHOSTS}/{name}", body, type_=MERGE_PATCH)


async def operations(client: Client, name: str, text: str) -> Answer:
    body = [{**OPERATION, "value": text}]
    return await client.patch(f"{GHOSTS}/{name}", body, type_=JSON_PATCH)


async def apply_one(client: Client, name: str, text: str) -> Answer:
    body = {"spec": {"systemPrompt": text}}
    return await client.patch(f"{GHOSTS}/{name}", body, type_=APPLY_PATCH)


async def apply_several(client: Client, name: str, text: str) -> Answer:
    body = {"apiVersion": API_VERSION, "kind": "Ghost", **prompt(name, text)}
    return await client.post(APPLY, body)


APPLIES = pytest.mark.parametrize("apply", [apply_one, apply_several])
CHANGES: list[list[Write]] = [
    [post],
    [post, put],
    [post, merge],
    [post, operations],
    [apply_one, put],
    [apply_several, merge],
    [post, apply_one, put],
    [post, apply_several, operations],
]


def names(writes: list[Write]) -> str:
    return "-".join(write.__name__ for write in writes)


async def prompt_of(client: Client, name: str) -> str:
    stored: Any = (await client.get(f"{GHOSTS}/{name}")).expect(200)
    return str(stored["spec"]["systemPrompt"])


def refused_conflict(answer: Answer) -> str:
    """Return the message of a conflict, for one object or one in a list."""
    status: Any = answer.json
    if answer.status == 207:
        [item] = status["items"]
        status = item["status"]
    assert (status["code"], status["reason"]) == (409, "Conflict"), status
    assert {it["reason"] for it in status["details"]["causes"]} == {"FieldManagerConflict"}
    return str(status["message"])


@APPLIES
@pytest.mark.parametrize("writes", CHANGES, ids=names)
async def test_an_apply_follows_any_writes_of_the_same_caller(
    client: Client, writes: list[Write], apply: Write
) -> None:
    name = unique("own")
    for number, write in enumerate(writes):
        assert (await write(client, name, f"Write {number}.")).status in {200, 201}
    assert (await apply(client, name, "Applied.")).status == 200
    assert await prompt_of(client, name) == "Applied."
    assert (await put(client, name, "Replaced.")).status == 200
    assert (await apply(client, name, "Again.")).status == 200
    assert await prompt_of(client, name) == "Again."


@APPLIES
async def test_a_field_that_another_user_changed_is_a_conflict_with_a_remedy(
    client: Client, new_user: Callable[[], Awaitable[User]], apply: Write
) -> None:
    other, name = await new_user(), unique("theirs")
    (await post(client, name, "Mine.")).expect(201)
    (await merge(other.client, name, "Theirs.")).expect(200)
    message = refused_conflict(await apply(client, name, "Mine again."))
    assert f'"wegent-api:{other.name}"' in message
    assert "?force=true" in message
    assert await prompt_of(client, name) == "Theirs."


@APPLIES
async def test_a_field_that_kubectl_wrote_is_a_conflict_with_a_remedy(
    client: Client, kubectl: Kubectl, apply: Write
) -> None:
    name = unique("kubectl")
    body = {"apiVersion": API_VERSION, "kind": "Ghost", **prompt(name, "By kubectl.")}
    (await kubectl.call("apply", "-f", "-", stdin=body)).ok()
    message = refused_conflict(await apply(client, name, "By REST."))
    assert '"kubectl-client-side-apply"' in message
    assert "?force=true" in message


async def test_one_foreign_field_among_own_ones_keeps_all_of_them(
    client: Client, kubectl: Kubectl
) -> None:
    name = unique("mixed")
    path = f"{GHOSTS}/{name}"
    (await post(client, name, "Mine.")).expect(201)
    patch = '{"spec":{"description":"By kubectl."}}'
    (await kubectl.call("patch", "ghost", name, "--type=merge", f"--patch={patch}")).ok()
    body = {"spec": {"systemPrompt": "New.", "description": "New."}}
    refused_conflict(await client.patch(path, body, type_=APPLY_PATCH))
    assert await prompt_of(client, name) == "Mine."


async def test_another_manager_or_force_false_asks_for_conflicts(client: Client) -> None:
    name = unique("asked")
    (await post(client, name, "Mine.")).expect(201)
    for query in ("fieldManager=ci", "force=false"):
        body = {"spec": {"systemPrompt": "New."}}
        answer = await client.patch(f"{GHOSTS}/{name}?{query}", body, type_=APPLY_PATCH)
        assert "?force=true" in refused_conflict(answer)
    assert await prompt_of(client, name) == "Mine."


@APPLIES
async def test_a_dry_run_says_that_own_fields_are_taken_over(client: Client, apply: Write) -> None:
    name = unique("dry")
    (await post(client, name, "Mine.")).expect(201)
    body = {"apiVersion": API_VERSION, "kind": "Ghost", **prompt(name, "New.")}
    if apply is apply_several:
        answer = await client.post(f"{APPLY}?dryRun=All", body)
        assert [it["result"] for it in answer.expect(200)["items"]] == ["configured"]
    else:
        path = f"{GHOSTS}/{name}?dryRun=All"
        now = (await client.patch(path, body, type_=APPLY_PATCH)).expect(200)
        assert now["spec"]["systemPrompt"] == "New."
    assert await prompt_of(client, name) == "Mine."


async def test_a_conditional_apply_takes_own_fields_over_at_its_version_alone(
    client: Client,
) -> None:
    name = unique("version")
    path = f"{GHOSTS}/{name}"
    tag = (await post(client, name, "Mine.")).headers["ETag"]
    body = {"spec": {"systemPrompt": "New."}}
    now = await client.patch(path, body, type_=APPLY_PATCH, headers={"If-Match": tag})
    now.expect(200)
    (await merge(client, name, "Newer.")).expect(200)
    stale = await client.patch(path, body, type_=APPLY_PATCH, headers={"If-Match": tag})
    stale.refused(412, "PreconditionFailed")
    assert await prompt_of(client, name) == "Newer."
