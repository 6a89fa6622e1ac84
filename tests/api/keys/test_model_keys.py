"""The key of a Model is written over REST, and never read."""

import base64
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.api.conftest import ProxyFactory
from tests.api.objects import BASE
from tests.api.users import User, unique
from tests.support.api import Api
from tests.support.proxy import Answer, Client
from wegent_crds.api_keys import HOSTS_ANNOTATION, SECRET_TYPE
from wegent_kube.resources import SECRETS

KEY = "sk-the-owners-secret"


@pytest.fixture
def model(client: Client, place: str) -> Callable[..., Awaitable[str]]:
    """Create a Model, and return the path of its key."""

    async def make(name: str = "m", **spec: Any) -> str:
        body = {
            "metadata": {"name": name, "namespace": place},
            "spec": {"provider": "openai", "model": "gpt-4", **spec},
        }
        (await client.post(f"{BASE}/models", body)).expect(201)
        return f"{BASE}/models/{name}/key?namespace={place}"

    return make


async def put(client: Client, path: str, key: str = KEY, **fields: Any) -> Answer:
    answer = await client.send("PUT", path, {"key": key, **fields})
    assert key.encode() not in answer.content
    assert base64.b64encode(key.encode()) not in answer.content
    return answer


async def stored(api: Api, namespace: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = await api.find(SECRETS, namespace, name)
    return found


def value(secret: dict[str, Any], key: str = "key") -> str:
    return base64.b64decode(secret["data"][key]).decode()


async def test_a_model_without_a_reference_gets_one(
    client: Client, place: str, api: Api, model: Callable[..., Awaitable[str]]
) -> None:
    path = await model()
    reference = {"name": "m-key", "key": "key"}
    told = {"secretKeyRef": reference, "hosts": ["api.openai.com"]}
    assert (await put(client, path)).expect(200) == told
    secret = await stored(api, place, "m-key")
    assert secret["type"] == SECRET_TYPE
    assert secret["metadata"]["annotations"] == {HOSTS_ANNOTATION: "api.openai.com"}
    assert value(secret) == KEY
    found = await api.get("models", place, "m")
    assert found is not None
    assert found["spec"]["apiKeySecretRef"] == reference


async def test_the_key_of_another_model_is_not_replaced(
    client: Client, place: str, api: Api, model: Callable[..., Awaitable[str]]
) -> None:
    reference = {"name": "m-key", "key": "key"}
    other = await model("other", apiKeySecretRef=reference)
    (await put(client, other)).expect(200)
    refused = (await put(client, await model("m"), "sk-another")).refused(409, "Conflict")
    assert "first set spec.apiKeySecretRef" in refused
    assert value(await stored(api, place, "m-key")) == KEY
    found = await api.get("models", place, "m")
    assert found is not None
    assert "apiKeySecretRef" not in found["spec"]


async def test_a_key_is_replaced_with_its_hosts(
    client: Client, place: str, api: Api, model: Callable[..., Awaitable[str]]
) -> None:
    reference = {"name": "shared", "key": "token"}
    path = await model(apiKeySecretRef=reference, baseUrl="https://llm.example/v1")
    hosts = ["LLM.example:443", "http://10.0.0.1:80", "[::1]:8443"]
    told = (await put(client, path, hosts=hosts)).expect(200)
    assert told["secretKeyRef"] == reference
    assert told["hosts"] == ["llm.example", "http://10.0.0.1", "[::1]:8443"]
    (await put(client, path, "sk-newer", hosts=["llm.example"])).expect(200)
    secret = await stored(api, place, "shared")
    assert value(secret, "token") == "sk-newer"
    assert secret["metadata"]["annotations"][HOSTS_ANNOTATION] == "llm.example"


async def test_other_hosts_for_the_same_key_need_its_deletion(
    client: Client, place: str, api: Api, model: Callable[..., Awaitable[str]]
) -> None:
    path = await model()
    (await put(client, path)).expect(200)
    refused = await put(client, path, hosts=["api.openai.com", "llm.example"])
    assert "can't be changed while the key stays" in refused.refused(403, "Forbidden")
    (await client.delete(path)).expect(204)
    assert await stored(api, place, "m-key") is None
    (await put(client, path, hosts=["api.openai.com", "llm.example"])).expect(200)


@pytest.mark.parametrize(
    "spec", [{"baseUrl": "https://evil.example/v1"}, {"provider": "somebodys-own"}], ids=str
)
async def test_hosts_are_never_taken_from_what_others_may_change(
    client: Client, place: str, api: Api, model: Callable[..., Awaitable[str]], spec: dict[str, str]
) -> None:
    answer = await put(client, await model(**spec))
    assert "must name the hosts" in answer.refused(422, "Invalid")
    assert answer.causes() == {"hosts": "FieldValueRequired"}
    assert await stored(api, place, "m-key") is None


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"key": ""},
        {"key": f"{KEY} with spaces"},
        {"key": f"{KEY}\n"},
        {"key": f"{KEY}ü"},
        {"key": KEY * 500},
        {"key": [KEY]},
        {"key": KEY, "hosts": []},
        {"key": KEY, "hosts": ["https://api.openai.com"]},
        {"key": KEY, "hosts": ["api.openai.com/v1"]},
        {"key": KEY, "hosts": ["*"]},
        {"key": KEY, "hosts": ["a.example, b.example"]},
        {"key": KEY, "hosts": ["user@a.example"]},
        {"key": KEY, "hosts": [""]},
        {"key": KEY, "host": "a.example"},
    ],
    ids=lambda it: str(it)[:60],
)
async def test_bad_bodies_are_refused_without_an_echo(
    client: Client, model: Callable[..., Awaitable[str]], body: dict[str, Any]
) -> None:
    answer = await client.send("PUT", await model(), body)
    answer.refused(422, "Invalid")
    assert KEY.encode() not in answer.content


async def test_a_model_without_a_key_has_none_to_delete(
    client: Client, model: Callable[..., Awaitable[str]]
) -> None:
    path = await model()
    assert "names no Secret" in (await client.delete(path)).refused(404, "NotFound")
    (await client.delete(path.replace("/m/", "/absent/"))).refused(404, "NotFound")
    (await put(client, path.replace("/m/", "/absent/"))).refused(404, "NotFound")


async def test_a_stranger_writes_none(
    client: Client,
    new_user: Callable[[], Awaitable[User]],
    model: Callable[..., Awaitable[str]],
) -> None:
    path = await model()
    (await put(client, path)).expect(200)
    stranger = (await new_user()).client
    (await put(stranger, path)).refused(403, "Forbidden")
    (await stranger.delete(path)).refused(403, "Forbidden")
    (await put(client.as_(None), path)).refused(401, "Unauthorized")


async def test_other_secrets_are_left_alone(
    client: Client, place: str, api: Api, model: Callable[..., Awaitable[str]]
) -> None:
    """Of another type, or in another namespace: a Model's reference has no namespace."""
    body = {"metadata": {"name": "tls"}, "stringData": {"key": "x"}}
    await api.client.request("POST", SECRETS.path(place), body=body)
    path = await model(apiKeySecretRef={"name": "tls", "key": "key"})
    (await put(client, path)).refused(422, "Invalid")  # the type of a Secret is immutable
    (await client.delete(path)).refused(403, "Forbidden")
    assert value(await stored(api, place, "tls")) == "x"


async def test_no_log_has_the_key(
    client: Client, start_proxy: ProxyFactory, model: Callable[..., Awaitable[str]]
) -> None:
    proxy = start_proxy(log_level="DEBUG")
    path, key = await model(), unique("sk-logged")
    theirs = Client(client.session, proxy.url, client.token)
    (await put(theirs, path, key)).expect(200)
    (await put(theirs, path, key, hosts=["llm.example"])).refused(403, "Forbidden")
    (await theirs.send("PUT", path, {"key": f"{key} "})).refused(422, "Invalid")
    proxy.stop()
    assert "/models/m/key" in proxy.logged()
    assert key not in proxy.logged()
    assert base64.b64encode(key.encode()).decode() not in proxy.logged()
