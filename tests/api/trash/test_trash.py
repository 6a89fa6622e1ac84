"""An object deleted over REST is gone when the answer comes, and can be restored."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import pytest

from tests.api.conftest import ProxyFactory
from tests.api.objects import BASE, Body, example, ghost
from tests.api.users import User, unique
from tests.support.api import Api, is_ready
from tests.support.audit import AuditLog
from tests.support.kubectl import Kubectl
from tests.support.operator import OperatorProcess
from tests.support.policies import FINALIZERS_STAY, refusing
from tests.support.proxy import Client
from tests.support.rights import create_account, create_member, grant
from tests.support.waiting import eventually
from wegent_api.http.examples import KINDS
from wegent_crds.well_known import CREATED_BY, DELETED_BY, RESTORED_FROM, TOMBSTONE_OF
from wegent_kube.content_types import MERGE_PATCH

GHOSTS, TRASH = f"{BASE}/ghosts", "/api/v1/trash"
pytestmark = pytest.mark.usefixtures("operator")


async def deleted(client: Client, name: str, **metadata: object) -> Body:
    """Create and delete a Ghost; return its Tombstone, the latest of that name."""
    body = ghost(name)
    body["metadata"].update(metadata)
    (await client.post(GHOSTS, body)).expect(201)
    (await client.delete(f"{GHOSTS}/{name}")).expect(204)
    kept = (await client.get(f"{TRASH}?name={name}")).expect(200)["items"]
    return max(kept, key=lambda item: int(item["metadata"]["resourceVersion"]))


def path_of(tombstone: Body, action: str = "") -> str:
    return f"{TRASH}/{tombstone['metadata']['name']}{action}"


@pytest.fixture(scope="module")
async def viewer(api: Api, anonymous: Client) -> Client:
    """A user who may only read, in one namespace."""
    name = unique("viewer")
    return anonymous.as_(await create_member(api, "default", name, "wegent-viewer"))


@pytest.fixture
async def stopped(operator: OperatorProcess) -> AsyncIterator[OperatorProcess]:
    """The operator, stopped for one test."""
    assert await asyncio.to_thread(operator.stop) == 0
    yield operator
    if not operator.running():
        await asyncio.to_thread(operator.start)


async def test_after_the_answer_it_is_gone(client: Client) -> None:
    tag = unique("gone")
    for plural in KINDS:
        body = example(plural, tag)
        path = f"{BASE}/{plural}/{body['metadata']['name']}"
        (await client.post(f"{BASE}/{plural}?validateRefs=false", body)).expect(201)
        answer = await client.delete(path)
        assert (answer.status, answer.content) == (204, b"")
        assert answer.headers["Audit-Id"]
        (await client.get(path)).refused(404, "NotFound")
        (await client.delete(path)).refused(404, "NotFound")


async def test_a_deletion_is_three_requests_and_a_name(user: User, audit: AuditLog) -> None:
    """The deleter's name is otherwise only in the API server's audit log."""
    name = unique("two")
    (await user.client.post(GHOSTS, ghost(name))).expect(201)
    (await user.client.delete(f"{GHOSTS}/{name}")).expect(204)

    def ended() -> bool:  # a watch is logged once its connection is closed
        asked = [it for it in audit.requests(user=user.account) if it.verb != "create"]
        assert [it.verb for it in asked] == ["patch", "delete", "watch"]
        return True

    await eventually(ended, within_s=2, what="a deletion and a watch that ends with it")


async def reconciled(client: Client, path: str) -> bool:
    """Return True if the operator has written an object's verdict."""
    found = (await client.get(path)).expect(200)
    return bool(found.get("status", {}).get("ready") == "True")


async def test_the_tombstone_names_the_user_who_deleted(
    user: User, new_user: Callable[[], Awaitable[User]]
) -> None:
    other = await new_user()
    for if_match in (None, "*", "version"):
        name = unique("whose")
        (await user.client.post(GHOSTS, ghost(name))).expect(201)
        tag = if_match
        if if_match == "version":
            # After the verdict, no other write comes between.
            probe = partial(reconciled, user.client, f"{GHOSTS}/{name}")
            await eventually(probe, within_s=30, what="the operator's verdict")
            tag = (await user.client.get(f"{GHOSTS}/{name}")).headers["ETag"]
        headers = {"If-Match": tag} if tag else {}
        (await other.client.delete(f"{GHOSTS}/{name}?dryRun=All")).expect(204)
        there = (await user.client.get(f"{GHOSTS}/{name}")).expect(200)
        assert DELETED_BY not in there["metadata"]["annotations"]
        stale = await other.client.delete(f"{GHOSTS}/{name}", headers={"If-Match": '"1"'})
        stale.refused(412, "PreconditionFailed")
        (await other.client.delete(f"{GHOSTS}/{name}", headers=headers)).expect(204)
        [kept] = (await user.client.get(f"{TRASH}?name={name}")).expect(200)["items"]
        assert kept["spec"]["deletedBy"] == other.account
        assert DELETED_BY not in kept["spec"]["object"]["metadata"]["annotations"]
        # The deleter gets no right to another user's object.
        message = (await other.client.delete(path_of(kept))).refused(403, "Forbidden")
        assert "can be deleted only by the creator of the object" in message
        (await user.client.delete(path_of(kept))).expect(204)


async def test_a_refused_deletion_leaves_no_name(
    user: User, api: Api, kubectl: Kubectl, anonymous: Client
) -> None:
    """Even a caller who may change the object leaves none."""
    name = unique("painter")
    rule = ("--verb=get,update,patch", "--resource=ghosts.agent.wecode.io")
    (await kubectl.call("create", "role", name, "--namespace=default", *rule)).ok()
    painter = anonymous.as_(await create_account(api, "default", name))
    await grant(api, ("default", name), name, "default", kind="Role")
    (await user.client.post(GHOSTS, ghost(name))).expect(201)
    (await painter.delete(f"{GHOSTS}/{name}")).refused(403, "Forbidden")
    there = (await user.client.get(f"{GHOSTS}/{name}")).expect(200)
    assert DELETED_BY not in there["metadata"]["annotations"]


async def test_while_the_operator_is_down_a_deletion_is_under_way(
    user: User, start_proxy: ProxyFactory, stopped: OperatorProcess
) -> None:
    proxy = start_proxy(operator_wait_s="0.5")
    client = Client(user.client.session, proxy.url, user.client.token)
    name = unique("pending")
    (await client.post(GHOSTS, ghost(name))).expect(201)
    began = time.monotonic()
    answer = (await client.delete(f"{GHOSTS}/{name}")).expect(202)
    assert 0.5 <= time.monotonic() - began < 5
    assert (answer["kind"], answer["status"], answer["code"]) == ("Status", "Success", 202)
    assert "can't be cancelled" in answer["message"]
    there = (await client.get(f"{GHOSTS}/{name}")).expect(200)
    assert there["metadata"]["deletionTimestamp"]
    (await client.delete(f"{GHOSTS}/{name}")).expect(202)  # repeating it does no harm
    await asyncio.to_thread(stopped.start)
    assert (await user.client.delete(f"{GHOSTS}/{name}")).status in {204, 404}

    async def kept() -> bool:
        return len((await client.get(f"{TRASH}?name={name}")).expect(200)["items"]) == 1

    await eventually(kept, within_s=30, what="kept once, although asked for three times")


async def test_the_trash_is_listed_by_what_was_deleted(client: Client) -> None:
    tag = unique("list")
    first = await deleted(client, f"{tag}-a", labels={"run": tag})
    (await client.post(f"{BASE}/skills", example("skills", tag))).expect(201)
    (await client.delete(f"{BASE}/skills/review-{tag}")).expect(204)
    await deleted(client, f"{tag}-b", labels={"run": tag})
    await deleted(client, f"{tag}-a", labels={"run": tag})  # the same name as before

    async def names(query: str) -> list[str]:
        listed = (await client.get(f"{TRASH}?{query}")).expect(200)
        assert listed["kind"] == "TombstoneList"
        return sorted(item["spec"]["name"] for item in listed["items"])

    assert await names(f"name={tag}-a") == [f"{tag}-a", f"{tag}-a"]
    assert await names(f"labelSelector=run={tag}") == [], "these are not the Tombstones' labels"
    ghosts = f"labelSelector={TOMBSTONE_OF}=ghosts"
    assert await names(f"{ghosts}&name={tag}-a") == [f"{tag}-a", f"{tag}-a"]
    assert f"review-{tag}" in await names("kind=Skill")
    assert f"{tag}-b" not in await names("kind=Skill")
    assert await names(f"kind=Skill&name={tag}-a") == []
    assert await names(f"kind=Ghost&name={tag}-b&{ghosts}") == [f"{tag}-b"]
    page = (await client.get(f"{TRASH}?name={tag}-a&limit=1")).expect(200)
    assert len(page["items"]) == 1
    more = f"{TRASH}?name={tag}-a&limit=1&continue={page['metadata']['continue']}"
    assert len((await client.get(more)).expect(200)["items"]) == 1
    one = await client.get(path_of(first))
    assert one.expect(200)["spec"]["object"]["spec"] == {"systemPrompt": "You are helpful."}
    assert (await client.get(path_of(first), headers={"If-None-Match": "*"})).status == 304


@pytest.mark.parametrize("query", ["kind=Account", "kind=ghosts", "name=..%2f", "name=", "kin=x"])
async def test_parameters_of_the_trash(client: Client, query: str) -> None:
    (await client.get(f"{TRASH}?{query}")).refused(400, "BadRequest")


async def test_what_is_restored_is_as_it_was(user: User) -> None:
    name = unique("back")
    tombstone = await deleted(user.client, name, labels={"a": "b"}, annotations={"c": "d"})
    answer = await user.client.send("POST", path_of(tombstone, "/restore"))
    back = answer.expect(200)
    assert back["spec"] == tombstone["spec"]["object"]["spec"]
    assert back["metadata"]["labels"] == {"a": "b"}
    annotations = back["metadata"]["annotations"]
    assert annotations["c"] == "d"
    assert annotations[CREATED_BY] == user.account
    assert annotations[RESTORED_FROM] == tombstone["metadata"]["name"]
    assert answer.headers["ETag"] == f'"{back["metadata"]["resourceVersion"]}"'
    (await user.client.get(f"{GHOSTS}/{name}")).expect(200)
    (await user.client.get(path_of(tombstone))).refused(404, "NotFound")
    again = await user.client.send("POST", path_of(tombstone, "/restore"))
    again.refused(404, "NotFound")


async def test_a_whole_team_comes_back_by_its_label(client: Client) -> None:
    tag = unique("fleet")
    order = [plural for plural in KINDS if plural != "tasks"]
    for plural in order:
        (await client.post(f"{BASE}/{plural}", example(plural, tag, labels={"run": tag}))).expect(
            201
        )
    for plural in order:  # referents first: no referrer blocks a deletion
        path = f"{BASE}/{plural}/{example(plural, tag)['metadata']['name']}"
        (await client.delete(path)).expect(204)
    listed = [
        item
        for item in (await client.get(TRASH)).expect(200)["items"]
        if item["spec"]["object"]["metadata"].get("labels") == {"run": tag}
    ]
    assert len(listed) == len(order)
    answers = await asyncio.gather(
        *(client.send("POST", path_of(item, "/restore")) for item in reversed(listed))
    )
    assert {answer.expect(200)["kind"] for answer in answers} == {
        item["spec"]["kind"] for item in listed
    }

    async def ready() -> bool:
        return is_ready((await client.get(f"{BASE}/teams/coding-team-{tag}")).expect(200))

    await eventually(ready, within_s=30, what="the Team ready again")


async def test_a_name_that_is_taken_leaves_all_as_it_was(client: Client) -> None:
    name = unique("taken")
    tombstone = await deleted(client, name)
    (await client.post(GHOSTS, ghost(name, "The new one."))).expect(201)
    answer = await client.send("POST", path_of(tombstone, "/restore"))
    message = answer.refused(409, "Conflict")
    assert f"a Ghost named default/{name} already exists; delete it" in message
    after = (await client.get(path_of(tombstone))).expect(200)
    assert after["spec"] == tombstone["spec"]
    assert after["spec"]["restore"] is False
    assert (await client.get(f"{GHOSTS}/{name}")).expect(200)["spec"] == {
        "systemPrompt": "The new one."
    }
    (await client.delete(f"{GHOSTS}/{name}")).expect(204)
    (await client.get(f"{GHOSTS}/{name}")).refused(404, "NotFound")  # it was not restored alone
    (await client.send("POST", path_of(tombstone, "/restore"))).expect(200)


async def test_a_wish_that_was_there_before_stays(client: Client, kubectl: Kubectl) -> None:
    """A user asked for the deletion with kubectl; this request must not revert it."""
    name = unique("wish")
    tombstone = await deleted(client, name)
    (await client.post(GHOSTS, ghost(name, "The new one."))).expect(201)
    wish = ("--type=merge", "-p", '{"spec": {"restore": true}}')
    (await kubectl.call("patch", "tombstone", tombstone["metadata"]["name"], *wish)).ok()
    answer = await client.send("POST", path_of(tombstone, "/restore"))
    answer.refused(409, "Conflict")
    assert (await client.get(path_of(tombstone))).expect(200)["spec"]["restore"] is True
    (await client.delete(f"{GHOSTS}/{name}")).expect(204)

    async def back() -> bool:
        there = await client.get(f"{GHOSTS}/{name}")
        return there.status == 200 and there.json["spec"] != {"systemPrompt": "The new one."}

    await eventually(back, within_s=30, what="the first one, as soon as the name is free")


async def test_what_the_api_server_does_not_take_back(
    client: Client, user: User, kubectl: Kubectl
) -> None:
    """A quota was set meanwhile, so the object stays in the trash."""
    name, quota = unique("quota"), unique("quota")
    query = f"?namespace={user.home}"
    (await client.post(f"{GHOSTS}{query}", ghost(name))).expect(201)
    (await client.delete(f"{GHOSTS}/{name}{query}")).expect(204)
    [tombstone] = (await client.get(f"{TRASH}{query}&name={name}")).expect(200)["items"]
    hard = "--hard=count/ghosts.agent.wecode.io=0"
    here = f"--namespace={user.home}"
    (await kubectl.call("create", "quota", quota, hard, here)).ok()

    async def enforced() -> bool:
        probe = await client.post(f"{GHOSTS}{query}&dryRun=All", ghost(unique("probe")))
        return probe.status == 403

    await eventually(enforced, within_s=30, what="the quota to be enforced")
    path = path_of(tombstone, "/restore") + query
    assert f"quota: {quota}" in (await client.send("POST", path)).refused(422, "Invalid")
    (await kubectl.call("delete", "quota", quota, here)).ok()

    async def restored() -> bool:
        return (await client.send("POST", path)).status == 200

    await eventually(restored, within_s=30, what="the object back")


async def test_while_the_operator_is_down_a_restoring_is_under_way(
    user: User, start_proxy: ProxyFactory, stopped: OperatorProcess
) -> None:
    await asyncio.to_thread(stopped.start)
    name = unique("slow")
    tombstone = await deleted(user.client, name)
    await asyncio.to_thread(stopped.stop)
    proxy = start_proxy(operator_wait_s="0.3")
    client = Client(user.client.session, proxy.url, user.client.token)
    answer = (await client.send("POST", path_of(tombstone, "/restore"))).expect(202)
    assert "the restore is in progress" in answer["message"]
    await asyncio.to_thread(stopped.start)
    again = await user.client.send("POST", path_of(tombstone, "/restore"))
    assert again.status in {200, 404}

    async def back() -> bool:
        return (await client.get(f"{GHOSTS}/{name}")).status == 200

    await eventually(back, within_s=30, what="the object back")


async def test_a_tombstone_that_goes_meanwhile(user: User, stopped: OperatorProcess) -> None:
    await asyncio.to_thread(stopped.start)
    tombstone = await deleted(user.client, unique("purged"))
    await asyncio.to_thread(stopped.stop)
    path = path_of(tombstone, "/restore")
    restoring = asyncio.create_task(user.client.send("POST", path))

    async def asked() -> bool:
        there = (await user.client.get(path_of(tombstone))).expect(200)
        return there["spec"]["restore"] is True

    await eventually(asked, within_s=30, what="the restoring to be asked for")
    (await user.client.delete(path_of(tombstone))).expect(204)
    assert "before its object was restored" in (await restoring).refused(404, "NotFound")


async def test_purged_is_for_good(client: Client) -> None:
    name = unique("purge")
    tombstone = await deleted(client, name)
    path = path_of(tombstone)
    (await client.delete(f"{path}?dryRun=All")).expect(204)
    stale = await client.delete(path, headers={"If-Match": '"1"'})
    stale.refused(412, "PreconditionFailed")
    answer = await client.delete(path)
    assert (answer.status, answer.content) == (204, b"")
    (await client.get(path)).refused(404, "NotFound")
    assert not (await client.get(f"{TRASH}?name={name}")).expect(200)["items"]
    (await client.delete(path)).refused(404, "NotFound")


async def test_ones_own_trash_is_ones_own(
    client: Client, anonymous: Client, viewer: Client
) -> None:
    tombstone = await deleted(client, unique("seen"))
    (await viewer.get(path_of(tombstone))).expect(200)
    (await viewer.send("POST", path_of(tombstone, "/restore"))).refused(403, "Forbidden")
    (await viewer.delete(path_of(tombstone))).refused(403, "Forbidden")
    (await client.get(f"{TRASH}?namespace=kube-system")).refused(403, "Forbidden")
    for method, path in (("GET", TRASH), ("POST", path_of(tombstone, "/restore"))):
        (await anonymous.send(method, path)).refused(401, "Unauthorized")


async def test_a_restoring_takes_no_body(client: Client) -> None:
    answer = await client.post(f"{TRASH}/ghost-x/restore", {"restore": True})
    answer.refused(400, "BadRequest")


async def test_a_patch_of_the_restored_object_is_of_its_new_version(client: Client) -> None:
    tombstone = await deleted(client, unique("etag"))
    answer = await client.send("POST", path_of(tombstone, "/restore"))
    path = f"{GHOSTS}/{answer.expect(200)['metadata']['name']}"

    async def patched() -> bool:  # the operator writes its verdict at the same time
        tag = (await client.get(path)).headers["ETag"]
        patch = {"spec": {"description": "back"}}
        changed = await client.patch(path, patch, type_=MERGE_PATCH, headers={"If-Match": tag})
        return changed.status == 200

    await eventually(patched, within_s=30, what="a patch of the version that was read")


async def test_what_is_still_being_deleted_comes_back_once_it_is_gone(
    client: Client, api: Api
) -> None:
    name = unique("hangs")
    (await client.post(GHOSTS, ghost(name))).expect(201)
    async with refusing(api.client, "default", "ghosts", expression=FINALIZERS_STAY):
        assert (await client.delete(f"{GHOSTS}/{name}")).status == 202
        [tombstone] = (await client.get(f"{TRASH}?name={name}")).expect(200)["items"]
        answer = await client.send("POST", path_of(tombstone, "/restore"))
        assert answer.status == 202
    await api.merge("ghosts", "default", name, {"metadata": {"annotations": {"now": "yes"}}})

    async def back() -> bool:
        found = (await client.get(f"{GHOSTS}/{name}")).expect(200)
        return bool(found["metadata"]["annotations"].get(RESTORED_FROM))

    async def out_of_the_trash() -> bool:
        return (await client.get(path_of(tombstone))).status == 404

    await eventually(back, within_s=30, what="the Ghost to be back")
    await eventually(out_of_the_trash, within_s=30, what="the Tombstone to be gone")
