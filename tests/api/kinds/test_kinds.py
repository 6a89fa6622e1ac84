"""The REST API of the kinds, on a real API server."""

import asyncio

import pytest

from tests.api.objects import BASE, example, ghost
from tests.api.users import PASSWORD, User, unique
from tests.support.audit import AuditLog
from tests.support.kubectl import Kubectl
from tests.support.proxy import Client
from wegent_api.http.examples import KINDS
from wegent_api.upstream.client import HELD_BYTES


async def test_every_kind_is_created_read_and_listed(client: Client) -> None:
    tag = unique("t")
    for plural in KINDS:
        body = example(plural, tag, labels={"test": tag})
        name = body["metadata"]["name"]
        made = (await client.post(f"{BASE}/{plural}", body)).expect(201)
        assert made["apiVersion"] == "agent.wecode.io/v1"
        assert f"{made['kind'].lower()}s" == plural
        assert body["spec"].items() <= made["spec"].items() or plural == "teams"
        assert made["metadata"]["namespace"] == "default"
        got = (await client.get(f"{BASE}/{plural}/{name}")).expect(200)
        assert got["metadata"]["uid"] == made["metadata"]["uid"]
        listed = (await client.get(f"{BASE}/{plural}?labelSelector=test={tag}")).expect(200)
        assert [item["metadata"]["name"] for item in listed["items"]] == [name]


async def test_what_is_not_there(client: Client) -> None:
    for plural in KINDS:
        path = f"{BASE}/{plural}/{unique('absent')}"
        (await client.get(path)).refused(404, "NotFound")
        (await client.delete(path)).refused(404, "NotFound")


async def test_apiversion_and_kind_may_be_given(client: Client) -> None:
    body = {"apiVersion": "agent.wecode.io/v1", "kind": "Ghost", **ghost(unique("g"))}
    (await client.post(f"{BASE}/ghosts", body)).expect(201)


async def test_the_api_server_may_make_the_name(client: Client) -> None:
    body = {"metadata": {"generateName": "made-"}, "spec": {"systemPrompt": "x"}}
    made = (await client.post(f"{BASE}/ghosts", body)).expect(201)
    assert made["metadata"]["name"].startswith("made-")


@pytest.mark.parametrize("where", ["parameter", "body", "both"])
async def test_the_namespace_comes_from_the_parameter_or_the_body(user: User, where: str) -> None:
    name = unique("ns")
    metadata = {} if where == "parameter" else {"namespace": user.home}
    query = "" if where == "body" else f"?namespace={user.home}"
    made = (await user.client.post(f"{BASE}/ghosts{query}", ghost(name, **metadata))).expect(201)
    assert made["metadata"]["namespace"] == user.home
    (await user.client.get(f"{BASE}/ghosts/{name}?namespace={user.home}")).expect(200)
    (await user.client.get(f"{BASE}/ghosts/{name}")).refused(404, "NotFound")


async def test_a_name_is_taken_once(client: Client) -> None:
    body = ghost(unique("twice"))
    (await client.post(f"{BASE}/ghosts", body)).expect(201)
    message = (await client.post(f"{BASE}/ghosts", body)).refused(409, "AlreadyExists")
    assert body["metadata"]["name"] in message


async def test_of_many_creations_at_once_one_wins(client: Client) -> None:
    body = ghost(unique("race"))
    answers = await asyncio.gather(*(client.post(f"{BASE}/ghosts", body) for _ in range(16)))
    assert sorted(answer.status for answer in answers) == [201] + [409] * 15


async def test_many_different_objects_at_once(client: Client) -> None:
    tag = unique("many")
    bodies = [ghost(f"{tag}-{i}", f"prompt {i}", labels={"test": tag}) for i in range(64)]
    made = await asyncio.gather(*(client.post(f"{BASE}/ghosts", body) for body in bodies))
    for body, answer in zip(bodies, made, strict=True):  # each caller gets its own answer
        assert answer.expect(201)["spec"]["systemPrompt"] == body["spec"]["systemPrompt"]
    listed = (await client.get(f"{BASE}/ghosts?labelSelector=test={tag}")).expect(200)
    assert len(listed["items"]) == 64


async def test_a_list_comes_in_pages(user: User) -> None:
    tag = unique("page")
    for index in range(5):
        body = ghost(f"{tag}-{index}", labels={"test": tag})
        (await user.client.post(f"{BASE}/ghosts?namespace={user.home}", body)).expect(201)
    query = f"{BASE}/ghosts?namespace={user.home}&labelSelector=test%3D{tag}&limit=2"
    names, token, pages = [], "", 0
    while pages == 0 or token:
        page = (await user.client.get(query + (f"&continue={token}" if token else ""))).expect(200)
        assert len(page["items"]) <= 2
        names += [item["metadata"]["name"] for item in page["items"]]
        token, pages = page["metadata"].get("continue", ""), pages + 1
    assert (names, pages) == ([f"{tag}-{index}" for index in range(5)], 3)


async def test_what_the_api_server_says_of_parameters_passes(client: Client) -> None:
    selector = await client.get(f"{BASE}/ghosts?labelSelector=,,,")
    assert "identifier" in selector.refused(400, "BadRequest")
    token = await client.get(f"{BASE}/ghosts?continue=nonsense")
    assert "continue" in token.refused(400, "BadRequest")


async def test_a_body_is_what_the_api_server_sent_byte_for_byte(
    client: Client, kubectl: Kubectl
) -> None:
    name = unique("bytes")
    (await client.post(f"{BASE}/ghosts", ghost(name, 'é \\u0000 "quoted" <tag> 😀'))).expect(201)
    answer = await client.get(f"{BASE}/ghosts/{name}")
    path = f"/apis/agent.wecode.io/v1/namespaces/default/ghosts/{name}"
    raw = (await kubectl.call("get", "--raw", path)).ok().stdout
    assert answer.content.strip() == raw.encode().strip()


async def test_a_long_list_is_passed_on_while_it_arrives(user: User) -> None:
    tag, prompt = unique("long"), "x" * 100_000
    collection = f"{BASE}/ghosts?namespace={user.home}"
    for index in range(24):
        body = ghost(f"{tag}-{index}", prompt, labels={"test": tag})
        (await user.client.post(collection, body)).expect(201)
    answer = await user.client.get(f"{collection}&labelSelector=test={tag}")
    assert len(answer.content) > 2 * HELD_BYTES
    assert "Content-Length" not in answer.headers  # the answer was streamed
    assert len(answer.expect(200)["items"]) == 24


async def test_an_answer_names_its_request_here_and_in_the_audit_log(
    client: Client, audit: AuditLog
) -> None:
    answer = await client.get(f"{BASE}/ghosts/absent", headers={"X-Request-Id": "my-request.1"})
    answer.refused(404, "NotFound")
    assert answer.headers["X-Request-Id"] == "my-request.1"
    assert answer.headers["Audit-Id"] == "my-request.1"
    [audited] = [it for it in audit.requests() if it.event["auditID"] == "my-request.1"]
    assert (audited.verb, audited.resource, audited.name) == ("get", "ghosts", "absent")


async def test_what_the_proxy_asks_by_itself_is_found_by_the_requests_id(
    user: User, audit: AuditLog
) -> None:
    body = {"username": user.name, "password": PASSWORD}
    headers = {"X-Request-Id": "my-login.1"}
    (await user.client.post("/api/v1/auth/login", body, headers=headers)).expect(200)
    audited = [it for it in audit.requests() if it.event["auditID"] == "my-login.1"]
    assert {it.subresource for it in audited} >= {"token"}
    assert {it.user for it in audited} == {"system:serviceaccount:wegent-system:wegent-api"}


@pytest.mark.parametrize("unwanted", ["", "two words", "x" * 65, "tab\there", "a,b", "ünïcode"])
async def test_a_request_id_that_would_spoil_a_log_is_replaced(
    client: Client, unwanted: str
) -> None:
    answer = await client.get("/healthz", headers={"X-Request-Id": unwanted})
    assert answer.headers["X-Request-Id"] != unwanted
    assert len(answer.headers["X-Request-Id"]) == 32
