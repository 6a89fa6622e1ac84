"""The secret headers of MCP servers are written over REST, and never read."""

import base64
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.api.conftest import ProxyFactory
from tests.api.objects import BASE
from tests.api.users import User, unique
from tests.crds.samples import MINIMAL
from tests.support.api import Api
from tests.support.proxy import Answer, Client
from wegent_api.keys.headers import secret_name
from wegent_crds.api_keys import HOSTS_ANNOTATION, SECRET_TYPE
from wegent_crds.registry import BY_PLURAL
from wegent_kube.resources import SECRETS

VALUE = "Bearer the-owners-token"
HOSTS = ["mcp.example.com"]
SERVER = {"url": "https://mcp.example.com/issues"}
Make = Callable[..., Awaitable[str]]


@pytest.fixture(params=["ghosts", "skills"])
def plural(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def made(client: Client, place: str, plural: str) -> Make:
    """Create an object with an MCP server, and return the path of the header Authorization."""

    async def make(name: str = "one", **server: Any) -> str:
        body = {
            "metadata": {"name": name, "namespace": place},
            "spec": {**MINIMAL[plural], "mcpServers": {"issues": {**SERVER, **server}}},
        }
        (await client.post(f"{BASE}/{plural}", body)).expect(201)
        path = f"{BASE}/{plural}/{name}/mcpservers/issues/headers/Authorization"
        return f"{path}?namespace={place}"

    return make


async def put(client: Client, path: str, value: str = VALUE, **fields: Any) -> Answer:
    answer = await client.send("PUT", path, {"value": value, "hosts": HOSTS, **fields})
    assert value.encode() not in answer.content
    assert base64.b64encode(value.encode()) not in answer.content
    return answer


def name_of(plural: str, header: str = "Authorization") -> str:
    """Return the name of the Secret that a header of the object ``one`` gets."""
    return secret_name(BY_PLURAL[plural], "one", "issues", header)


async def secret(api: Api, namespace: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = await api.find(SECRETS, namespace, name)
    return found


def value_of(secret: dict[str, Any], key: str = "key") -> str:
    return base64.b64decode(secret["data"][key]).decode()


async def server_of(api: Api, namespace: str, plural: str, name: str = "one") -> dict[str, Any]:
    found = await api.get(plural, namespace, name)
    assert found is not None
    server: dict[str, Any] = found["spec"]["mcpServers"]["issues"]
    return server


async def test_a_header_gets_a_secret_of_its_own(
    client: Client, place: str, api: Api, plural: str, made: Make
) -> None:
    path = await made(headers={"X-Team": "blue"})
    reference = {"name": name_of(plural), "key": "key"}
    assert (await put(client, path)).expect(200) == {"secretKeyRef": reference, "hosts": HOSTS}
    (await put(client, path.replace("Authorization", "X-Other"))).expect(200)
    stored = await secret(api, place, reference["name"])
    assert stored["type"] == SECRET_TYPE
    assert stored["metadata"]["annotations"] == {HOSTS_ANNOTATION: "mcp.example.com"}
    assert value_of(stored) == VALUE
    assert await server_of(api, place, plural) == {
        **SERVER,
        "headers": {"X-Team": "blue"},
        "headersFrom": {
            "Authorization": {"secretKeyRef": reference},
            "X-Other": {"secretKeyRef": {"name": name_of(plural, "X-Other"), "key": "key"}},
        },
        "required": False,
        "timeoutSeconds": 30,
    }


async def test_a_value_is_replaced_where_it_is(
    client: Client, place: str, api: Api, plural: str, made: Make
) -> None:
    reference = {"name": "shared", "key": "token"}
    path = await made(headersFrom={"authorization": {"secretKeyRef": reference}})
    (await put(client, path)).expect(200)
    told = (await put(client, path, "Bearer newer", hosts=["MCP.example.com:443"])).expect(200)
    assert told == {"secretKeyRef": reference, "hosts": HOSTS}
    assert value_of(await secret(api, place, "shared"), "token") == "Bearer newer"
    assert list((await server_of(api, place, plural))["headersFrom"]) == ["authorization"]


async def test_another_objects_secret_is_not_replaced(
    client: Client, place: str, api: Api, plural: str, made: Make
) -> None:
    reference = {"name": name_of(plural), "key": "key"}
    other = await made("other", headersFrom={"Authorization": {"secretKeyRef": reference}})
    (await put(client, other)).expect(200)
    refused = (await put(client, await made(), "Bearer another")).refused(409, "Conflict")
    assert "first set spec.mcpServers[issues].headersFrom[Authorization].secretKeyRef" in refused
    assert value_of(await secret(api, place, reference["name"])) == VALUE
    assert "headersFrom" not in await server_of(api, place, plural)


async def test_a_ghost_and_a_skill_of_one_name_have_a_secret_each(
    client: Client, place: str, api: Api
) -> None:
    for plural in ("ghosts", "skills"):
        spec = {**MINIMAL[plural], "mcpServers": {"issues": SERVER}}
        body = {"metadata": {"name": "one", "namespace": place}, "spec": spec}
        (await client.post(f"{BASE}/{plural}", body)).expect(201)
        path = f"{BASE}/{plural}/one/mcpservers/issues/headers/Authorization?namespace={place}"
        (await put(client, path, f"Bearer of {plural}")).expect(200)
    for plural in ("ghosts", "skills"):
        assert value_of(await secret(api, place, name_of(plural))) == f"Bearer of {plural}"


async def test_other_hosts_for_the_same_value_need_its_deletion(
    client: Client, place: str, api: Api, plural: str, made: Make
) -> None:
    """An editor who doesn't know the value can't have it sent elsewhere."""
    path = await made()
    (await put(client, path)).expect(200)
    refused = await put(client, path, hosts=[*HOSTS, "evil.example"])
    assert "can't be changed while the key stays" in refused.refused(403, "Forbidden")
    (await client.delete(path)).expect(204)
    assert await secret(api, place, name_of(plural)) is None
    (await put(client, path, hosts=[*HOSTS, "evil.example"])).expect(200)


async def test_hosts_are_never_taken_from_the_url(
    client: Client, place: str, api: Api, plural: str, made: Make
) -> None:
    answer = await client.send("PUT", await made(), {"value": VALUE})
    answer.refused(422, "Invalid")
    assert answer.causes() == {"hosts": "FieldValueRequired"}
    assert await secret(api, place, name_of(plural)) is None


@pytest.mark.parametrize(
    ("server", "header", "said"),
    [
        ({"headers": {"authorization": "x"}}, "Authorization", "a header must be given once"),
        ({}, "Host", "headers of the connection or of the protocol"),
        (
            {"headers": {"Host": "evil.example"}},
            "Authorization",
            "headers of the connection or of the protocol",
        ),
    ],
    ids=str,
)
async def test_a_header_that_the_schema_refuses_leaves_no_secret(
    client: Client,
    place: str,
    api: Api,
    made: Make,
    server: dict[str, Any],
    header: str,
    said: str,
) -> None:
    path = (await made(**server)).replace("Authorization", header)
    assert said in (await put(client, path)).refused(422, "Invalid")
    assert (await api.client.request("GET", SECRETS.path(place)))["items"] == []


async def test_a_stdio_server_has_no_headers(
    client: Client, place: str, plural: str, api: Api
) -> None:
    spec = {**MINIMAL[plural], "mcpServers": {"files": {"command": "npx"}}}
    body = {"metadata": {"name": "local", "namespace": place}, "spec": spec}
    (await client.post(f"{BASE}/{plural}", body)).expect(201)
    path = f"{BASE}/{plural}/local/mcpservers/files/headers/Authorization?namespace={place}"
    assert "a stdio server" in (await put(client, path)).refused(422, "Invalid")
    assert (await api.client.request("GET", SECRETS.path(place)))["items"] == []


@pytest.mark.parametrize(
    "body",
    [
        {"hosts": HOSTS},
        {"value": "", "hosts": HOSTS},
        {"value": f"{VALUE}\r\nX-Evil: 1", "hosts": HOSTS},
        {"value": f" {VALUE}", "hosts": HOSTS},
        {"value": f"{VALUE}ü", "hosts": HOSTS},
        {"value": VALUE * 200, "hosts": HOSTS},
        {"value": [VALUE], "hosts": HOSTS},
        {"value": VALUE, "hosts": []},
        {"value": VALUE, "hosts": ["https://mcp.example.com"]},
        {"value": VALUE, "hosts": ["*"]},
        {"value": VALUE, "hosts": HOSTS, "key": VALUE},
    ],
    ids=lambda it: str(it)[:60],
)
async def test_bad_bodies_are_refused_without_an_echo(
    client: Client, made: Make, body: dict[str, Any]
) -> None:
    answer = await client.send("PUT", await made(), body)
    answer.refused(422, "Invalid")
    assert VALUE.encode() not in answer.content


async def test_servers_and_headers_that_are_not_there(client: Client, made: Make) -> None:
    path = await made()
    said = (await client.delete(path)).refused(404, "NotFound")
    assert "spec.mcpServers[issues].headersFrom has no Authorization" in said
    for absent in (path.replace("/issues/", "/absent/"), path.replace("/one/", "/absent/")):
        (await put(client, absent)).refused(404, "NotFound")
        (await client.delete(absent)).refused(404, "NotFound")


@pytest.mark.parametrize("header", ["a%20b", "a%2Fb", "a~1b", "a" * 129])
async def test_names_that_no_header_has(client: Client, made: Make, header: str) -> None:
    answer = await put(client, (await made()).replace("Authorization", header))
    assert answer.status in {400, 404, 422}


async def test_a_stranger_writes_none(
    client: Client, new_user: Callable[[], Awaitable[User]], made: Make
) -> None:
    path = await made()
    (await put(client, path)).expect(200)
    stranger = (await new_user()).client
    (await put(stranger, path)).refused(403, "Forbidden")
    (await stranger.delete(path)).refused(403, "Forbidden")
    (await put(client.as_(None), path)).refused(401, "Unauthorized")


async def test_other_secrets_are_left_alone(
    client: Client, place: str, api: Api, made: Make
) -> None:
    body = {"metadata": {"name": "tls"}, "stringData": {"key": "x"}}
    await api.client.request("POST", SECRETS.path(place), body=body)
    reference = {"name": "tls", "key": "key"}
    path = await made(headersFrom={"Authorization": {"secretKeyRef": reference}})
    (await put(client, path)).refused(422, "Invalid")  # the type of a Secret is immutable
    (await client.delete(path)).refused(403, "Forbidden")
    assert value_of(await secret(api, place, "tls")) == "x"


async def test_no_log_has_the_value(client: Client, start_proxy: ProxyFactory, made: Make) -> None:
    proxy = start_proxy(log_level="DEBUG")
    path, value = await made(), unique("Bearer-logged")
    theirs = Client(client.session, proxy.url, client.token)
    (await put(theirs, path, value)).expect(200)
    (await put(theirs, path, value, hosts=["evil.example"])).refused(403, "Forbidden")
    body = {"value": f"{value} ", "hosts": HOSTS}
    (await theirs.send("PUT", path, body)).refused(422, "Invalid")
    proxy.stop()
    assert "/headers/Authorization" in proxy.logged()
    assert value not in proxy.logged()
    assert base64.b64encode(value.encode()).decode() not in proxy.logged()
