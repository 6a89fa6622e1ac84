"""An object's references and referrers, as far as the caller may see them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.api.objects import BASE, bot, example, ghost
from tests.api.users import User, unique
from tests.support.api import Api
from tests.support.audit import AuditLog
from tests.support.proxy import Answer, Client
from tests.support.waiting import eventually
from wegent_api.kinds.referrers import PAGE, SEARCHED

PROXY = "system:serviceaccount:wegent-system:wegent-api"


def references(answer: Answer) -> dict[str, tuple[Any, ...]]:
    """Return the answer's details of each reference, by its field."""
    items = answer.expect(200)["items"]
    return {
        it["field"]: (it["kind"], it["namespace"], it["name"], it.get("found"), it.get("permitted"))
        for it in items
    }


async def test_what_an_object_refers_to(client: Client) -> None:
    tag = unique("points")
    (await client.post(f"{BASE}/models", example("models", tag))).expect(201)
    body = example("bots", tag)
    name = body["metadata"]["name"]
    (await client.post(f"{BASE}/bots?validateRefs=false", body)).expect(201)
    answer = await client.get(f"{BASE}/bots/{name}/references")
    place = "default"
    assert references(answer) == {
        "spec.ghostRef": ("Ghost", place, f"pair-programmer-{tag}", False, True),
        "spec.modelRef": ("Model", place, f"quick-model-{tag}", True, True),
        "spec.shellRef": ("Shell", place, f"chat-{tag}", False, True),
    }
    team = {"metadata": {"name": tag}, "spec": {"bots": [{"name": f"no-{tag}"}, {"name": name}]}}
    (await client.post(f"{BASE}/teams?validateRefs=false", team)).expect(201)
    assert references(await client.get(f"{BASE}/teams/{tag}/references")) == {
        "spec.bots[0]": ("Bot", place, f"no-{tag}", False, True),
        "spec.bots[1]": ("Bot", place, name, True, True),
    }
    (await client.post(f"{BASE}/ghosts", ghost(tag))).expect(201)
    assert references(await client.get(f"{BASE}/ghosts/{tag}/references")) == {}
    assert references(await client.get(f"{BASE}/models/quick-model-{tag}/references")) == {}
    absent = await client.get(f"{BASE}/bots/no-{name}/references")
    absent.refused(404, "NotFound")


async def test_a_referent_that_one_may_not_look_at_is_neither_there_nor_not(
    new_user: Callable[[], Awaitable[User]], audit: AuditLog
) -> None:
    alice, bob = await new_user(), await new_user()
    name = unique("hers")
    (await alice.client.post(f"{BASE}/ghosts?namespace={alice.home}", ghost(name))).expect(201)
    body = bot(
        unique("his"),
        ghostRef={"name": name, "namespace": alice.home},
        modelRef={"name": f"no-{name}", "namespace": alice.home},
    )
    his = f"?namespace={bob.home}"
    (await bob.client.post(f"{BASE}/bots{his}&validateRefs=false", body)).expect(201)
    path = f"{BASE}/bots/{body['metadata']['name']}/references{his}"
    found = references(await bob.client.get(path))
    for field in ("spec.ghostRef", "spec.modelRef"):
        assert found[field][1] == alice.home
        assert found[field][3:] == (None, None)
    assert found["spec.shellRef"][3:] == (False, True)
    (await alice.client.get(path)).refused(403, "Forbidden")
    asked = [it for it in audit.requests() if it.resource in {"ghosts", "models", "shells"}]
    assert {it.user for it in asked} <= {alice.account, bob.account}


@pytest.mark.usefixtures("operator")
async def test_whether_it_is_permitted_is_the_operators_to_say(user: User) -> None:
    tag = unique("grant")
    mine, body = f"?namespace={user.home}", example("bots", tag)
    for plural in ("ghosts", "models", "shells"):
        (await user.client.post(f"{BASE}/{plural}", example(plural, tag))).expect(201)
    bots = f"{BASE}/bots"
    made = {**body, "metadata": {"name": tag}}
    (await user.client.post(f"{bots}{mine}", made)).expect(201)

    async def verdict(reason: str, path: str) -> dict[str, tuple[Any, ...]]:
        async def probe() -> Answer:
            answer = await user.client.get(path)
            resolved = answer.expect(200).get("resolvedRefs")
            assert resolved, "no word yet"
            assert (resolved["reason"], resolved["current"]) == (reason, True)
            return answer

        return references(await eventually(probe, within_s=30, what=reason))

    found = await verdict("ResolvedRefs", f"{bots}/{tag}/references{mine}")
    assert {it[3:] for it in found.values()} == {(True, True)}, "default is shared"

    (await user.client.post(f"{BASE}/ghosts{mine}", ghost(tag))).expect(201)
    body["spec"]["ghostRef"] = {"name": tag, "namespace": user.home}
    (await user.client.post(bots, {**body, "metadata": {"name": tag}})).expect(201)
    found = await verdict("RefNotPermitted", f"{bots}/{tag}/references")
    assert {field: it[3:] for field, it in found.items()} == {
        "spec.ghostRef": (True, False),
        "spec.modelRef": (True, True),
        "spec.shellRef": (True, True),
    }


def referrers(answer: Answer) -> dict[tuple[str, str, str], list[str]]:
    """Return each referrer with the fields that refer to the object."""
    return {
        (it["kind"], it["metadata"]["namespace"], it["metadata"]["name"]): it["fields"]
        for it in answer.expect(200)["items"]
    }


async def all_referrers(client: Client, path: str) -> dict[tuple[str, str, str], list[str]]:
    """Return the referrers of all pages."""
    found: dict[tuple[str, str, str], list[str]] = {}
    token = ""
    while True:
        answer = await client.get(f"{path}{token}")
        part = referrers(answer)
        assert not found.keys() & part.keys()
        found |= part
        if not (rest := answer.json.get("continue")):
            return found
        token = f"{'&' if '?' in path else '?'}continue={rest}"


async def test_what_refers_to_an_object_in_all_that_one_may_see(
    new_user: Callable[[], Awaitable[User]], admin_client: Client, audit: AuditLog
) -> None:
    alice, bob = await new_user(), await new_user()
    tag = unique("referred")
    (await alice.client.post(f"{BASE}/ghosts", ghost(tag))).expect(201)
    there = {"name": tag, "namespace": "default"}
    for user, place in ((alice, "default"), (alice, alice.home), (bob, bob.home)):
        path = f"{BASE}/bots?namespace={place}&validateRefs=false"
        (await user.client.post(path, bot(tag, ghostRef=there))).expect(201)
        (await user.client.post(path, bot(f"{tag}-not", modelRef=there))).expect(201)
        (await user.client.post(path, bot(f"{tag}-near", ghostRef={"name": tag}))).expect(201)
    path = f"{BASE}/ghosts/{tag}/referrers"
    field = ["spec.ghostRef"]
    default = {("Bot", "default", tag): field, ("Bot", "default", f"{tag}-near"): field}
    mine = {("Bot", alice.home, tag): field}
    his = {("Bot", bob.home, tag): field}
    assert await all_referrers(alice.client, path) == default | mine
    assert await all_referrers(bob.client, path) == default | his
    assert await all_referrers(admin_client, path) == default | mine | his
    near = f"{path}?namespace={alice.home}"
    expected = {("Bot", alice.home, f"{tag}-near"): field}
    assert await all_referrers(alice.client, near) == expected
    assert await all_referrers(bob.client, near) == {}
    asked = [it for it in audit.requests() if it.resource == "bots" and it.verb == "list"]
    assert PROXY not in {it.user for it in asked}


async def test_each_kind_that_may_refer_to_it_is_searched(client: Client) -> None:
    tag = unique("two")
    (await client.post(f"{BASE}/bots?validateRefs=false", bot(tag))).expect(201)
    team = {"metadata": {"name": tag}, "spec": {"bots": [{"name": f"no-{tag}"}, {"name": tag}]}}
    (await client.post(f"{BASE}/teams?validateRefs=false", team)).expect(201)
    task = {
        "metadata": {"name": tag, "labels": {"a": "b"}},
        "spec": {"botRef": {"name": tag}, "prompt": "x"},
    }
    (await client.post(f"{BASE}/tasks", task)).expect(201)
    path = f"{BASE}/bots/{tag}/referrers"
    answer = await client.get(path)
    assert referrers(answer) == {
        ("Team", "default", tag): ["spec.bots[1]"],
        ("Task", "default", tag): ["spec.botRef"],
    }
    [shown] = [it["metadata"] for it in answer.json["items"] if it["kind"] == "Task"]
    assert shown["labels"] == {"a": "b"}
    assert "managedFields" not in shown
    assert referrers(await client.get(f"{path}?continue=tasks.")).keys() == {
        ("Task", "default", tag)
    }
    assert await all_referrers(client, f"{BASE}/bots/no-{tag}/referrers") == {
        ("Team", "default", tag): ["spec.bots[0]"]
    }
    assert await all_referrers(client, f"{BASE}/tasks/{tag}/referrers") == {}


async def test_a_search_goes_on_where_it_was(user: User, api: Api) -> None:
    tag = unique("far")
    count = SEARCHED + PAGE + 1
    spec = {"teamRef": {"name": tag}, "prompt": "x"}
    for start in range(0, count, 50):
        batch = range(start, min(start + 50, count))
        await asyncio.gather(
            *(api.create("tasks", user.home, f"{tag}-{index:04}", spec) for index in batch)
        )
    path = f"{BASE}/teams/{tag}/referrers?namespace={user.home}"
    first = await user.client.get(path)
    assert first.expect(200)["continue"].startswith("tasks.")
    assert len(referrers(first)) <= SEARCHED
    assert len(await all_referrers(user.client, path)) == count


async def test_made_up_tokens_are_no_way_in(client: Client) -> None:
    path = f"{BASE}/ghosts/x/referrers"
    for token in ("tasks.", "secrets.", "x", "bots/../", "bots.namespaces.x", "bots.made-up"):
        answer = await client.get(f"{path}?continue={token}")
        assert 400 <= answer.status < 500, token


async def test_the_tasks_of_a_conversation(user: User) -> None:
    tag = unique("turn")
    mine = f"?namespace={user.home}&validateRefs=false"
    spec = {"botRef": {"name": f"no-{tag}"}, "prompt": "Go on."}
    for name, more in (
        (tag, {}),
        (f"{tag}-next", {"previousTaskRef": {"name": tag}}),
        (f"{tag}-branch", {"previousTaskRef": {"name": tag}}),
    ):
        body = {"metadata": {"name": name}, "spec": spec | more}
        (await user.client.post(f"{BASE}/tasks{mine}", body)).expect(201)
    near = f"?namespace={user.home}"
    assert await all_referrers(user.client, f"{BASE}/tasks/{tag}/referrers{near}") == {
        ("Task", user.home, f"{tag}-{branch}"): ["spec.previousTaskRef"]
        for branch in ("next", "branch")
    }
    found = references(await user.client.get(f"{BASE}/tasks/{tag}-next/references{near}"))
    assert found["spec.previousTaskRef"] == ("Task", user.home, tag, True, True)
    selector = f"fieldSelector=spec.previousTaskRef.name={tag}"
    listed = (await user.client.get(f"{BASE}/tasks{near}&{selector}")).expect(200)["items"]
    assert {it["metadata"]["name"] for it in listed} == {f"{tag}-next", f"{tag}-branch"}
    dangling = {"metadata": {"name": f"{tag}-late"}, "spec": spec}
    dangling["spec"] = {**spec, "previousTaskRef": {"name": f"no-{tag}"}}
    refused = await user.client.post(f"{BASE}/tasks{near}", dangling)
    refused.refused(422, "Invalid")
    assert refused.causes().keys() == {
        "spec.botRef",
        "spec.previousTaskRef",
    }
