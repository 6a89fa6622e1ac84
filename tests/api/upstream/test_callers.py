"""Every route acts as its caller, and every caller sees only their own objects."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute

from devcluster.controlplane import ControlPlane
from devcluster.kubeconfig import write_kubeconfig
from tests.api.objects import BASE, ghost
from tests.api.users import PASSWORD, User, unique
from tests.support.audit import READS, AuditLog, Request
from tests.support.identity import token_for
from tests.support.kubectl import Kubectl
from tests.support.proxy import Client
from wegent_api.app import create_app
from wegent_api.http.examples import KINDS
from wegent_api.settings import Settings
from wegent_crds.registry import API_VERSION
from wegent_crds.registry import KINDS as ALL_KINDS
from wegent_kube.content_types import MERGE_PATCH

TRASH = "/api/v1/trash"
APPLY = "/api/v1/apply"
PROXY = "system:serviceaccount:wegent-system:wegent-api"

PUBLIC = {
    "POST /api/v1/auth/login",
    "POST /api/v1/auth/register",
    "GET /api/v1/ws",  # the token of a WebSocket is in its first message
    "GET /healthz",
    "GET /metrics",
    "GET /readyz",
    "GET /",
    "GET /docs",
    "GET /redoc",
    "GET /swagger",
    "GET /openapi.json",
}
"""The routes that need no token, each for its own reason; all others act as their caller."""
FOR_ANYBODY = {"/api/v1/auth/me", "/api/v1/auth/kubeconfig"}
"""The routes that tell callers about themselves alone, which takes no right."""
READS_AS_ITSELF = {
    "/api/v1/auth/me",
    "/api/v1/auth/password",
    "/api/v1/auth/refresh",
    "/api/v1/auth/tokens",
    "/api/v1/namespaces",
}
"""The routes where the proxy reads the caller's Account with its own rights."""
BODIES = {
    "POST /api/v1/auth/password": {"oldPassword": "not-the-password", "newPassword": PASSWORD},
    "POST /api/v1/auth/tokens": {"name": "laptop"},
    f"PUT {BASE}/models/{{name}}/key": {"key": "sk-1234567890", "hosts": ["api.openai.com"]},
    **{
        f"PUT {BASE}/{plural}/{{name}}/mcpservers/{{server}}/headers/{{header}}": {
            "value": "secret-1234567890",
            "hosts": ["tools.example.com"],
        }
        for plural in ("ghosts", "skills")
    },
    f"POST {BASE}/tasks/{{name}}/answers": {"id": "call_1", "decision": "approve"},
    "PATCH /api/v1/auth/admin/accounts/{username}": {"suspended": True},
    "POST /api/v1/auth/admin/accounts/{username}/password": {"newPassword": PASSWORD},
    "PUT /api/v1/namespaces/{namespace}/members/{username}": {"role": "viewer"},
    "POST /api/v1/namespaces": {"name": "some-place"},
    "PATCH /api/v1/namespaces/{name}": {"displayName": "Some place"},
    "POST /v1/responses": {"model": "some-place/some-object", "input": "Hello."},
    "POST /v1/chat/completions": {
        "model": "some-place/some-object",
        "messages": [{"role": "user", "content": "Hello."}],
    },
    f"POST {APPLY}": {"apiVersion": API_VERSION, "kind": "Skill", **KINDS["skills"]},
}

BODILESS = {
    "POST /api/v1/auth/refresh",
    f"POST {BASE}/models/{{name}}/test",
    f"POST {BASE}/tasks/{{name}}/cancel",
    "POST /v1/responses/{id}/cancel",
}
OPENAI = "/v1/"
"""Beginning of the paths of OpenAI's API, whose errors have OpenAI's form."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def filled(self) -> str:
        """The path, with a name in it."""
        return self.path.format(
            name="some-object",
            server="some-server",
            header="X-Token",
            namespace="some-place",
            username="somebody",
            id="resp_some-place_some-object",
        )

    @property
    def headers(self) -> dict[str, str]:
        """The headers besides the token."""
        return {"Content-Type": MERGE_PATCH} if self.method == "PATCH" else {}

    @property
    def body(self) -> Any:
        """A body that the operation accepts; None if it has none."""
        if (body := BODIES.get(str(self))) is not None:
            return body
        if self.method == "PATCH":
            return {}
        if self.method not in {"POST", "PUT"} or str(self) in BODILESS:
            return None
        if self.path.startswith(BASE):
            body = KINDS[self.path.removeprefix(f"{BASE}/").partition("/")[0]]
            return body if self.method == "POST" else {"spec": body["spec"]}
        if self.path.startswith(TRASH):
            return None
        name = unique("nobody")
        return {"username": name, "email": f"{name}@example.com", "password": PASSWORD}


def operations() -> list[Operation]:
    """Return all operations that the application serves, documented or not."""

    def walk(routes: Any, prefix: str = "") -> list[Operation]:
        found = []
        for route in routes:
            if isinstance(route, APIRoute) or hasattr(route, "methods"):
                found += [
                    Operation(method, prefix + route.path) for method in route.methods - {"HEAD"}
                ]
            elif hasattr(route, "original_router"):
                found += walk(route.original_router.routes)
        return found

    return sorted(set(walk(create_app(Settings()).routes)), key=str)


def test_the_walk_finds_every_route() -> None:
    found = {str(operation) for operation in operations()}
    kinds = {kind.plural for kind in ALL_KINDS if kind.user_facing}
    assert kinds == set(KINDS)
    for plural in kinds:
        assert {f"POST {BASE}/{plural}", f"GET {BASE}/{plural}"} <= found
        for method in ("GET", "PUT", "PATCH", "DELETE"):
            assert f"{method} {BASE}/{plural}/{{name}}" in found
    assert {"GET /api/v1/auth/me", "POST /api/v1/auth/admin/register", *BODIES} <= found
    assert found >= PUBLIC
    document = create_app(Settings()).openapi()["paths"]
    documented = {f"{method.upper()} {path}" for path in document for method in document[path]}
    assert documented <= found
    assert found - documented <= PUBLIC
    assert len(found) == len(documented) + len(found - documented)


def callers_operations() -> list[Operation]:
    return [operation for operation in operations() if str(operation) not in PUBLIC]


@pytest.fixture(scope="session")
async def nobody(anonymous: Client, kubectl: Kubectl) -> User:
    """A user whom the API server knows, without rights on Wegent's objects."""
    name = unique("nobody")
    (await kubectl.call("create", "serviceaccount", name, "--namespace=kube-public")).ok()
    return User(name, anonymous.as_(token_for(kubectl, "kube-public", name)))


@pytest.mark.parametrize("operation", callers_operations(), ids=str)
async def test_an_operation_acts_as_its_caller(
    operation: Operation, nobody: User, user: User, audit: AuditLog
) -> None:
    anonymous = nobody.client.as_(None)
    request = (operation.method, operation.filled, operation.body)
    answer = await anonymous.send(*request, headers=operation.headers)
    if operation.path.startswith(OPENAI):
        assert answer.expect(401)["error"]["code"] == "invalid_api_key"
    else:
        answer.refused(401, "Unauthorized")
    assert not for_callers(audit)

    account = f"system:serviceaccount:kube-public:{nobody.name}"
    answer = await nobody.client.send(*request, headers=operation.headers)
    if operation.path == "/v1/models":
        assert answer.expect(200)["data"] == []
    elif operation.path.startswith(OPENAI):
        error = answer.expect(403)["error"]
        assert error["code"] == "permission_denied"
        assert account in error["message"]
    elif str(operation) == "GET /api/v1/namespaces":
        assert answer.expect(200)["items"] == []
    elif operation.path in FOR_ANYBODY:
        assert answer.status == 200
        assert account in answer.content.decode()
    elif operation.path == APPLY:
        [result] = answer.expect(207)["items"]
        assert result["status"]["reason"] == "Forbidden"
        assert account in result["status"]["message"]
    else:
        assert account in answer.refused(403, "Forbidden")
    assert {it.user for it in for_callers(audit)} == {account}
    assert not [it for it in audit.writes(user=PROXY) if it.code < 400]

    # A user with rights gets through: the refusals above were for lack of rights.
    answer = await user.client.send(*request, headers=operation.headers)
    assert answer.status != 401
    if operation.path.startswith((BASE, TRASH, APPLY)):
        assert answer.status in {200, 201, 404, 409, 422}
    mine = {it.user for it in for_callers(audit)} - {account}
    assert mine <= {user.account, PROXY if operation.path in READS_AS_ITSELF else user.account}


def for_callers(audit: AuditLog) -> list[Request]:
    """Return requests made for a caller; the proxy's watch of RoleBindings is for all."""
    return [
        it
        for it in audit.requests()
        if it.resource in RESOURCES
        and not (it.user == PROXY and it.resource == "rolebindings" and it.verb in READS)
    ]


RESOURCES = {kind.plural for kind in ALL_KINDS} | {"selfsubjectreviews", "rolebindings"}


async def test_two_users_share_default_and_nothing_else(
    new_user: Callable[[], Awaitable[User]],
) -> None:
    alice, bob = await new_user(), await new_user()
    name = unique("private")
    body = ghost(name)
    (await alice.client.post(f"{BASE}/ghosts?namespace={alice.home}", body)).expect(201)
    for client, namespace in ((bob.client, alice.home), (alice.client, bob.home)):
        collection, query = f"{BASE}/ghosts", f"?namespace={namespace}"
        (await client.get(f"{collection}{query}")).refused(403, "Forbidden")
        (await client.post(f"{collection}{query}", body)).refused(403, "Forbidden")
        there = await client.get(f"{collection}/{name}{query}")
        absent = await client.get(f"{collection}/no-{name}{query}")
        # 404 would reveal which objects exist; 403 is the same for both.
        there.refused(403, "Forbidden")
        message = absent.refused(403, "Forbidden")
        assert message.replace(f"no-{name}", name) == there.json["message"]
        (await client.delete(f"{collection}/{name}{query}")).refused(403, "Forbidden")
    (await alice.client.get(f"{BASE}/ghosts/{name}?namespace={alice.home}")).expect(200)

    shared = unique("shared")
    (await alice.client.post(f"{BASE}/ghosts", ghost(shared))).expect(201)
    (await bob.client.get(f"{BASE}/ghosts/{shared}")).expect(200)
    (await bob.client.delete(f"{BASE}/ghosts/{shared}?dryRun=All")).expect(204)


async def test_a_namespace_that_is_not_there_looks_like_one_that_is_not_ones_own(
    user: User,
) -> None:
    answers = [
        (await user.client.get(f"{BASE}/ghosts?namespace={namespace}")).refused(403, "Forbidden")
        for namespace in ("kube-system", "no-such-namespace")
    ]
    assert answers[0].replace("kube-system", "*") == answers[1].replace("no-such-namespace", "*")


@pytest.mark.parametrize("namespace", ["wegent-accounts", "wegent-system", "kube-system"])
async def test_users_have_no_part_in_namespaces_that_are_nobodys(
    user: User, namespace: str
) -> None:
    for plural in KINDS:
        answer = await user.client.get(f"{BASE}/{plural}?namespace={namespace}")
        answer.refused(403, "Forbidden")


async def test_the_same_token_has_the_same_rights_with_kubectl(
    user: User, control_plane: ControlPlane, tmp_path: Path
) -> None:
    assert user.client.token
    kubeconfig = write_kubeconfig(
        tmp_path / "kubeconfig",
        name=user.name,
        server=control_plane.server,
        ca_file=control_plane.ca_file,
        credentials=user.client.token,
    )
    theirs = Kubectl(control_plane.binaries.kubectl, kubeconfig)
    name = unique("both-ways")
    (await user.client.post(f"{BASE}/ghosts", ghost(name))).expect(201)
    (await theirs.call("get", "ghost", name, "-ndefault")).ok()
    (await theirs.call("get", "ghosts", f"-n{user.home}")).ok()
    for arguments in (
        ("get", "ghosts", "-nkube-system"),
        ("get", "ghosts", "-A"),
        ("get", "accounts", "-nwegent-accounts"),
        ("get", "secrets", "-nwegent-accounts"),
        ("create", "token", user.name, "-nwegent-accounts"),
    ):
        assert "is forbidden: User" in (await theirs.call(*arguments)).stderr
