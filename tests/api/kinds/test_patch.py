"""PATCH: changes of a part of an object, with each of Kubernetes' three patch types."""

import asyncio
from typing import Any

import pytest

from tests.api.objects import BASE, bot, ghost
from tests.api.users import User, unique
from tests.support.kubectl import Kubectl
from tests.support.proxy import Client
from wegent_api.http.yaml import documents_of
from wegent_kube.content_types import APPLY_PATCH, JSON_PATCH, MERGE_PATCH

GHOSTS = f"{BASE}/ghosts"
REPLACE = [{"op": "replace", "path": "/spec/systemPrompt", "value": "Patched."}]


@pytest.fixture
async def path(client: Client) -> str:
    """The path of an existing object."""
    name = unique("patched")
    (await client.post(GHOSTS, ghost(name, labels={"a": "1", "b": "2"}))).expect(201)
    return f"{GHOSTS}/{name}"


async def test_merge_patch(client: Client, path: str) -> None:
    patch = {"metadata": {"labels": {"a": None, "c": "3"}}, "spec": {"description": "added"}}
    now = (await client.patch(path, patch, type_=MERGE_PATCH)).expect(200)
    assert now["metadata"]["labels"] == {"b": "2", "c": "3"}
    assert now["spec"] == {"systemPrompt": "You are helpful.", "description": "added"}


async def test_json_patch(client: Client, path: str) -> None:
    now = (await client.patch(path, REPLACE, type_=JSON_PATCH)).expect(200)
    assert now["spec"]["systemPrompt"] == "Patched."
    failing = [{"op": "test", "path": "/spec/systemPrompt", "value": "other"}, *REPLACE]
    (await client.patch(path, failing, type_=JSON_PATCH)).refused(422, "Invalid")


async def test_apply_creates_and_changes(client: Client) -> None:
    name = unique("applied")
    path = f"{GHOSTS}/{name}"
    raw = b"# YAML, as people write it\nspec:\n  systemPrompt: |\n    Two\n    lines.\n"
    made = (await client.patch(path, raw=raw, type_=APPLY_PATCH)).expect(201)
    assert made["spec"]["systemPrompt"] == "Two\nlines.\n"
    assert made["metadata"]["name"] == name
    [entry] = [it for it in made["metadata"]["managedFields"] if it["operation"] == "Apply"]
    assert entry["manager"] == "wegent-api"
    body = {"kind": "Ghost", "metadata": {"name": name}, "spec": {"systemPrompt": "JSON."}}
    now = (await client.patch(path, body, type_=APPLY_PATCH)).expect(200)
    assert now["spec"]["systemPrompt"] == "JSON."


async def test_applied_text_is_what_was_sent(client: Client) -> None:
    """Characters beyond U+FFFF, and some that are line breaks in YAML but not in JSON."""
    text = 'é 😀 \x00 \x85 \u2028 \ufeff \x7f \\ud83d\\ude00 "quoted" <tag>'
    path = f"{GHOSTS}/{unique('text')}"
    body = {"spec": {"systemPrompt": text}}
    made = (await client.patch(path, body, type_=APPLY_PATCH)).expect(201)
    assert made["spec"]["systemPrompt"] == text


async def test_who_applies_the_same_field_is_told_of_the_other(client: Client, path: str) -> None:
    body = {"spec": {"systemPrompt": "Mine."}}
    mine = f"{path}?fieldManager=mine"
    answer = await client.patch(mine, body, type_=APPLY_PATCH)  # the POST owns the fields
    assert "systemPrompt" in answer.refused(409, "Conflict")
    assert answer.causes() == {".spec.systemPrompt": "FieldManagerConflict"}
    now = (await client.patch(f"{mine}&force=true", body, type_=APPLY_PATCH)).expect(200)
    assert now["spec"]["systemPrompt"] == "Mine."
    assert {it["manager"] for it in now["metadata"]["managedFields"]} >= {"mine"}


async def test_apply_looks_references_up(client: Client) -> None:
    name = unique("bot")
    path = f"{BASE}/bots/{name}"
    answer = await client.patch(path, bot(name), type_=APPLY_PATCH)
    answer.refused(422, "Invalid")
    assert set(answer.causes()) == {"spec.ghostRef", "spec.modelRef", "spec.shellRef"}
    unchecked = await client.patch(f"{path}?validateRefs=false", bot(name), type_=APPLY_PATCH)
    unchecked.expect(201)


async def test_other_patches_may_name_what_is_not_there(client: Client) -> None:
    """A patch doesn't show the resulting object, so that its conditions report the fault."""
    name = unique("bot")
    (await client.post(f"{BASE}/bots?validateRefs=false", bot(name))).expect(201)
    patch = {"spec": {"ghostRef": {"name": unique("absent")}}}
    (await client.patch(f"{BASE}/bots/{name}", patch, type_=MERGE_PATCH)).expect(200)


async def test_in_another_namespace(user: User) -> None:
    name = unique("elsewhere")
    query = f"?namespace={user.home}"
    (await user.client.post(f"{GHOSTS}{query}", ghost(name))).expect(201)
    for type_, body in (
        (MERGE_PATCH, {"spec": {"description": "x"}}),
        (JSON_PATCH, REPLACE),
        (APPLY_PATCH, {"spec": {"description": "x"}}),
    ):
        now = await user.client.patch(f"{GHOSTS}/{name}{query}", body, type_=type_)
        assert now.expect(200)["metadata"]["namespace"] == user.home
    said = {"metadata": {"namespace": user.home}}
    (await user.client.patch(f"{GHOSTS}/{name}", said, type_=MERGE_PATCH)).expect(200)
    contrary = await user.client.patch(
        f"{GHOSTS}/{name}?namespace=default", said, type_=MERGE_PATCH
    )
    contrary.refused(400, "BadRequest")


@pytest.mark.parametrize(
    "type_",
    [
        "application/json",
        "application/strategic-merge-patch+json",
        "application/apply-patch+cbor",
        "application/yaml",
        "text/plain",
        "",
    ],
)
async def test_other_types_are_told_the_three(client: Client, path: str, type_: str) -> None:
    answer = await client.patch(path, {}, type_=type_)
    message = answer.refused(415, "UnsupportedMediaType")
    for taken in (MERGE_PATCH, JSON_PATCH, APPLY_PATCH):
        assert taken in message
        assert taken in answer.headers["Accept-Patch"]


@pytest.mark.parametrize(
    ("type_", "raw", "status", "says"),
    [
        (MERGE_PATCH, b"", 400, "line 1 column 1"),
        (MERGE_PATCH, b"[]", 400, "must be an object"),
        (MERGE_PATCH, b"null", 400, "must be an object"),
        (MERGE_PATCH, b'{"spec": {"a": 1, "a": 2}}', 400, 'duplicate key "a"'),
        (MERGE_PATCH, b'{"spec": {"systemPrompt": "\\ud800"}}', 400, "surrogate"),
        (MERGE_PATCH, b'{"kind": "Bot"}', 400, "must be Ghost"),
        (MERGE_PATCH, b'{"apiVersion": "v2"}', 400, "must be agent.wecode.io/v1"),
        (MERGE_PATCH, b'{"metadata": {"name": "other"}}', 400, "does not match"),
        (MERGE_PATCH, b'{"metadata": {"resourceVersion": "x"}}', 400, "resourceVersion"),
        (MERGE_PATCH, b'{"spec": {"promt": 1}}', 422, 'unknown field "spec.promt"'),
        (MERGE_PATCH, b'{"spec": {"systemPrompt": 7}}', 422, "spec.systemPrompt"),
        (MERGE_PATCH, b'{"metadata": {"labels": {"a": 7}}}', 422, "labels"),
        (MERGE_PATCH, b'{"metadata": null}', 400, "name must be provided"),
        (JSON_PATCH, b"{}", 400, "must be a JSON array"),
        (JSON_PATCH, b"null", 400, "must be a JSON array"),
        (JSON_PATCH, b"[7]", 400, "must be an object"),
        (JSON_PATCH, b'[{"op": "frobnicate"}]', 400, "must be one of add"),
        # The API server itself drops the connection at these.
        (JSON_PATCH, b'[{"op": "replace", "path": ""}]', 400, "is required for replace"),
        (JSON_PATCH, b'[{"op": "test", "path": ""}]', 400, "is required for test"),
        (JSON_PATCH, b'[{"op": "remove", "path": "/absent"}]', 422, "error in our request"),
        (
            JSON_PATCH,
            b'[{"op":"copy","from":"/spec/systemPrompt","path":"/metadata/resourceVersion"}]',
            400,
            "resourceVersion",
        ),
        (APPLY_PATCH, b"", 400, "must be one document"),
        (APPLY_PATCH, b"a: 1\n---\nb: 1\n", 400, "use POST /api/v1/apply for several"),
        (APPLY_PATCH, b"[]", 400, "must be an object"),
        (APPLY_PATCH, b"a: &a 1", 400, "anchors and aliases are not allowed"),
        (APPLY_PATCH, b"kind: Bot", 400, "must be Ghost"),
        (APPLY_PATCH, b"metadata: {name: other}", 400, "metadata.name"),
        (APPLY_PATCH, b"spec: {promt: 1}", 422, "spec.promt: field not declared"),
        (APPLY_PATCH, b"spec: 7", 422, "spec: expected map"),
        (APPLY_PATCH, b"spec: {skillRefs: 7, mcpServers: 7}", 422, "expected list"),
        (APPLY_PATCH, b"metadata: {resourceVersion: abc}", 400, "resourceVersion"),
    ],
)
async def test_what_can_not_be_applied(
    client: Client, path: str, type_: str, raw: bytes, status: int, says: str
) -> None:
    answer = await client.patch(f"{path}?validateRefs=false&force=true", raw=raw, type_=type_)
    if type_ != APPLY_PATCH:
        answer = await client.patch(path, raw=raw, type_=type_)
    message = answer.refused(status, {400: "BadRequest", 422: "Invalid"}[status])
    assert says in message
    assert len(message) < 600  # without the object that the API server quotes


async def test_an_object_that_was_read_is_applied(client: Client, path: str) -> None:
    """The object has fields that only the API server writes, and that it refuses in an apply."""
    stored = (await client.get(path)).expect(200)
    assert {"managedFields", "creationTimestamp", "generation"} <= stored["metadata"].keys()
    stored["spec"]["systemPrompt"] = "Edited."
    now = (await client.patch(path, stored, type_=APPLY_PATCH)).expect(200)
    assert now["spec"]["systemPrompt"] == "Edited."
    stale = await client.patch(path, stored, type_=APPLY_PATCH)
    assert "modified" in stale.refused(409, "Conflict")


async def test_a_byte_order_mark_is_ignored(client: Client, path: str) -> None:
    mark = b"\xef\xbb\xbf"
    for type_, raw in (
        (MERGE_PATCH, b'{"spec": {"description": "a"}}'),
        (JSON_PATCH, b'[{"op": "replace", "path": "/spec/description", "value": "b"}]'),
        (APPLY_PATCH, b'{"spec": {"description": "c"}}'),
        (APPLY_PATCH, b"spec:\n  description: d\n"),
    ):
        now = await client.patch(path, raw=mark + raw, type_=type_)
        assert now.expect(200)["spec"]["description"] in raw.decode()


async def test_what_is_not_there(client: Client) -> None:
    path = f"{GHOSTS}/{unique('absent')}"
    (await client.patch(path, {}, type_=MERGE_PATCH)).refused(404, "NotFound")
    (await client.patch(path, REPLACE, type_=JSON_PATCH)).refused(404, "NotFound")


@pytest.mark.parametrize(
    ("query", "type_", "status"),
    [
        ("force=true", MERGE_PATCH, 422),
        ("force=perhaps", APPLY_PATCH, 400),
        ("fieldManager=", APPLY_PATCH, 400),
        (f"fieldManager={'x' * 129}", APPLY_PATCH, 400),
        ("fieldManager=a%0Ab", APPLY_PATCH, 400),
        ("fieldmanager=x", APPLY_PATCH, 400),
        ("dryRun=true", MERGE_PATCH, 400),
        ("fieldValidation=Ignore", MERGE_PATCH, 400),
    ],
)
async def test_parameters(client: Client, path: str, query: str, type_: str, status: int) -> None:
    answer = await client.patch(f"{path}?{query}", {"spec": {}}, type_=type_)
    answer.refused(status, {400: "BadRequest", 422: "Invalid"}[status])


async def test_patches_at_once_are_all_done(client: Client, path: str) -> None:
    patches = [{"metadata": {"labels": {f"l{index}": "x"}}} for index in range(8)]
    answers = await asyncio.gather(
        *(client.patch(path, patch, type_=MERGE_PATCH) for patch in patches)
    )
    assert {answer.status for answer in answers} == {200}
    now = (await client.get(path)).expect(200)
    assert {f"l{index}" for index in range(8)} <= set(now["metadata"]["labels"])


SCALARS = [
    "yes", "On", "n", "OFF", "~", "null", "Null", "'yes'", "text", "=",
    "0", "-17", "+1", "-0", "1_000", "_1", "0x1F", "0x", "0o17", "017", "0b101", "08", "089",
    "1.50", ".5", "1e3", "1.0", "1.2.3", '"1"',
    "12:30", "2001-12-14", "2001-12-14t21:59:43.10-05:00",
]  # fmt: skip


async def test_yaml_means_what_it_means_to_kubectl(kubectl: Kubectl) -> None:
    fields = [f"  f{index}: {text}" for index, text in enumerate(SCALARS)]
    text = "\n".join(
        ["apiVersion: agent.wecode.io/v1", "kind: Ghost", "metadata: {name: x}", "spec:", *fields]
    )
    flags = ("--dry-run=client", "--validate=false", "-ojson", "-f", "-")
    spec: dict[str, Any] = (await kubectl.call("create", *flags, stdin=text)).ok().json["spec"]
    [ours] = documents_of(text.encode())
    for field, value in ours["spec"].items():
        place = SCALARS[int(field[1:])]
        assert (type(spec.get(field)), spec.get(field)) == (type(value), value), place
