"""Requirements of HTTP's specifications: HEAD, OPTIONS, Location, headers for browsers."""

import asyncio
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.api.objects import BASE, ghost
from tests.api.sockets import connected
from tests.api.users import PASSWORD, User, unique
from tests.support.proxy import Answer, Client
from wegent_api.upstream.client import HELD_BYTES
from wegent_kube.content_types import APPLY_PATCH, MERGE_PATCH

AUTH = "/api/v1/auth"
GHOSTS = f"{BASE}/ghosts"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def same_headers(one: Answer, other: Answer) -> bool:
    """Return True if two answers have the same headers, except the headers of a single answer."""
    single = {"date", "x-request-id", "audit-id"}
    if len(one.content) > HELD_BYTES:
        single |= {"content-length", "transfer-encoding"}  # streamed, or held
    found = [
        {name.lower(): value for name, value in it.headers.items() if name.lower() not in single}
        for it in (one, other)
    ]
    return found[0] == found[1]


async def get_paths(client: Client, name: str) -> list[str]:
    """Return every documented path that has GET, and those that aren't documented."""
    document = (await client.get("/openapi.json")).expect(200)
    paths = [path for path, methods in document["paths"].items() if "get" in methods]
    assert len(paths) > 20
    filled = {"name": name, "namespace": "default", "username": "nobody", "id": "resp_default_no"}
    return [path.format(**filled) for path in paths] + [
        "/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", "/docs/assets/swagger-ui.css",
        "/", "/docs/", "/redoc", "/no-such-path",
    ]  # fmt: skip


async def test_head_is_get_without_the_body_on_every_route(client: Client) -> None:
    name = unique("head")
    (await client.post(GHOSTS, ghost(name))).expect(201)
    for path in await get_paths(client, name):
        got, head = await client.get(path), await client.send("HEAD", path)
        assert head.status == got.status, path
        assert head.content == b"", path
        if path != "/metrics":  # the length changes
            assert same_headers(got, head), (path, got.headers, head.headers)


async def test_head_of_a_list_that_is_followed_ends(client: Client) -> None:
    for query in ("watch=true", "namespace=*"):
        async with connected(client.base) as (reader, writer):
            for _ in range(2):  # the connection stays open
                writer.write(
                    f"HEAD {GHOSTS}?{query} HTTP/1.1\r\nHost: x\r\n"
                    f"Authorization: Bearer {client.token}\r\n\r\n".encode()
                )
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
                assert head.startswith(b"HTTP/1.1 200 ")
    (await client.get("/healthz")).expect(200)


async def test_options_says_what_a_path_takes(client: Client) -> None:
    options = await client.send("OPTIONS", GHOSTS)
    assert options.status == 204
    assert options.headers["Allow"] == "GET, HEAD, POST, OPTIONS"
    one = await client.send("OPTIONS", f"{GHOSTS}/x")
    assert one.headers["Allow"] == "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"
    (await client.send("OPTIONS", "/no-such-path")).refused(404, "NotFound")
    refused = await client.put(f"{AUTH}/login", {})
    refused.refused(405, "MethodNotAllowed")
    assert refused.headers["Allow"] == "POST, OPTIONS"


@pytest.mark.parametrize("how", ["POST", "generateName", "PUT", "apply"])
async def test_what_is_created_says_where_it_is(client: Client, user: User, how: str) -> None:
    name = unique("located")
    query = f"?namespace={user.home}"
    if how == "POST":
        made = await client.post(f"{GHOSTS}{query}", ghost(name))
    elif how == "generateName":
        body = {"metadata": {"generateName": "located-"}, "spec": {"systemPrompt": "x"}}
        made = await client.post(f"{GHOSTS}{query}", body)
    elif how == "PUT":
        headers = {"If-None-Match": "*"}
        made = await client.put(f"{GHOSTS}/{name}{query}", ghost(name), headers=headers)
    else:
        path = f"{GHOSTS}/{name}{query}"
        made = await client.patch(path, ghost(name), type_=APPLY_PATCH)
    body = made.expect(201)
    found = await client.get(made.headers["Location"])
    assert found.expect(200)["metadata"]["uid"] == body["metadata"]["uid"]
    path = f"{GHOSTS}/{body['metadata']['name']}{query}"
    changed = await client.patch(path, {"spec": {"description": "x"}}, type_=MERGE_PATCH)
    assert changed.status == 200
    assert "Location" not in changed.headers
    rehearsed = await client.post(f"{GHOSTS}{query}&dryRun=All", ghost(unique("not")))
    assert rehearsed.status == 201
    assert "Location" not in rehearsed.headers


async def test_a_new_user_says_where_its_account_is(
    anonymous: Client, admin_client: Client
) -> None:
    name = unique("user")
    body = {"username": name, "email": f"{name[:5]}@example.com", "password": PASSWORD}
    made = await anonymous.post(f"{AUTH}/register", body)
    made.expect(201)
    account = (await admin_client.get(made.headers["Location"])).expect(200)
    assert account["username"] == name


async def test_a_login_by_the_form_of_oauth2(user: User) -> None:
    anonymous = user.client.as_(None)
    fields = {
        "grant_type": "password",
        "username": user.name,
        "password": PASSWORD,
        "scope": "",
        "client_id": "string",
        "client_secret": "",
    }
    # Swagger UI sends its client's id and secret this way.
    headers = FORM | {"Authorization": "Basic c3RyaW5nOg=="}
    answer = await anonymous.post(f"{AUTH}/login", raw=urlencode(fields).encode(), headers=headers)
    token = answer.expect(200)
    assert token["access_token"] == token["accessToken"]
    assert (token["token_type"], token["expires_in"]) == ("bearer", 1800)
    assert answer.headers["Cache-Control"] == "no-store"
    assert (await anonymous.as_(token["access_token"]).get(f"{AUTH}/me")).expect(200)
    del fields["grant_type"]
    raw = urlencode(fields).encode()
    for sent in (raw, raw + b"&", b"&flag&" + raw, raw + "&note=gr\u00fc\u00df".encode()):
        (await anonymous.post(f"{AUTH}/login", raw=sent, headers=FORM)).expect(200)
    utf8 = FORM | {"Content-Type": f"{FORM['Content-Type']}; charset=UTF-8"}
    (await anonymous.post(f"{AUTH}/login", raw=raw, headers=utf8)).expect(200)
    plain = await anonymous.post(f"{AUTH}/login", {"username": user.name, "password": PASSWORD})
    assert set(plain.expect(200)) == {"accessToken", "tokenType", "expiresIn"}


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"", 422),
        (b"username=x", 422),
        (b"username=x&password=hunter2hunter2&username=y", 400),
        (b"grant_type=client_credentials&username=x&password=y", 400),
        (b"username=x&password=%ff%fe", 400),
        (b"username=x&password=\xff", 400),
        (b"&".join(b"f%d=1" % index for index in range(500)), 400),
        (b"username=UPPER&password=hunter2hunter2", 422),
        (b"username=nobody-here&password=hunter2hunter2", 401),
        (b"a=" + b"b" * 70_000, 413),
    ],
)
async def test_a_form_that_is_no_login(anonymous: Client, raw: bytes, status: int) -> None:
    answer = await anonymous.post(f"{AUTH}/login", raw=raw, headers=FORM)
    assert answer.status == status, answer.content
    assert answer.json["kind"] == "Status"
    assert b"hunter2" not in answer.content


async def test_a_form_is_no_object(client: Client) -> None:
    raw = b"username=x&password=y"
    for path in (GHOSTS, f"{AUTH}/register"):
        (await client.post(path, raw=raw, headers=FORM)).refused(415, "UnsupportedMediaType")


async def test_every_answer_has_headers_for_browsers(client: Client) -> None:
    name = unique("browsed")
    created = await client.post(GHOSTS, ghost(name))
    answers: dict[str, Answer] = {"created": created}
    for path in await get_paths(client, name):
        answers[path] = await client.get(path)
    answers["refused"] = await client.as_(None).get(f"{AUTH}/me")
    answers["refused unparsed"] = await client.get(f"{GHOSTS}?a={'b' * 140_000}")
    for path, answer in answers.items():
        headers = answer.headers
        assert headers["X-Content-Type-Options"] == "nosniff", path
        assert headers["X-Frame-Options"] == "DENY", path
        assert headers["Referrer-Policy"] == "no-referrer", path
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy, path
        assert "frame-ancestors 'none'" in policy, path
        if path != "/docs":
            assert "script-src" not in policy, path
        else:
            assert "'unsafe-inline'" not in policy.split("style-src")[0], policy
            assert "'unsafe-eval'" not in policy
        if path.startswith("/api/"):
            kept = headers["Cache-Control"]
            assert kept in {"no-store", "private, no-cache"}, path
            assert (kept == "no-store") == ("ETag" not in headers), path
    assert answers[f"{AUTH}/kubeconfig"].headers["Cache-Control"] == "no-store"


async def test_the_document_names_a_login_that_tools_can_use(anonymous: Client) -> None:
    document: dict[str, Any] = (await anonymous.get("/openapi.json")).expect(200)
    schemes = document["components"]["securitySchemes"]
    flow = schemes["password"]["flows"]["password"]
    assert (schemes["password"]["type"], flow["tokenUrl"]) == ("oauth2", f"{AUTH}/login")
    for path, methods in document["paths"].items():
        for operation in methods.values():
            if security := operation.get("security"):
                assert security == [{"bearer": []}, {"password": []}], path


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "GET"])
async def test_a_weak_entity_tag_is_said_to_match_nothing(client: Client, method: str) -> None:
    name = unique("weak")
    tag = (await client.post(GHOSTS, ghost(name))).headers["ETag"]

    async def sent(if_match: str) -> Answer:
        headers = {"If-Match": if_match}
        path = f"{GHOSTS}/{name}"
        if method == "PUT":
            return await client.put(path, ghost(name), headers=headers)
        if method == "PATCH":
            change = {"metadata": {"labels": {"a": "b"}}}
            return await client.patch(path, change, type_=MERGE_PATCH, headers=headers)
        return await client.send(method, path, headers=headers)

    for weak in (f"W/{tag}", f'W/"1", W/{tag}', 'W/"1"', f'"1", W/{tag}'):
        message = (await sent(weak)).refused(412, "PreconditionFailed")
        assert "weak" in message, message
        assert tag in message, message
        assert "read it again" not in message
    stale = (await sent('"1", W/"2"')).refused(412, "PreconditionFailed")
    assert "read it again" in stale
    tag = (await client.get(f"{GHOSTS}/{name}")).headers["ETag"]
    listed = await sent(f'"1", {tag} , W/"2"')
    assert listed.status in {200, 202, 204}, listed.content


async def test_if_none_match_holds_for_writes_too(client: Client) -> None:
    name = unique("unless")
    path = f"{GHOSTS}/{name}"
    tag = (await client.post(GHOSTS, ghost(name))).headers["ETag"]
    change = {"metadata": {"labels": {"a": "b"}}}
    for value in ("*", tag, f'"1", W/{tag}'):
        headers = {"If-None-Match": value}
        writes = [
            await client.put(path, ghost(name), headers=headers),
            await client.patch(path, change, type_=MERGE_PATCH, headers=headers),
            await client.patch(path, ghost(name), type_=APPLY_PATCH, headers=headers),
            await client.send("DELETE", path, headers=headers),
        ]
        for answer in writes:
            assert "If-None-Match" in answer.refused(412, "PreconditionFailed")
    headers = {"If-None-Match": '"1"'}
    (await client.put(path, ghost(name), headers=headers)).expect(200)
    (await client.patch(path, change, type_=MERGE_PATCH, headers=headers)).expect(200)
    fresh = unique("fresh")
    made = await client.patch(
        f"{GHOSTS}/{fresh}", ghost(fresh), type_=APPLY_PATCH, headers={"If-None-Match": "*"}
    )
    made.expect(201)


@pytest.mark.parametrize(
    "spec", [{}, {"description": "x"}, {"systemPrompt": None}, {"skillRefs": [{}]}]
)
async def test_no_cause_names_a_field_that_is_none(client: Client, spec: dict[str, Any]) -> None:
    body = {"metadata": {"name": unique("nil")}, "spec": spec}
    answer = await client.post(GHOSTS, body)
    message = answer.refused(422, "Invalid")
    assert "<nil>" not in message, message
    assert "spec.systemPrompt" in message
    assert "<nil>" not in answer.causes(), answer.causes()
    applied = await client.post(
        "/api/v1/apply", {**body, "apiVersion": "agent.wecode.io/v1", "kind": "Ghost"}
    )
    assert "<nil>" not in json.dumps(applied.json)


@pytest.mark.parametrize(
    ("plural", "spec", "field"),
    [
        ("ghosts", {"systemPrompt": "x", "skillRefs": [{"name": "A"}]}, "spec.skillRefs[0].name"),
        ("models", {"provider": "UP", "model": "x"}, "spec.provider"),
        ("models", {"provider": "a", "model": "x", "baseUrl": "nowhere"}, "spec.baseUrl"),
        ("shells", {"type": "Chat", "baseImage": "!"}, "spec.baseImage"),
        ("skills", {"description": "x", "version": "!"}, "spec.version"),
    ],
)
async def test_no_regular_expression_is_shown(
    client: Client, plural: str, spec: dict[str, Any], field: str
) -> None:
    body = {"metadata": {"name": unique("words")}, "spec": spec}
    answer = await client.post(f"{BASE}/{plural}?validateRefs=false", body)
    message = answer.refused(422, "Invalid")
    assert f"{field}: " in message
    assert "should match" not in message, message
    assert "must be" in message
    assert "[a-z" not in answer.content.decode()
