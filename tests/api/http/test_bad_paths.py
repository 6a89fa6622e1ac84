"""Invalid names, paths, methods and parameters: each is refused with a ``Status``.

The API server is not asked: the audit log shows that no request arrived.
"""

import pytest

from tests.api.objects import BASE, ghost
from tests.api.users import User
from tests.support.audit import AuditLog
from tests.support.proxy import Client

GHOSTS = f"{BASE}/ghosts"


WRONG_NAMES = [
    "Upper",
    "under_score",
    "-dash",
    "dash-",
    "a" * 254,
    "sp%20ace",
    "colon:",
    "%C3%A9",
    "a..b",
    "dot.",
    "%252e%252e",
    "a%0a",
    "a%00"[:1] + "%7f",
    "*",
    "a;b",
    "a,b",
]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("name", WRONG_NAMES)
async def test_a_name_that_nothing_can_have(
    client: Client, user: User, audit: AuditLog, method: str, name: str
) -> None:
    answer = await client.send(method, f"{GHOSTS}/{name}")
    assert answer.refused(400, "BadRequest").startswith("name: must be a DNS-1123 subdomain")
    assert answer.causes() == {"name": "FieldValueInvalid"}
    assert not audit.requests(user=user.account)


@pytest.mark.parametrize(
    "namespace", [*WRONG_NAMES[:6], "..", "a.b", "", "a/../../b", "a%2F..%2F..%2Fb", "a" * 64]
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", GHOSTS), ("POST", GHOSTS), ("GET", f"{GHOSTS}/x"), ("DELETE", f"{GHOSTS}/x")],
)
async def test_a_namespace_that_can_not_be(
    client: Client, user: User, audit: AuditLog, method: str, path: str, namespace: str
) -> None:
    body = ghost("x") if method == "POST" else None
    answer = await client.send(method, f"{path}?namespace={namespace}", body)
    assert answer.refused(400, "BadRequest").startswith("namespace: must be a DNS-1123 label")
    assert not audit.requests(user=user.account)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize(
    "path",
    [
        f"{BASE}/ghosts/..",
        f"{BASE}/ghosts/.",
        f"{BASE}/ghosts/%2e%2e",
        f"{BASE}/ghosts/.%2E",
        f"{BASE}/ghosts/../models",
        f"{BASE}/ghosts/..%2Fmodels",
        f"{BASE}/ghosts/..%2f..%2f..%2fsecrets",
        f"{BASE}/ghosts/%2e%2e%2fmodels%2fx",
        f"{BASE}/ghosts/a%2Fstatus",
        f"{BASE}/ghosts/a%5Cstatus",
        f"{BASE}/ghosts/a%00b",
        f"{BASE}/../../api/v1/kinds/ghosts",
        f"/%2e%2e{BASE}/ghosts",
        "/api%2Fv1/kinds/ghosts",
        "/v1/models/a%2F..",
        "/v1/models/..%2Fa",
        "/v1/models/a%2Fb%2Fc",
        "/v1/models/a%2F%2E%2E",
        "/v1/models%2Fa/b",
    ],
)
async def test_a_path_on_which_hops_could_disagree(
    client: Client, user: User, audit: AuditLog, method: str, path: str
) -> None:
    answer = await client.send(method, path)
    if path.startswith("/v1/"):
        message = answer.expect(400)["error"]["message"]
    else:
        message = answer.refused(400, "BadRequest")
    assert message.startswith("path: must not have")
    assert not audit.requests(user=user.account)


@pytest.mark.parametrize(
    "path",
    [
        f"{BASE}/secrets",
        f"{BASE}/accounts",
        f"{BASE}/ghosts/a/b",
        f"{BASE}/ghosts/a/status",
        f"{BASE}/none/",
        f"{BASE}/ghosts//",
        f"{BASE}//ghosts",
        f"{BASE}/Ghosts",
        "/apis/agent.wecode.io/v1/ghosts",
        "/apis/",
        "//",
    ],
)
async def test_a_path_that_is_none(client: Client, user: User, audit: AuditLog, path: str) -> None:
    (await client.get(path)).refused(404, "NotFound")
    assert not audit.requests(user=user.account)


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", GHOSTS), ("DELETE", GHOSTS), ("POST", f"{GHOSTS}/x"), ("GET", "/api/v1/auth/login")],
)
async def test_a_method_that_a_path_has_not(client: Client, method: str, path: str) -> None:
    answer = await client.send(method, path)
    answer.refused(405, "MethodNotAllowed")
    assert method not in answer.headers["Allow"]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("labelselector=a", "labelselector"),
        ("watch=maybe", "watch"),
        ("fieldValidation=Ignore", "fieldValidation"),
        ("dryRun=All", "dryRun"),
        ("namespace=default&namespace=kube-system", "namespace"),
        ("limit=1&limit=1", "limit"),
        ("limit=-1", "limit"),
        ("limit=many", "limit"),
        ("limit=99999999999", "limit"),
        ("labelSelector=" + "a" * 5000, "labelSelector"),
    ],
)
async def test_a_parameter_that_a_list_has_not(
    client: Client, user: User, audit: AuditLog, query: str, parameter: str
) -> None:
    answer = await client.get(f"{GHOSTS}?{query}")
    assert parameter in answer.refused(400, "BadRequest")
    assert list(answer.causes()) == [parameter]
    assert not audit.requests(user=user.account)


async def test_parameters_of_other_routes_are_unknown(client: Client) -> None:
    (await client.get(f"{GHOSTS}/x?labelSelector=a")).refused(400, "BadRequest")
    (await client.delete(f"{GHOSTS}/x?limit=1")).refused(400, "BadRequest")
    (await client.post(f"{GHOSTS}?limit=1", ghost("x"))).refused(400, "BadRequest")
    answer = await client.post(f"{GHOSTS}?validateRefs=perhaps", ghost("x"))
    assert answer.causes() == {"validateRefs": "FieldValueInvalid"}


async def test_more_parameters_than_any_route_has(client: Client) -> None:
    query = "&".join(f"p{number}" for number in range(9_000))
    answer = await client.get(f"{GHOSTS}?{query}")
    assert "parameters" in answer.refused(400, "BadRequest")
    assert len(answer.content) < 1_000
