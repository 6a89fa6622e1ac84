"""Each right of docs/security.md's table: asked of the API server, and tried over REST.

Every row is tried by every caller, in the row's namespace and in one where the caller has no role.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from devcluster.controlplane import ControlPlane
from tests.api import jwts
from tests.api.objects import example
from tests.api.rights.table import ROLES, Right, rights
from tests.api.users import ACCOUNTS, User, unique
from tests.support.identity import token_for
from tests.support.kubectl import Kubectl
from tests.support.proxy import Answer, Client
from wegent_api.http import examples
from wegent_crds.registry import API_VERSION, BY_PLURAL
from wegent_kube.content_types import MERGE_PATCH

STRANGER = "a user without a role"
AT_ONCE = 24
FREE = "a-free-name"
READS_FIRST = "POST /api/v1/trash/{name}/restore"
"""A caller who may read Tombstones is told that there is none; only the operator makes one."""
BODIES: dict[str, Any] = {
    "PUT /api/v1/kinds/models/{model}/key": examples.MODEL_KEY,
    "PUT /api/v1/namespaces/{namespace}/members/{user}": examples.MEMBER_CHANGE,
    "PATCH /api/v1/auth/admin/accounts/{name}": examples.ACCOUNT_CHANGE,
    "POST /api/v1/auth/admin/accounts/{name}/password": examples.PASSWORD_RESET,
    "PATCH /api/v1/namespaces/{name}": examples.NAMESPACE_CHANGE,
}


@dataclass(frozen=True, slots=True)
class Place:
    """A namespace with an object of each kind, in which the callers have roles or have none."""

    namespace: str
    bodies: dict[str, Any]
    """The objects there, by plural."""
    user: str
    """A user who may become a member."""


@pytest.fixture(scope="module")
def place(kubectl: Kubectl, user: User) -> Place:
    """The namespace in which the callers have their roles."""
    return _place(kubectl, user.name)


@pytest.fixture(scope="module")
def elsewhere(kubectl: Kubectl, user: User) -> Place:
    """A namespace in which only the Wegent admin has a role."""
    return _place(kubectl, user.name)


def _place(kubectl: Kubectl, user: str) -> Place:
    namespace = unique("rights")
    kubectl.run("create", "namespace", namespace).ok()
    bodies = {plural: example(plural, "here", namespace=namespace) for plural in examples.KINDS}
    bodies["models"]["spec"]["apiKeySecretRef"] = {"name": "here", "key": "key"}
    items = [
        {"apiVersion": API_VERSION, "kind": BY_PLURAL[plural].kind, **body}
        for plural, body in bodies.items()
    ]
    kubectl.run(
        "create", "-f", "-", stdin={"apiVersion": "v1", "kind": "List", "items": items}
    ).ok()
    return Place(namespace, bodies, user)


@pytest.fixture(scope="module")
def tokens(kubectl: Kubectl, place: Place) -> dict[str, str]:
    """A token for each role, and one of a user without a role."""
    made = {}
    for role in (*ROLES, STRANGER):
        name = unique("caller")
        kubectl.run("create", "serviceaccount", name, f"--namespace={ACCOUNTS}").ok()
        subject = f"--serviceaccount={ACCOUNTS}:{name}"
        if role == "Wegent admin":
            grant = ("clusterrolebinding", name, "--clusterrole=wegent-admin", subject)
            kubectl.run("create", *grant).ok()
        elif role != STRANGER:
            here = f"--namespace={place.namespace}"
            grant = ("rolebinding", name, f"--clusterrole=wegent-{role}", subject)
            kubectl.run("create", *grant, here).ok()
        made[role] = token_for(kubectl, ACCOUNTS, name)
    return made


@pytest.fixture(scope="module")
def refused_tokens(tokens: dict[str, str], control_plane: ControlPlane) -> dict[str, str]:
    """Tokens of the Wegent admin that are none any more, or never were."""
    key = jwts.private_key(control_plane.directory / "pki" / "service-account.key")
    header, claims, signature = jwts.read(tokens["Wegent admin"])
    past = {**claims, "iat": time.time() - 7200, "nbf": time.time() - 7200}
    return {
        "no token": "",
        "expired": jwts.rs256(header, {**past, "exp": time.time() - 3600}, key),
        "forged": jwts.signed(header, claims, signature[::-1]),
    }


@pytest.fixture(scope="module")
async def kubernetes(control_plane: ControlPlane) -> AsyncIterator[Client]:
    """A client of the API server without a token."""
    context = ssl.create_default_context(cafile=str(control_plane.ca_file))
    connector = aiohttp.TCPConnector(limit=AT_ONCE, ssl=context)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield Client(session, control_plane.server)


Case = tuple[Right, str, Place, bool]


def cases(tokens: dict[str, str], place: Place, elsewhere: Place) -> Iterator[Case]:
    """Yield each right with each caller and namespace, and whether it must be allowed."""
    for right in rights():
        for caller in tokens:
            yield right, caller, place, caller in right.allowed
            if not right.namespace:
                everywhere = caller == "Wegent admin" and caller in right.allowed
                yield right, caller, elsewhere, everywhere


async def gathered(work: Callable[[Case], Any], of: Iterator[Case]) -> list[str]:
    """Return the complaints about all cases."""
    complaints: list[str] = []

    async def run() -> None:
        for case in of:
            if complaint := await work(case):
                right, caller, place, _ = case
                complaints.append(
                    f"{caller} in {place.namespace}: {right.verb} {right.resource}/"
                    f"{right.subresource} {right.request}: {complaint}"
                )

    await asyncio.gather(*(run() for _ in range(AT_ONCE)))
    return complaints


def test_the_table_is_about_all_that_users_have() -> None:
    found = rights()
    assert len(found) > 100
    assert {right.resource for right in found} >= {"ghosts", "tasks", "tombstones", "secrets"}
    for role in ROLES:
        assert {role in right.allowed for right in found} == {True, False}


async def test_the_api_server_says_what_the_table_says(
    kubernetes: Client, tokens: dict[str, str], place: Place, elsewhere: Place
) -> None:
    async def ask(case: Case) -> str:
        right, caller, where, expected = case
        attributes = {
            "group": right.group,
            "resource": right.resource,
            "subresource": right.subresource,
            "verb": right.verb,
            "namespace": right.namespace or where.namespace,
        }
        allowed = await _review(kubernetes.as_(tokens[caller]), attributes)
        return "" if allowed is expected else f"allowed: {allowed}"

    complaints = await gathered(ask, cases(tokens, place, elsewhere))
    assert not complaints, "\n".join(complaints)


async def _review(client: Client, attributes: dict[str, str]) -> bool:
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = await client.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body)
    return bool(answer.expect(201)["status"]["allowed"])


async def test_requests_over_rest_are_answered_as_the_table_says(
    anonymous: Client, tokens: dict[str, str], place: Place, elsewhere: Place
) -> None:
    """OpenAI's API is part of it."""

    async def ask(case: Case) -> str:
        right, caller, where, expected = case
        if not right.request:
            return ""
        answer = await _request(anonymous.as_(tokens[caller]), right, where)
        is_ok = answer.status != 403 if expected else answer.status == 403
        if right.request == READS_FIRST and caller == "viewer" and where is place:
            is_ok = answer.status == 404
        # Neither answer may be due to another fault of the request.
        is_ok &= answer.status in {200, 201, 202, 204, 403, 404, 409}
        return "" if is_ok else f"{answer.status} {answer.content[:300]!r}"

    complaints = await gathered(ask, cases(tokens, place, elsewhere))
    assert not complaints, "\n".join(complaints)


async def test_without_a_valid_token_nothing_is_allowed(
    anonymous: Client, kubernetes: Client, refused_tokens: dict[str, str], place: Place
) -> None:
    async def ask(case: Case) -> str:
        right, token, where, _ = case
        client = anonymous.as_(refused_tokens[token] or None)
        answer = await _request(client, right, where)
        return "" if answer.status == 401 else f"{answer.status} {answer.content[:300]!r}"

    every = (
        (right, token, place, False)
        for right in rights()
        for token in refused_tokens
        if right.request
    )
    complaints = await gathered(ask, every)
    assert not complaints, "\n".join(complaints)
    for token in refused_tokens.values():
        list_path = f"/apis/{API_VERSION}/namespaces/{place.namespace}/ghosts"
        refused = await kubernetes.as_(token or None).get(list_path)
        assert refused.status in {401, 403}  # a caller without a token is system:anonymous


async def _request(client: Client, right: Right, place: Place) -> Answer:
    """Send the request of a row. It changes nothing that another row needs.

    References aren't checked, since that would be a read of other objects.
    """
    method, _, template = right.request.partition(" ")
    names = {plural: body["metadata"]["name"] for plural, body in place.bodies.items()}
    path = template.format(
        name=names.get(right.resource, FREE) if method == "PUT" else FREE,
        namespace=place.namespace,
        model=names["models"],
        user=place.user,
        response=f"resp_{place.namespace}_{FREE}",
    )
    if template.startswith("/v1/models/"):
        path = path.replace(FREE, names["teams"])
    if template.startswith(("/api/v1/kinds/", "/api/v1/trash")):
        path += f"{'&' if '?' in path else '?'}namespace={place.namespace}"
    if template.startswith("/api/v1/kinds/") and template.count("/") < 6 and method != "GET":
        path += "&dryRun=All" + "&validateRefs=false" * (method in {"POST", "PUT"})
    if "watch=true" in path:
        return await _head_of(client, path)
    body = _body(right, place)
    headers = {"Content-Type": MERGE_PATCH} if "/kinds/" in path and method == "PATCH" else {}
    return await client.send(method, path, body, headers=headers)


def _body(right: Right, place: Place) -> Any:
    method, _, template = right.request.partition(" ")
    body = BODIES.get(right.request)
    if template.startswith("/v1/") and method == "POST":
        model = f"{place.namespace}/{place.bodies['teams']['metadata']['name']}"
        body = {"model": model, "input": "x", "background": True}
    elif template.endswith("/register"):
        name = unique("registered")
        body = {"username": name, "email": f"{name}@example.com", "password": "never-used-12345"}
    elif template == "/api/v1/namespaces":
        body = {"name": unique("group"), "members": []}
    elif template.startswith(("/api/v1/kinds/{kind}", f"/api/v1/kinds/{right.resource}")):
        if method == "POST":
            body = example(right.resource, unique("t"), namespace=place.namespace)
        elif method == "PUT":
            body = place.bodies[right.resource]
        elif method == "PATCH":
            body = {"metadata": {"labels": {"a": "b"}}}
    return body


async def _head_of(client: Client, path: str) -> Answer:
    """Return the status of an answer that has no end."""
    headers = {"Authorization": f"Bearer {client.token}"} if client.token else {}
    async with client.session.get(client.base + path, headers=headers) as answer:
        return Answer(answer.status, answer.headers, b"")
