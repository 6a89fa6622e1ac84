"""What an object refers to, and what refers to it, as far as the caller may see."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.api.objects import BASE, bot, example, ghost
from tests.api.users import User, unique
from tests.support.audit import AuditLog
from tests.support.proxy import Answer, Client
from tests.support.waiting import eventually


def references(answer: Answer) -> dict[str, tuple[Any, ...]]:
    """Return what is said of each reference, by its field."""
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
        "spec.ghostRef": ("Ghost", place, f"code-assistant-{tag}", False, True),
        "spec.modelRef": ("Model", place, f"gpt-4-{tag}", True, True),
        "spec.shellRef": ("Shell", place, f"chat-shell-{tag}", False, True),
    }
    team = {"metadata": {"name": tag}, "spec": {"bots": [{"name": f"no-{tag}"}, {"name": name}]}}
    (await client.post(f"{BASE}/teams?validateRefs=false", team)).expect(201)
    assert references(await client.get(f"{BASE}/teams/{tag}/references")) == {
        "spec.bots[0]": ("Bot", place, f"no-{tag}", False, True),
        "spec.bots[1]": ("Bot", place, name, True, True),
    }
    (await client.post(f"{BASE}/ghosts", ghost(tag))).expect(201)
    assert references(await client.get(f"{BASE}/ghosts/{tag}/references")) == {}
    assert references(await client.get(f"{BASE}/models/gpt-4-{tag}/references")) == {}
    absent = await client.get(f"{BASE}/bots/no-{name}/references")
    absent.refused(404, "NotFound")


async def test_a_referent_that_one_may_not_look_at_is_neither_there_nor_not(
    new_user: Callable[[], Awaitable[User]], audit: AuditLog
) -> None:
    alice, bob = await new_user(), await new_user()
    name = unique("hers")
    (await alice.client.post(f"{BASE}/ghosts?namespace={alice.namespace}", ghost(name))).expect(201)
    body = bot(
        unique("his"),
        ghostRef={"name": name, "namespace": alice.namespace},
        modelRef={"name": f"no-{name}", "namespace": alice.namespace},
    )
    his = f"?namespace={bob.namespace}"
    (await bob.client.post(f"{BASE}/bots{his}&validateRefs=false", body)).expect(201)
    path = f"{BASE}/bots/{body['metadata']['name']}/references{his}"
    found = references(await bob.client.get(path))
    for field in ("spec.ghostRef", "spec.modelRef"):
        assert found[field][1] == alice.namespace
        assert found[field][3:] == (None, None)
    assert found["spec.shellRef"][3:] == (False, True)
    (await alice.client.get(path)).refused(403, "Forbidden")
    asked = [it for it in audit.requests() if it.resource in {"ghosts", "models", "shells"}]
    assert {it.user for it in asked} <= {alice.account, bob.account}


@pytest.mark.usefixtures("live_operator")
async def test_whether_it_is_permitted_is_the_operators_to_say(user: User) -> None:
    tag = unique("grant")
    mine, body = f"?namespace={user.namespace}", example("bots", tag)
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

        return references(await eventually(probe, within_s=20, what=reason))

    found = await verdict("ResolvedRefs", f"{bots}/{tag}/references{mine}")
    assert {it[3:] for it in found.values()} == {(True, True)}, "default is shared"

    (await user.client.post(f"{BASE}/ghosts{mine}", ghost(tag))).expect(201)
    body["spec"]["ghostRef"] = {"name": tag, "namespace": user.namespace}
    (await user.client.post(bots, {**body, "metadata": {"name": tag}})).expect(201)
    found = await verdict("RefNotPermitted", f"{bots}/{tag}/references")
    assert {field: it[3:] for field, it in found.items()} == {
        "spec.ghostRef": (True, False),
        "spec.modelRef": (True, True),
        "spec.shellRef": (True, True),
    }
