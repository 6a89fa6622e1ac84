"""PUT: an object is replaced as a whole, if its version is the expected one."""

import asyncio
from typing import Any

import pytest

from tests.api.objects import BASE, Body, bot, ghost
from tests.api.users import User, unique
from tests.support.audit import AuditLog
from tests.support.proxy import Client
from wegent_crds.well_known import CHANGED_BY, CREATED_BY

GHOSTS = f"{BASE}/ghosts"


async def made(client: Client, **metadata: Any) -> Body:
    body: Body = (await client.post(GHOSTS, ghost(unique("put"), **metadata))).expect(201)
    return body


async def test_it_replaces_the_whole(client: Client) -> None:
    there = await made(client, labels={"old": "x"}, annotations={"note": "y"})
    name = there["metadata"]["name"]
    body = {"metadata": {"labels": {"new": "z"}}, "spec": {"systemPrompt": "Another."}}
    now = (await client.put(f"{GHOSTS}/{name}", body)).expect(200)
    assert now["spec"] == {"systemPrompt": "Another."}
    assert now["metadata"]["labels"] == {"new": "z"}
    assert "note" not in now["metadata"]["annotations"]
    assert now["metadata"]["uid"] == there["metadata"]["uid"]
    marks = {key: value for key, value in there["metadata"]["annotations"].items() if "/" in key}
    assert marks
    changed = {CHANGED_BY: marks[CREATED_BY]}
    assert now["metadata"]["annotations"] == marks | changed  # policies keep the marks
    assert now["metadata"]["finalizers"] == there["metadata"]["finalizers"]


async def test_what_was_read_may_be_sent_back(client: Client) -> None:
    there = await made(client)
    path = f"{GHOSTS}/{there['metadata']['name']}"
    there["spec"]["description"] = "changed"
    now = (await client.put(path, there)).expect(200)
    assert now["spec"]["description"] == "changed"
    message = (await client.put(path, there)).refused(409, "Conflict")  # a stale version
    assert "modified" in message


async def test_without_a_version_the_last_one_wins(client: Client) -> None:
    name = (await made(client))["metadata"]["name"]
    bodies = [ghost(name, f"prompt {index}") for index in range(3)]
    answers = await asyncio.gather(*(client.put(f"{GHOSTS}/{name}", body) for body in bodies))
    prompts = [answer.expect(200)["spec"]["systemPrompt"] for answer in answers]
    assert sorted(prompts) == ["prompt 0", "prompt 1", "prompt 2"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"metadata": {"name": "other"}}, "metadata.name"),
        ({"metadata": {"namespace": "other"}}, "metadata.namespace"),
        ({"metadata": {"namespace": "a/b"}}, "metadata.namespace"),
        ({"metadata": 7}, "metadata"),
        ({"kind": "Bot"}, "kind"),
        ({"apiVersion": "v1"}, "apiVersion"),
        ({"metadata": {"resourceVersion": "abc"}}, "metadata.resourceVersion"),
        ({"metadata": {"resourceVersion": "9" * 30}}, "metadata.resourceVersion"),
    ],
)
async def test_a_body_that_is_another_object(client: Client, body: Body, field: str) -> None:
    name = (await made(client))["metadata"]["name"]
    sent = {"spec": {"systemPrompt": "x"}, **body}
    answer = await client.put(f"{GHOSTS}/{name}?namespace=default", sent)
    answer.refused(400, "BadRequest")
    assert answer.causes() == {field: "FieldValueInvalid"}


async def test_what_is_not_there_is_not_made(client: Client) -> None:
    name = unique("absent")
    (await client.put(f"{GHOSTS}/{name}", ghost(name))).refused(404, "NotFound")
    versioned = ghost(name, resourceVersion="1")
    (await client.put(f"{GHOSTS}/{name}", versioned)).refused(404, "NotFound")


async def test_unknown_fields_are_named(client: Client) -> None:
    name = (await made(client))["metadata"]["name"]
    body = {"spec": {"systemPrompt": "x", "promt": "y"}}
    assert "spec.promt" in (await client.put(f"{GHOSTS}/{name}", body)).refused(400, "BadRequest")


async def test_references_are_looked_up(client: Client) -> None:
    name = unique("bot")
    (await client.post(f"{BASE}/bots?validateRefs=false", bot(name))).expect(201)
    answer = await client.put(f"{BASE}/bots/{name}", bot(name))
    answer.refused(422, "Invalid")
    assert set(answer.causes()) == {"spec.ghostRef", "spec.modelRef", "spec.shellRef"}
    (await client.put(f"{BASE}/bots/{name}?validateRefs=false", bot(name))).expect(200)


async def test_one_request_where_the_version_is_known(user: User, audit: AuditLog) -> None:
    there = await made(user.client)
    name = there["metadata"]["name"]
    mark = len(audit.requests(user=user.account))
    (await user.client.put(f"{GHOSTS}/{name}", there)).expect(200)
    answer = await user.client.put(f"{GHOSTS}/{name}", ghost(name))
    answer.expect(200)
    verbs = [request.verb for request in audit.requests(user=user.account)[mark:]]
    assert verbs == ["update", "get", "update"]
