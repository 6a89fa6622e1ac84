"""Invalid bodies: each is refused with a ``Status`` that names the fault.

The API server is not asked, unless the decision is its own: the audit log shows that no request
arrived.
"""

from typing import Any

import pytest

from tests.api.objects import BASE, bot, ghost
from tests.api.users import User, unique
from tests.support.audit import AuditLog
from tests.support.proxy import Client

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


async def test_a_body_where_none_is_taken(client: Client) -> None:
    name = unique("kept")
    (await client.post(GHOSTS, ghost(name))).expect(201)
    body = {"preconditions": {"uid": "another"}}  # ignored, it would delete the wrong objects
    (await client.delete(f"{GHOSTS}/{name}", body=body)).refused(400, "BadRequest")
    (await client.get(f"{GHOSTS}/{name}")).expect(200)


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
