"""ETag, If-Match and If-None-Match: a change applies to the version read, or not at all."""

import asyncio
import json
from typing import Any

import pytest

from tests.api.objects import BASE, Body, ghost
from tests.api.users import User, unique
from tests.support.audit import AuditLog
from tests.support.kubectl import Kubectl
from tests.support.proxy import Answer, Client
from wegent_kube.content_types import APPLY_PATCH, JSON_PATCH, MERGE_PATCH

GHOSTS = f"{BASE}/ghosts"
SPEC = {"spec": {"systemPrompt": "Changed."}}
CHANGES: dict[str, tuple[str, Any, str]] = {
    "put": ("PUT", SPEC, "application/json"),
    "merge": ("PATCH", SPEC, MERGE_PATCH),
    "json": (
        "PATCH",
        [{"op": "replace", "path": "/spec/systemPrompt", "value": "Changed."}],
        JSON_PATCH,
    ),
    "apply": ("PATCH", SPEC, APPLY_PATCH),
}
ALL = {**CHANGES, "delete": ("DELETE", None, "")}


async def made(client: Client) -> tuple[str, str]:
    """Create an object; return its path and its entity tag."""
    # The annotations look like the version to a careless reader of bytes.
    annotations = {"resourceVersion": "1", "note": '"metadata":{"resourceVersion":"2"}'}
    body = ghost(unique("tagged"), annotations=annotations)
    answer = await client.post(GHOSTS, body)
    answer.expect(201)
    return f"{GHOSTS}/{body['metadata']['name']}", answer.headers["ETag"]


async def change(client: Client, path: str, how: str, **headers: str) -> Answer:
    method, body, type_ = ALL[how]
    # A dry run of a deletion is checked alike; a real one would need the operator.
    query = {"apply": "?force=true", "delete": "?dryRun=All"}.get(how, "")
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None:
        sent["Content-Type"] = type_
    return await client.send(method, path + query, body, headers=sent)


def version_tag(body: Body) -> str:
    return f'"{body["metadata"]["resourceVersion"]}"'


async def test_every_answer_with_one_object_has_its_version(client: Client) -> None:
    path, tag = await made(client)
    for answer in [await client.get(path)] + [
        await change(client, path, how, If_Match="*") for how in CHANGES
    ]:
        assert answer.headers["ETag"] == version_tag(answer.expect(200))
    assert answer.headers["ETag"] != tag


async def test_lists_and_errors_have_none(client: Client) -> None:
    for path in (GHOSTS, f"{GHOSTS}/absent"):
        assert "ETag" not in (await client.get(path)).headers


@pytest.mark.parametrize("how", ALL)
async def test_what_was_read_is_changed(client: Client, how: str) -> None:
    path, tag = await made(client)
    answer = await change(client, path, how, If_Match=tag)
    assert answer.status == (204 if how == "delete" else 200)


@pytest.mark.parametrize("how", ALL)
async def test_what_has_changed_meanwhile_is_left_alone(client: Client, how: str) -> None:
    path, tag = await made(client)
    newer = {"metadata": {"labels": {"newer": "yes"}}}
    there = (await client.patch(path, newer, type_=MERGE_PATCH)).expect(200)
    answer = await change(client, path, how, If_Match=tag)
    assert f"has the version {version_tag(there)}" in answer.refused(412, "PreconditionFailed")
    assert (await client.get(path)).expect(200) == there


@pytest.mark.parametrize("how", ALL)
@pytest.mark.parametrize(
    "tags",
    ['W/"{}"', '"0", "99999999999999999999999"', '"abc"', '"-1"', '""', '"{}0"'],
)
async def test_tags_that_are_not_the_objects(client: Client, how: str, tags: str) -> None:
    path, tag = await made(client)
    value = tags.format(tag.strip('"'))
    (await change(client, path, how, If_Match=value)).refused(412, "PreconditionFailed")


@pytest.mark.parametrize("how", ALL)
async def test_one_of_several_tags_and_any(client: Client, how: str) -> None:
    path, tag = await made(client)
    assert (await change(client, path, how, If_Match=f'"x,y" , W/"1",{tag}')).status < 300
    path, tag = await made(client)
    assert (await change(client, path, how, If_Match="*")).status < 300


@pytest.mark.parametrize("how", ALL)
async def test_of_what_is_not_there(client: Client, how: str) -> None:
    path = f"{GHOSTS}/{unique('absent')}"
    for tags in ('"1"', "*", '"1", "2"'):
        answer = await change(client, path, how, If_Match=tags)
        if how == "apply":  # an apply would create it
            answer.refused(412, "PreconditionFailed")
        else:
            answer.refused(404, "NotFound")
    (await client.get(path)).refused(404, "NotFound")


@pytest.mark.parametrize("header", ["If-Match", "If-None-Match"])
@pytest.mark.parametrize("value", ["", "5", '"5', '5"', '*, "5"', '"5";"6"', "w/5", '"a" "b"', ","])
async def test_what_is_no_tag(client: Client, header: str, value: str) -> None:
    path, _ = await made(client)
    method = "GET" if header == "If-None-Match" else "PUT"
    answer = await client.send(method, path, SPEC, headers={header: value})
    answer.refused(400, "BadRequest")
    assert answer.causes() == {header: "FieldValueInvalid"}


async def test_too_many_tags(client: Client) -> None:
    path, _ = await made(client)
    many = ", ".join(f'"{index}"' for index in range(1000))
    (await change(client, path, "put", If_Match=many)).refused(400, "BadRequest")


async def test_a_failing_patch_is_not_a_failed_precondition(client: Client) -> None:
    path, tag = await made(client)
    patch = [{"op": "test", "path": "/spec/systemPrompt", "value": "other"}]
    answer = await client.patch(path, patch, type_=JSON_PATCH, headers={"If-Match": tag})
    answer.refused(422, "Invalid")
    conflict = {"spec": {"systemPrompt": "Mine."}}
    other = f"{path}?fieldManager=other"  # the default manager takes over the caller's fields
    answer = await client.patch(other, conflict, type_=APPLY_PATCH, headers={"If-Match": tag})
    answer.refused(409, "Conflict")


async def test_a_body_that_names_another_version(client: Client) -> None:
    path, tag = await made(client)
    body = {"metadata": {"resourceVersion": "1"}, **SPEC}
    for method, type_ in (("PUT", "application/json"), ("PATCH", MERGE_PATCH)):
        headers = {"If-Match": tag, "Content-Type": type_}
        answer = await client.send(method, path, body, headers=headers)
        answer.refused(400, "BadRequest")
        assert answer.causes() == {"metadata.resourceVersion": "FieldValueInvalid"}


@pytest.mark.parametrize("how", CHANGES)
async def test_of_many_who_read_the_same_one_writes(client: Client, how: str) -> None:
    path, tag = await made(client)
    if how == "put":  # bodies differ, since an unchanged object keeps its version
        bodies: list[Any] = [{"spec": {"systemPrompt": f"{index}"}} for index in range(8)]
    elif how == "json":
        bodies = [[{**CHANGES["json"][1][0], "value": f"{index}"}] for index in range(8)]
    else:
        bodies = [{"spec": {"systemPrompt": f"{index}"}} for index in range(8)]
    method, _, type_ = CHANGES[how]
    headers = {"If-Match": tag, "Content-Type": type_}
    query = "?force=true" if how == "apply" else ""
    answers = await asyncio.gather(
        *(client.send(method, path + query, body, headers=headers) for body in bodies)
    )
    assert sorted(answer.status for answer in answers) == [200] + [412] * 7


async def test_what_is_known_is_not_sent_again(client: Client) -> None:
    path, tag = await made(client)
    tag = (await client.get(path)).headers["ETag"]
    for known in (tag, f"W/{tag}", f'"1", {tag}', "*"):
        answer = await client.get(path, headers={"If-None-Match": known})
        assert (answer.status, answer.content) == (304, b"")
        assert answer.headers["ETag"] == tag
    (await client.get(path, headers={"If-None-Match": '"1"'})).expect(200)
    (await client.patch(path, {"spec": {"description": "x"}}, type_=MERGE_PATCH)).expect(200)
    (await client.get(path, headers={"If-None-Match": tag})).expect(200)
    absent = await client.get(f"{GHOSTS}/absent", headers={"If-None-Match": "*"})
    absent.refused(404, "NotFound")


async def test_put_creates_what_must_not_be_there(client: Client) -> None:
    name = unique("new")
    path = f"{GHOSTS}/{name}"
    answers = await asyncio.gather(
        *(client.put(path, SPEC, headers={"If-None-Match": "*"}) for _ in range(4))
    )
    assert sorted(answer.status for answer in answers) == [201, 412, 412, 412]
    for answer in answers:
        if answer.status == 412:
            assert "already exists" in answer.refused(412, "PreconditionFailed")
        else:
            assert answer.headers["ETag"] == version_tag(answer.json)
    both = {"If-None-Match": "*", "If-Match": "*"}
    (await client.put(path, SPEC, headers=both)).refused(412, "PreconditionFailed")


DRY_RUNS: list[tuple[str, int]] = [("POST", 201), *((how, 200) for how in CHANGES)]


@pytest.mark.parametrize(("how", "status"), [*DRY_RUNS, ("delete", 204)])
async def test_a_dry_run_stores_nothing(
    client: Client, kubectl: Kubectl, how: str, status: int
) -> None:
    path, _ = await made(client)
    name = path.rpartition("/")[2]
    before = (await kubectl.call("get", "ghost", name, "-ojson")).ok().json
    if how == "POST":
        answer = await client.post(f"{GHOSTS}?dryRun=All", ghost(f"{name}-new"))
        (await client.get(f"{path}-new")).refused(404, "NotFound")
    else:
        method, body, type_ = ALL[how]
        headers = {"Content-Type": type_} if body is not None else {}
        query = "?dryRun=All" + ("&force=true" if how == "apply" else "")
        answer = await client.send(method, path + query, body, headers=headers)
    shown = answer.expect(status)
    assert "ETag" not in answer.headers
    if how in CHANGES:
        assert shown["spec"]["systemPrompt"] == "Changed."
    assert (await kubectl.call("get", "ghost", name, "-ojson")).ok().json == before


async def test_a_dry_run_validates(client: Client) -> None:
    path, _ = await made(client)
    wrong = {"spec": {"systemPrompt": ""}}
    (await client.put(f"{path}?dryRun=All", wrong)).refused(422, "Invalid")
    taken = ghost(path.rpartition("/")[2])
    (await client.post(f"{GHOSTS}?dryRun=All", taken)).refused(409, "AlreadyExists")
    for value in ("all", "true", "", "All,All"):
        (await client.post(f"{GHOSTS}?dryRun={value}", taken)).refused(400, "BadRequest")


async def test_a_tag_costs_no_request(user: User, audit: AuditLog) -> None:
    path, tag = await made(user.client)
    mark = len(audit.requests(user=user.account))
    for how in ("put", "merge", "json", "delete"):
        answer = await change(user.client, path, how, If_Match=tag)
        assert answer.status < 300, answer.content
        tag = answer.headers.get("ETag", "")
    verbs = [request.verb for request in audit.requests(user=user.account)[mark:]]
    assert verbs[:4] == ["update", "patch", "patch", "delete"]


async def test_a_long_object_has_its_tag_too(client: Client) -> None:
    body = ghost(unique("long"), "x" * 131_072, annotations={"note": "y" * 200_000})
    answer = await client.post(GHOSTS, body)
    assert answer.headers["ETag"] == version_tag(answer.expect(201))
    assert json.loads(answer.content)["metadata"]["annotations"]["note"] == "y" * 200_000
