"""namespace=*: exactly the objects that the caller may list, without a request a namespace."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from devcluster.controlplane import ControlPlane
from tests.api.conftest import ProxyFactory
from tests.api.objects import BASE, ghost
from tests.api.users import ACCOUNTS, User, unique
from tests.support.audit import AuditLog
from tests.support.identity import kubectl_as, token_for
from tests.support.kubectl import Kubectl
from tests.support.proxy import Answer, Client
from tests.support.waiting import eventually
from wegent_api.kinds.list_all_namespaces import PAGE_BYTES, PREFIX, ContinueToken
from wegent_kube.paging import PAGE_SIZE

GHOSTS = f"{BASE}/ghosts"
EVERYWHERE = f"{GHOSTS}?namespace=*"
NAMESPACES = 100
PROXY = "system:serviceaccount:wegent-system:wegent-api"


@dataclass(frozen=True, slots=True)
class World:
    """A hundred namespaces with a Ghost in each, and one user with rights in three of them."""

    user: User
    tag: str
    visible: tuple[str, ...]

    @property
    def path(self) -> str:
        """The path that lists all Ghosts of this world."""
        return f"{EVERYWHERE}&labelSelector=world={self.tag}"


def namespaces(answer: Answer) -> list[str]:
    return [it["metadata"]["namespace"] for it in answer.expect(200)["items"]]


def bound(namespace: str, role: tuple[str, str], subject: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "by-hand", "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role[0], "name": role[1]},
        "subjects": [subject],
    }


def account(name: str) -> dict[str, str]:
    return {"kind": "ServiceAccount", "name": name, "namespace": ACCOUNTS}


async def make(kubectl: Kubectl, items: Iterable[dict[str, Any]]) -> None:
    listing = {"apiVersion": "v1", "kind": "List", "items": list(items)}
    (await kubectl.call("create", "-f", "-", stdin=listing)).ok()


@pytest.fixture(scope="module")
async def world(new_user: Callable[[], Awaitable[User]], kubectl: Kubectl) -> World:
    """Rights of three sorts: from a user role, from a role of the cluster, and by object name."""
    user, tag = await new_user(), unique("w")
    names = [f"{tag}-{index:03}" for index in range(NAMESPACES)]
    one, two, three, four = (names[index] for index in (7, 42, 43, 99))
    name = f"system:serviceaccount:{ACCOUNTS}:{user.name}"
    api = "rbac.authorization.k8s.io"
    reader = {
        "apiVersion": f"{api}/v1",
        "kind": "Role",
        "metadata": {"name": "reader", "namespace": two},
        "rules": [
            {"apiGroups": ["agent.wecode.io"], "resources": ["ghosts"], "verbs": ["get", "list"]}
        ],
    }
    await make(
        kubectl,
        [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": it}} for it in names],
    )
    await make(
        kubectl,
        [
            reader,
            bound(one, ("ClusterRole", "wegent-viewer"), account(user.name)),
            bound(two, ("Role", "reader"), {"kind": "User", "apiGroup": api, "name": name}),
            bound(three, ("ClusterRole", "view"), account(user.name)),
            # A RoleBinding names the user in this namespace, but gives no right on Ghosts.
            bound(four, ("ClusterRole", "system:basic-user"), account(user.name)),
        ],
    )
    labels = {"world": tag}
    await make(
        kubectl,
        [
            {
                "apiVersion": "agent.wecode.io/v1",
                "kind": "Ghost",
                **ghost(f"g{number}", namespace=it, labels=labels),
            }
            for it in names
            for number in range(3 if it == one else 1)
        ],
    )
    for place in ("default", user.home):
        body = ghost(f"{tag}-own", labels=labels)
        (await user.client.post(f"{GHOSTS}?namespace={place}", body)).expect(201)
    seen = sorted(["default", user.home, one, one, one, two, three])
    return World(user, tag, tuple(seen))


async def test_rights_in_three_of_a_hundred_namespaces(world: World, audit: AuditLog) -> None:
    async def probe() -> Answer:
        answer = await world.user.client.get(world.path)
        assert namespaces(answer) == list(world.visible)
        return answer

    await eventually(probe, within_s=30, what="RBAC to have seen the bindings")
    before = len(audit.requests())
    answer = await world.user.client.get(world.path)
    body = answer.expect(200)
    assert (body["apiVersion"], body["kind"]) == ("agent.wecode.io/v1", "GhostList")
    assert body["metadata"].keys() == {"resourceVersion"}
    asked = audit.requests()[before:]
    mine = [it for it in asked if it.user == world.user.account]
    lists = [(it.verb, it.namespace, it.code) for it in mine if it.resource == "ghosts"]
    assert lists[0] == ("list", "", 403)
    assert {code for _, _, code in lists[1:]} == {200, 403}
    assert len(lists) == 1 + len(set(world.visible)) + 1, "the fourth is named, and gives nothing"
    assert len(mine) == len(lists) + 1
    others = {it.resource for it in asked if it.user == PROXY}
    assert not others, "where whose rights are is known by now"


async def test_pages_are_the_whole_in_the_same_order(world: World) -> None:
    whole = (await world.user.client.get(world.path)).expect(200)
    names = [(it["metadata"]["namespace"], it["metadata"]["name"]) for it in whole["items"]]
    assert names == sorted(names)
    for limit in (1, 2, 3, len(names), 100):
        found: list[tuple[str, str]] = []
        query, versions = "", set()
        while True:
            path = f"{world.path}&limit={limit}{query}"
            page = (await world.user.client.get(path)).expect(200)
            assert len(page["items"]) <= limit
            found += [(it["metadata"]["namespace"], it["metadata"]["name"]) for it in page["items"]]
            versions.add(page["metadata"]["resourceVersion"])
            if not (token := page["metadata"].get("continue")):
                break
            query = f"&continue={token}"
        assert found == names
        assert len(versions) == 1


async def test_all_pages_are_of_one_moment(world: World, kubectl: Kubectl) -> None:
    client = world.user.client
    first = (await client.get(f"{world.path}&limit=2")).expect(200)
    late = ghost(unique("late"), labels={"world": world.tag})
    (await client.post(f"{GHOSTS}?namespace={world.user.home}", late)).expect(201)
    rest = (await client.get(f"{world.path}&continue={first['metadata']['continue']}")).expect(200)
    names = {it["metadata"]["name"] for it in first["items"] + rest["items"]}
    assert len(first["items"] + rest["items"]) == len(world.visible)
    assert late["metadata"]["name"] not in names
    path = f"{GHOSTS}/{late['metadata']['name']}?namespace={world.user.home}&dryRun=All"
    (await client.delete(path)).expect(204)
    where = f"--namespace={world.user.home}"
    await kubectl.call("delete", "ghost", late["metadata"]["name"], where, "--wait=false")
    patch = json.dumps([{"op": "remove", "path": "/metadata/finalizers/0"}])
    (
        await kubectl.call(
            "patch", "ghost", late["metadata"]["name"], where, "--type=json", "-p", patch
        )
    ).ok()


async def test_a_right_that_comes_or_goes_is_seen(
    new_user: Callable[[], Awaitable[User]], kubectl: Kubectl
) -> None:
    """A change between two pages counts too; a deleted namespace causes no error there."""
    user, names = await new_user(), sorted(unique("gone") for _ in range(2))
    tag = unique("t")
    for name in names:
        (await kubectl.call("create", "namespace", name)).ok()
        body = {"apiVersion": "agent.wecode.io/v1", "kind": "Ghost"}
        ghosts = (ghost(f"{tag}-{index}", namespace=name, labels={"t": tag}) for index in range(2))
        await make(kubectl, ({**body, **it} for it in ghosts))
    path = f"{EVERYWHERE}&labelSelector=t={tag}"

    async def sees(*expected: str) -> None:
        async def probe() -> bool:
            assert namespaces(await user.client.get(path)) == list(expected)
            return True

        await eventually(probe, within_s=30, what=f"{expected} to be seen")

    await sees()
    for name in names:
        await make(kubectl, [bound(name, ("ClusterRole", "wegent-viewer"), account(user.name))])
    await sees(names[0], names[0], names[1], names[1])
    first = (await user.client.get(f"{path}&limit=1")).expect(200)
    assert first["items"][0]["metadata"]["namespace"] == names[0]
    (await kubectl.call("delete", "rolebinding", "by-hand", f"--namespace={names[0]}")).ok()
    await sees(names[1], names[1])
    rest = await user.client.get(f"{path}&continue={first['metadata']['continue']}")
    assert namespaces(rest) == [names[1], names[1]]


async def test_many_come_whole(new_user: Callable[[], Awaitable[User]], kubectl: Kubectl) -> None:
    user, tag = await new_user(), unique("many")
    body = {"apiVersion": "agent.wecode.io/v1", "kind": "Ghost"}
    count = PAGE_SIZE + 20
    await make(
        kubectl,
        (
            {**body, **ghost(f"{tag}-{n:04}", namespace=user.home, labels={"t": tag})}
            for n in range(count)
        ),
    )
    answer = await user.client.get(f"{EVERYWHERE}&labelSelector=t={tag}")
    names = [it["metadata"]["name"] for it in answer.expect(200)["items"]]
    assert names == [f"{tag}-{n:04}" for n in range(count)]
    assert answer.json["metadata"].keys() == {"resourceVersion"}


async def test_pages_are_bounded_by_what_they_hold(
    new_user: Callable[[], Awaitable[User]],
) -> None:
    """Pages are bounded at any limit, and together they are the whole list."""
    user, tag, count = await new_user(), unique("long"), 30
    text = "\u667a" * 131_072  # three bytes each in UTF-8
    for number in range(count):
        body = ghost(f"{tag}-{number:04}", text, labels={"t": tag})
        (await user.client.post(f"{GHOSTS}?namespace={user.home}", body)).expect(201)
    path = f"{EVERYWHERE}&labelSelector=t={tag}"
    sizes: list[int] = []
    names: list[str] = []
    query = ""
    while True:
        page = (await user.client.get(f"{path}&limit=100000{query}")).expect(200)
        sizes.append(len(page["items"]))
        names += [it["metadata"]["name"] for it in page["items"]]
        if not (token := page["metadata"].get("continue")):
            break
        query = f"&continue={token}"
    assert names == [f"{tag}-{number:04}" for number in range(count)]
    assert max(sizes) * len(text.encode()) <= 2 * PAGE_BYTES, sizes
    assert len((await user.client.get(path)).expect(200)["items"]) == count


async def test_who_may_list_the_cluster_does_so_in_one_request(
    admin_client: Client, world: World, audit: AuditLog
) -> None:
    answer = await admin_client.get(world.path)
    assert len(set(namespaces(answer))) == NAMESPACES + 2
    asked = [it for it in audit.requests() if it.resource == "ghosts" and not it.namespace]
    assert [(it.verb, it.code) for it in asked] == [("list", 200)]
    page = (await admin_client.get(f"{world.path}&limit=5")).expect(200)
    rest = await admin_client.get(f"{world.path}&continue={page['metadata']['continue']}")
    assert len(rest.expect(200)["items"]) == NAMESPACES + 4 - 5


async def test_who_may_list_nowhere_is_refused(anonymous: Client, kubectl: Kubectl) -> None:
    name = unique("nowhere")
    (await kubectl.call("create", "serviceaccount", name, "--namespace=kube-public")).ok()
    nobody = anonymous.as_(token_for(kubectl, "kube-public", name))
    for path in (EVERYWHERE, "/api/v1/trash?namespace=*"):
        assert "at the cluster scope" in (await nobody.get(path)).refused(403, "Forbidden")


def token(*content: object) -> str:
    return PREFIX + base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


async def test_a_made_up_token_gives_nothing(world: World, audit: AuditLog) -> None:
    client = world.user.client
    version = (await client.get(world.path)).expect(200)["metadata"]["resourceVersion"]
    odd = [
        token(version, "a/../../b", None),
        token(version, "*", None),
        token(version, "default", 7),
        token(version, "default"),
        token("x", "default", None),
        token("-1", "default", None),
        token(None, "default", None),
        PREFIX,
        f"{PREFIX}!!!!",
        f"{PREFIX}{'W' * 2000}",
    ]
    for it in odd:
        answer = await client.get(f"{world.path}&continue={it}")
        answer.refused(400, "BadRequest")
        assert answer.causes() == {"continue": "FieldValueInvalid"}
    for it in (
        token(version, "default", "made-up"),
        token(version, "default", "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiIuLi8ifQ"),
        token("0", "default", None),
        token(str(2**63), "default", None),
        token(str(10**9), "default", None),
        "made-up",
    ):
        answer = await client.get(f"{world.path}&continue={it}")
        assert 400 <= answer.status < 500, (it, answer)
    hidden = ContinueToken(version, f"{world.tag}-050").encode()
    assert set(namespaces(await client.get(f"{world.path}&continue={hidden}"))) <= {
        it for it in world.visible if it >= f"{world.tag}-050"
    }
    asked = {it.namespace for it in audit.requests(user=world.user.account)}
    assert f"{world.tag}-050" not in asked


async def test_the_trash_of_everywhere(world: World) -> None:
    answer = await world.user.client.get("/api/v1/trash?namespace=*&limit=1")
    assert answer.expect(200)["kind"] == "TombstoneList"


async def test_following_everything_is_for_who_may_list_everything(
    admin_client: Client, world: World
) -> None:
    path = f"{world.path}&watch=true"
    (await world.user.client.get(path)).refused(403, "Forbidden")
    headers = {"Authorization": f"Bearer {admin_client.token}"}
    seen = set()
    async with (
        asyncio.timeout(20),
        admin_client.session.get(admin_client.base + path, headers=headers) as stream,
    ):
        assert stream.status == 200
        async for line in stream.content:
            if line.startswith(b"event: BOOKMARK"):
                break
            if line.startswith(b"data: "):
                seen.add(json.loads(line.removeprefix(b"data: "))["metadata"]["namespace"])
    assert len(seen) == NAMESPACES + 2


async def test_writes_are_into_one_namespace(client: Client) -> None:
    (await client.post(EVERYWHERE, ghost("x"))).refused(400, "BadRequest")
    (await client.get(f"{GHOSTS}/x?namespace=*")).refused(400, "BadRequest")
    (await client.delete(f"{GHOSTS}/x?namespace=*")).refused(400, "BadRequest")


async def test_a_proxy_that_may_not_look_says_so(
    user: User,
    admin_client: Client,
    start_proxy: ProxyFactory,
    control_plane: ControlPlane,
    kubectl: Kubectl,
    tmp_path: Path,
) -> None:
    """Callers who may list the whole cluster still get all objects."""
    name = unique("narrow")
    (await kubectl.call("create", "serviceaccount", name, "--namespace=wegent-system")).ok()
    narrow = kubectl_as(control_plane, kubectl, "wegent-system", name, tmp_path)
    proxy = start_proxy(narrow.kubeconfig)
    there = Client(user.client.session, proxy.url, user.client.token)
    message = (await there.get(EVERYWHERE)).refused(403, "Forbidden")
    assert "name a namespace" in message
    (await there.as_(admin_client.token).get(f"{EVERYWHERE}&limit=1")).expect(200)
