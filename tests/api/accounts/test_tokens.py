"""Tokens that prove a caller's identity, and tokens that don't."""

import time

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from devcluster.controlplane import ControlPlane
from tests.api import jwts
from tests.api.objects import BASE
from tests.api.users import ACCOUNTS, User, unique
from tests.support.audit import AuditLog
from tests.support.identity import token_for
from tests.support.kubectl import Kubectl
from tests.support.proxy import Client
from tests.support.waiting import eventually

PATHS = [f"{BASE}/ghosts", "/api/v1/auth/me"]


@pytest.fixture(scope="session")
def forgers_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="session")
def clusters_key(control_plane: ControlPlane) -> rsa.RSAPrivateKey:
    return jwts.private_key(control_plane.directory / "pki" / "service-account.key")


async def refused(client: Client, token: str) -> None:
    for path in PATHS:
        answer = await client.as_(token).get(path)
        answer.refused(401, "Unauthorized")
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


async def test_the_clusters_key_signs_what_the_cluster_takes(
    client: Client, clusters_key: rsa.RSAPrivateKey
) -> None:
    """Without this, the tokens below might be refused for another reason than the tested one."""
    assert client.token
    header, claims, _ = jwts.read(client.token)
    again = client.as_(jwts.rs256(header, {**claims, "jti": unique("again")}, clusters_key))
    (await again.get(PATHS[0])).expect(200)


async def test_an_expired_token(client: Client, clusters_key: rsa.RSAPrivateKey) -> None:
    assert client.token
    header, claims, _ = jwts.read(client.token)
    now = int(time.time())
    past = {"iat": now - 7200, "nbf": now - 7200, "exp": now - 3600}
    await refused(client, jwts.rs256(header, {**claims, **past}, clusters_key))


async def test_a_forged_token(client: Client, forgers_key: rsa.RSAPrivateKey) -> None:
    assert client.token
    header, claims, signature = jwts.read(client.token)
    somebody = {**claims, "sub": "system:serviceaccount:kube-system:namespace-controller"}
    await refused(client, jwts.rs256(header, claims, forgers_key))
    await refused(client, jwts.signed(header, somebody, signature))
    await refused(client, jwts.signed(header, claims, signature[:-1] + b"\x00"))


async def test_a_token_that_is_not_signed(client: Client, clusters_key: rsa.RSAPrivateKey) -> None:
    assert client.token
    header, claims, _ = jwts.read(client.token)
    for algorithm in ("none", "None", "NONE"):
        await refused(client, jwts.signed({**header, "alg": algorithm}, claims, b""))
    await refused(client, jwts.hs256(header, claims, jwts.public_pem(clusters_key)))


async def test_a_token_for_another_audience(client: Client, user: User, kubectl: Kubectl) -> None:
    await refused(client, token_for(kubectl, ACCOUNTS, user.name, audience="vault"))


async def test_a_token_of_another_issuer(client: Client, clusters_key: rsa.RSAPrivateKey) -> None:
    assert client.token
    header, claims, _ = jwts.read(client.token)
    await refused(client, jwts.rs256(header, {**claims, "iss": "https://else"}, clusters_key))


async def test_a_token_dies_with_its_serviceaccount(client: Client, kubectl: Kubectl) -> None:
    name = unique("gone")
    (await kubectl.call("create", "serviceaccount", name, "-n", ACCOUNTS)).ok()
    theirs = client.as_(token_for(kubectl, ACCOUNTS, name))
    (await theirs.get("/api/v1/auth/me")).expect(200)
    (await kubectl.call("delete", "serviceaccount", name, "-n", ACCOUNTS)).ok()
    (await kubectl.call("create", "serviceaccount", name, "-n", ACCOUNTS)).ok()  # a new uid

    async def dead() -> bool:
        return (await theirs.get("/api/v1/auth/me")).status == 401

    await eventually(dead, within_s=30, what="the token of the deleted one is refused")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic dXNlcjpwYXNz",
        "Token abc",
        "Bearer two words",
        'Bearer quo"te',
        "Bearer comma,comma",
        "Bearer " + "a" * 8193,
        "Bearer ünïcode",
        "Bearer =",
        "bearer\tabc",
        "Digest username=x",
    ],
)
async def test_a_header_that_holds_no_token_goes_nowhere(
    anonymous: Client, audit: AuditLog, path: str, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = await anonymous.get(path, headers=headers)
    answer.refused(401, "Unauthorized")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert not [it for it in audit.requests() if it.resource in {"ghosts", "selfsubjectreviews"}]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer "])
async def test_the_schemes_case_is_free(client: Client, scheme: str) -> None:
    headers = {"Authorization": f"{scheme} {client.token}"}
    (await client.as_(None).get(PATHS[0], headers=headers)).expect(200)


async def test_who_has_no_token_learns_nothing_else(anonymous: Client) -> None:
    """401 precedes every other fault of the request."""
    for method, path, raw in (
        ("GET", f"{BASE}/ghosts?nonsense=1", None),
        ("GET", f"{BASE}/ghosts?limit=1&limit=2", None),
        ("GET", f"{BASE}/ghosts/UPPER", None),
        ("POST", f"{BASE}/ghosts", b"{"),
        ("POST", f"{BASE}/ghosts", b" " * 2_000_000),
        ("DELETE", f"{BASE}/ghosts/x", b"{}"),
        ("POST", "/api/v1/auth/admin/register", b"{"),
    ):
        (await anonymous.send(method, path, raw=raw)).refused(401, "Unauthorized")
