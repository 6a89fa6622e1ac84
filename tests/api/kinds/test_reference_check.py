"""A POST reports at once which references don't resolve."""

from collections.abc import Awaitable, Callable

from tests.api.objects import BASE, bot, example, ghost
from tests.api.users import User, unique
from tests.support.audit import AuditLog
from tests.support.proxy import Client
from wegent_api.kinds.reference_check import MAX_TARGETS

BOTS = f"{BASE}/bots"


async def test_each_reference_that_is_not_there_is_a_cause(client: Client) -> None:
    tag = unique("refs")
    (await client.post(f"{BASE}/models", example("models", tag))).expect(201)
    body = example("bots", tag)
    answer = await client.post(BOTS, body)
    message = answer.refused(422, "Invalid")
    assert answer.causes() == {
        "spec.ghostRef": "FieldValueNotFound",
        "spec.shellRef": "FieldValueNotFound",
    }
    assert f'Bot.agent.wecode.io "{body["metadata"]["name"]}" is invalid' in message
    assert f"Ghost pair-programmer-{tag} not found in namespace default" in message
    assert "create it first, or use ?validateRefs=false" in message


async def test_references_in_lists_are_named_by_their_place(client: Client) -> None:
    tag = unique("refs")
    (await client.post(f"{BOTS}?validateRefs=false", example("bots", tag))).expect(201)
    there = f"my-coding-bot-{tag}"
    team = {
        "metadata": {"name": f"team-{tag}"},
        "spec": {"bots": [{"name": f"no-{tag}"}, {"name": there}, {"name": f"none-{tag}"}]},
    }
    answer = await client.post(f"{BASE}/teams", team)
    answer.refused(422, "Invalid")
    assert set(answer.causes()) == {"spec.bots[0]", "spec.bots[2]"}


async def test_without_validation_it_is_written_as_kubectl_would(client: Client) -> None:
    body = bot(unique("dangling"))
    (await client.post(f"{BOTS}?validateRefs=true", body)).refused(422, "Invalid")
    (await client.post(f"{BOTS}?validateRefs=false", body)).expect(201)


async def test_a_reference_points_into_the_objects_own_namespace(user: User) -> None:
    tag = unique("own")
    (await user.client.post(f"{BASE}/ghosts", ghost(tag))).expect(201)
    body = bot(f"bot-{tag}", ghostRef={"name": tag})
    elsewhere = await user.client.post(f"{BOTS}?namespace={user.home}", body)
    elsewhere.refused(422, "Invalid")
    assert "spec.ghostRef" in elsewhere.causes()
    here = await user.client.post(BOTS, body)
    here.refused(422, "Invalid")
    assert "spec.ghostRef" not in here.causes()


async def test_a_reference_that_one_may_not_look_at_tells_nothing(
    new_user: Callable[[], Awaitable[User]],
) -> None:
    """The request passes with or without the referent; the operator evaluates it."""
    alice, bob = await new_user(), await new_user()
    name = unique("secret")
    hers = f"?namespace={alice.home}"
    (await alice.client.post(f"{BASE}/ghosts{hers}", ghost(name))).expect(201)
    for target in (name, f"no-{name}"):
        body = bot(
            unique("spy"),
            **{
                field: {"name": target, "namespace": alice.home}
                for field in ("ghostRef", "modelRef", "shellRef")
            },
        )
        (await bob.client.post(BOTS, body)).expect(201)


async def test_lookups_are_the_callers_own_once_for_each_target(
    user: User, audit: AuditLog
) -> None:
    same = {"name": unique("same")}
    body = {
        "metadata": {"name": unique("g")},
        "spec": {"systemPrompt": "x", "skillRefs": [same, {**same, "namespace": "default"}]},
    }
    answer = await user.client.post(f"{BASE}/ghosts", body)
    assert set(answer.causes()) == {"spec.skillRefs[0]", "spec.skillRefs[1]"}
    looked = [it for it in audit.requests() if it.resource == "skills"]
    assert [(it.user, it.verb, it.code) for it in looked] == [(user.account, "get", 404)]


async def test_a_body_can_not_ask_for_any_number_of_lookups(user: User, audit: AuditLog) -> None:
    tag = unique("many")
    body = {
        "metadata": {"name": tag},
        "spec": {"bots": [{"name": f"{tag}-{index}"} for index in range(MAX_TARGETS + 1)]},
    }
    (await user.client.post(f"{BASE}/teams", body)).refused(422, "Invalid")
    assert not audit.requests(user=user.account)
    # Without the lookups, the schema refuses the list.
    answer = await user.client.post(f"{BASE}/teams?validateRefs=false", body)
    assert "spec.bots" in answer.refused(422, "Invalid")


async def test_what_is_not_shaped_like_a_reference_is_the_schemas_affair(client: Client) -> None:
    for reference in ("text", 7, ["x"], {"name": 7}, {}):
        body = {"metadata": {"name": unique("odd")}, "spec": {"ghostRef": reference}}
        answer = await client.post(BOTS, body)
        assert answer.status in {400, 422}
        assert "ghostRef" in answer.json["message"]
