"""Invalid requests: each is refused with a ``Status`` that names the fault.

The API server is not asked, unless the decision is its own: the audit log shows that no request
arrived.
"""

import asyncio
import contextlib
import json
from typing import Any

import pytest
from yarl import URL

from tests.api.objects import BASE, bot, ghost
from tests.api.users import User, unique
from tests.support.audit import AuditLog
from tests.support.proxy import Client
from wegent_kube.content_types import JSON_PATCH

GHOSTS = f"{BASE}/ghosts"


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "Expecting value: line 1 column 1"),
        (b'{"metadata": {"name": "x"},\n  "spec": }', "line 2 column 11"),
        (b'{"a": 1,}', "line 1 column 9"),
        (b"{'a': 1}", "line 1 column 2"),
        (b'{"a": 1} {"b": 2}', "Extra data: line 1 column 10"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "-Infinity"),
        (b'{"a": 1e999}', "out of range"),
        (b'{"a": ' + b"9" * 5000 + b"}", "too many digits"),
        (b'{"a": "\xff"}', "not valid UTF-8: byte 7"),
        (b"\xff\xfe{", "not valid UTF-16"),
        (b'{"a": "\x01"}', "control character"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"\\uDC00\\uD800": 1}', "surrogate"),
        (b'{"spec": {"a": 1, "b": 2, "a": 3}}', 'duplicate key "a"'),
        (b'{"a":' * 2_000, "nested too deeply"),
        (b"[" * 2_000, "nested too deeply"),
        (b"[]", "must be a JSON object"),
        (b'"text"', "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b"kind: Ghost", "line 1 column 1"),
    ],
)
async def test_a_body_that_is_not_one_json_object(
    client: Client, user: User, audit: AuditLog, raw: bytes, says: str
) -> None:
    assert says in (await client.post(GHOSTS, raw=raw)).refused(400, "BadRequest")
    assert says in (await client.post("/api/v1/auth/login", raw=raw)).refused(400, "BadRequest")
    assert not audit.requests(user=user.account)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/yaml"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "application/merge-patch+json"},
        {"Content-Type": ""},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
async def test_a_body_that_does_not_say_it_is_json(client: Client, headers: dict[str, str]) -> None:
    answer = await client.post(GHOSTS, ghost("x"), headers=headers)
    answer.refused(415, "UnsupportedMediaType")


async def test_a_whole_surrogate_pair_is_a_character(client: Client) -> None:
    raw = b'{"metadata": {"generateName": "pair-"}, "spec": {"systemPrompt": "\\ud83d\\ude00"}}'
    made = (await client.post(GHOSTS, raw=raw)).expect(201)
    assert made["spec"]["systemPrompt"] == "😀"


@pytest.mark.parametrize("charset", ["", "; charset=utf-8", ";charset=UTF-8"])
async def test_a_body_may_say_that_it_is_utf8(client: Client, charset: str) -> None:
    headers = {"Content-Type": f"application/json{charset}"}
    (await client.post(GHOSTS, ghost(unique("utf8"), "Grüße"), headers=headers)).expect(201)


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"systemPrompt": 7}, "spec.systemPrompt"),
        ({"systemPrompt": ""}, "spec.systemPrompt"),
        ({"description": "no prompt"}, "spec.systemPrompt"),
        ({"systemPrompt": "x", "skillRefs": [{"name": 1}]}, "spec.skillRefs[0].name"),
        ("text", "spec"),
    ],
)
async def test_wrong_values_are_named_by_the_api_server(
    client: Client, spec: Any, field: str
) -> None:
    body = {"metadata": {"name": unique("wrong")}, "spec": spec}
    answer = await client.post(GHOSTS, body)
    assert field in answer.refused(422, "Invalid")
    assert field in answer.causes()


@pytest.mark.parametrize(
    ("body", "unknown"),
    [
        ({**ghost("x"), "extra": 1}, "extra"),
        ({"metadata": {"name": "x"}, "spec": {"systemPrompt": "x", "promt": "y"}}, "spec.promt"),
        ({"metadata": {"name": "x", "lables": {}}, "spec": {"systemPrompt": "x"}}, "lables"),
    ],
)
async def test_unknown_fields_are_named(client: Client, body: Any, unknown: str) -> None:
    message = (await client.post(GHOSTS, body)).refused(400, "BadRequest")
    assert "unknown field" in message
    assert f'{unknown}"' in message


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "Model"}, "kind"),
        ({"kind": "ghost"}, "kind"),
        ({"kind": None}, "kind"),
        ({"kind": ["Ghost"]}, "kind"),
        ({"apiVersion": "agent.wecode.io/v2"}, "apiVersion"),
        ({"apiVersion": "v1"}, "apiVersion"),
        ({"apiVersion": 1}, "apiVersion"),
    ],
)
async def test_a_body_of_another_kind(client: Client, change: Any, field: str) -> None:
    answer = await client.post(GHOSTS, {**ghost(unique("other")), **change})
    assert field in answer.refused(400, "BadRequest")
    assert answer.causes() == {field: "FieldValueInvalid"}


@pytest.mark.parametrize(
    "namespace", ["kube-system", "..", "a/b", "Default", 7, ["default"], {"name": "default"}]
)
async def test_the_bodys_namespace_is_the_parameters(
    client: Client, user: User, audit: AuditLog, namespace: Any
) -> None:
    body = ghost(unique("ns"), namespace=namespace)
    answer = await client.post(f"{GHOSTS}?namespace=default", body)
    assert "metadata.namespace" in answer.refused(400, "BadRequest")
    assert not audit.requests(user=user.account)


async def test_metadata_that_is_none(client: Client) -> None:
    wrong: tuple[Any, ...] = ("text", 7, [])
    for metadata in wrong:
        answer = await client.post(GHOSTS, {"metadata": metadata, "spec": {"systemPrompt": "x"}})
        assert answer.json["kind"] == "Status"
        assert answer.status in {400, 422}
    (await client.post(GHOSTS, {"spec": {"systemPrompt": "x"}})).refused(422, "Invalid")


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
    ],
)
async def test_a_path_on_which_hops_could_disagree(
    client: Client, user: User, audit: AuditLog, method: str, path: str
) -> None:
    answer = await client.send(method, path)
    assert answer.refused(400, "BadRequest").startswith("path: must not have")
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


async def test_a_body_where_none_is_taken(client: Client) -> None:
    name = unique("kept")
    (await client.post(GHOSTS, ghost(name))).expect(201)
    body = {"preconditions": {"uid": "another"}}  # ignored, it would delete the wrong objects
    (await client.delete(f"{GHOSTS}/{name}", body=body)).refused(400, "BadRequest")
    (await client.get(f"{GHOSTS}/{name}")).expect(200)


async def test_a_body_that_is_too_long(client: Client, user: User, audit: AuditLog) -> None:
    body = ghost("x", "x" * 1_600_000)
    message = (await client.post(GHOSTS, body)).refused(413, "RequestEntityTooLarge")
    assert "1572864" in message
    assert not audit.requests(user=user.account)


async def test_a_long_body_that_does_not_say_so_is_not_read_to_its_end(
    client: Client, user: User, audit: AuditLog
) -> None:
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        while sent < 200_000_000:
            sent += 65536
            yield b" " * 65536
            # Without this, the client never looks for an answer, as its writes need not wait.
            await asyncio.sleep(0)

    answer = await client.session.post(
        client.base + GHOSTS,
        data=endless(),
        headers={"Authorization": f"Bearer {client.token}", "Content-Type": "application/json"},
    )
    async with answer:
        assert answer.status == 413
        assert (await answer.json())["reason"] == "RequestEntityTooLarge"
        answer.close()  # without sending the rest
    assert sent < 20_000_000
    # The token is checked before more than 64 KiB are read.
    assert {it.resource for it in audit.requests(user=user.account)} <= {"selfsubjectreviews"}


@pytest.mark.parametrize("line", ["X-{}: " + "b" * 1000, "X-Long{}", "c" * 1000])
async def test_headers_that_never_end(anonymous: Client, line: str) -> None:
    """Endless headers need no token, and would fill the memory if collected."""
    url = URL(anonymous.base)
    assert url.host
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: test\r\nX-A: ")
    separator = "\r\n" if ":" in line else ""
    sent = 0
    with contextlib.suppress(ConnectionError):
        while sent < 50_000_000:
            chunk = "".join(f"{separator}{line}".format(index) for index in range(64)).encode()
            writer.write(chunk)
            sent += len(chunk)
            await writer.drain()
    assert sent < 20_000_000
    with contextlib.suppress(ConnectionError):  # the reset may lose the answer
        head = await reader.read()
        assert head.startswith(b"HTTP/1.1 431 ") or not head
    writer.close()


async def test_long_headers_that_do_end(anonymous: Client) -> None:
    headers = {f"X-{index}": "b" * 4000 for index in range(40)}
    (await anonymous.get("/healthz", headers=headers)).expect(200)
    (await anonymous.get("/healthz", headers=headers)).expect(200)


async def test_the_longest_prompt_passes(client: Client) -> None:
    body = ghost(unique("longest"), "é" * 131_072)
    raw = json.dumps(body).encode()  # each character takes six bytes, escaped
    assert len(raw) > 786_432
    (await client.post(GHOSTS, raw=raw)).expect(201)


async def test_what_was_sent_is_not_echoed_where_it_may_be_a_secret(anonymous: Client) -> None:
    for body in (
        {"username": "x", "password": ["hunter2hunter2"]},
        {"username": {"hunter2hunter2": 1}, "password": "hunter2hunter2"},
        {"username": "UPPER", "password": "hunter2hunter2"},
        {"username": "x", "email": "hunter2hunter2", "password": "hunter2hunter2"},
    ):
        for path in ("login", "register"):
            answer = await anonymous.post(f"/api/v1/auth/{path}", body)
            answer.refused(422, "Invalid")
            assert b"hunter2" not in answer.content


async def test_a_bot_whose_reference_names_a_path(
    client: Client, user: User, audit: AuditLog
) -> None:
    for reference, field in (
        ({"name": "../../secrets/x"}, "spec.ghostRef.name"),
        ({"name": "x", "namespace": "../.."}, "spec.ghostRef.namespace"),
    ):
        answer = await client.post(f"{BASE}/bots", bot(unique("path"), ghostRef=reference))
        answer.refused(422, "Invalid")
        assert answer.causes()[field] == "FieldValueInvalid"
    asked = [request.event["requestURI"] for request in audit.requests(user=user.account)]
    assert asked
    assert not [uri for uri in asked if "secrets" in uri or ".." in uri]


@pytest.mark.parametrize(
    ("method", "path", "type_", "body", "code"),
    [
        ("PATCH", f"{GHOSTS}/x", JSON_PATCH, b"[" + b"0," * 400_000 + b"0]", 400),
        (
            "POST",
            GHOSTS,
            "application/json",
            b'{"metadata":{"name":"x"},"spec":{"systemPrompt":"x","skillRefs":['
            + b'{"name":"A"},' * 40_000  # a body of more than 100,000 values is refused unparsed
            + b'{"name":"A"}]}}',
            422,
        ),
    ],
    ids=["operations", "references"],
)
async def test_what_is_wrong_in_many_places_gets_a_short_answer(
    client: Client, audit: AuditLog, method: str, path: str, type_: str, body: bytes, code: int
) -> None:
    headers = {"Content-Type": type_}
    answer = await client.send(method, path, raw=body, headers=headers)
    assert answer.status == code
    assert len(answer.content) < 20_000
    assert not [it for it in audit.requests() if it.resource == "ghosts" and it.name == "x"]


async def test_more_parameters_than_any_route_has(client: Client) -> None:
    query = "&".join(f"p{number}" for number in range(9_000))
    answer = await client.get(f"{GHOSTS}?{query}")
    assert "parameters" in answer.refused(400, "BadRequest")
    assert len(answer.content) < 1_000
