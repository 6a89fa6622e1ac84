"""POST /api/v1/apply: several objects in one request, in any order."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
import yaml

from tests.api.objects import BASE, Body, bot, example, ghost
from tests.api.users import User, unique
from tests.support.audit import AuditLog
from tests.support.kubectl import Kubectl
from tests.support.proxy import Answer, Client
from wegent_api.apply.apply import AT_ONCE, MAX_OUTSIDE
from wegent_api.http.examples import KINDS
from wegent_api.http.manifests import MAX_MANIFESTS
from wegent_api.kinds.reference_check import MAX_TARGETS
from wegent_crds.registry import API_VERSION, BY_KIND, BY_PLURAL

APPLY = "/api/v1/apply"
TEXT = 'é 😀 \x00 \x85 \u2028 \ufeff \x7f \\ud83d\\ude00 "quoted" <tag>'
YAML = {"Content-Type": "application/yaml"}


def of(plural: str, body: Body) -> Body:
    """Return ``body`` as a manifest."""
    return {"apiVersion": API_VERSION, "kind": BY_PLURAL[plural].kind, **body}


def listing(items: Iterable[Body]) -> Body:
    return {"apiVersion": "v1", "kind": "List", "items": list(items)}


async def apply(client: Client, *documents: Any, query: str = "") -> Answer:
    """Apply ``documents`` as YAML."""
    raw = yaml.safe_dump_all(documents).encode()
    return await client.post(f"{APPLY}{query}", raw=raw, headers=YAML)


def results(answer: Answer, status: int = 200) -> list[str]:
    """Return each object's result, in the body's order."""
    body = answer.expect(status)
    assert [it["index"] for it in body["items"]] == list(range(len(body["items"])))
    assert body["failed"] == sum(it["result"] == "failed" for it in body["items"])
    assert (body["failed"] > 0) == (status == 207)
    return [it["result"] for it in body["items"]]


def all_kinds(tag: str) -> list[Body]:
    """Return an example of each kind; referrers come before their referents."""
    return [of(plural, example(plural, tag)) for plural in reversed(list(KINDS))]


async def test_the_order_does_not_matter_and_the_same_again_changes_nothing(
    client: Client,
) -> None:
    documents = all_kinds(unique("all"))
    answer = await apply(client, *documents)
    assert results(answer) == ["created"] * len(documents)
    for document, item in zip(documents, answer.json["items"], strict=True):
        assert item["kind"] == document["kind"]
        assert item["name"] == document["metadata"]["name"]
        assert item["namespace"] == "default"
        path = f"{BASE}/{BY_KIND[item['kind']].plural}/{item['name']}"
        made = (await client.get(path)).expect(200)
        assert {it["manager"] for it in made["metadata"]["managedFields"]} == {"wegent-api"}
    assert results(await apply(client, *documents)) == ["unchanged"] * len(documents)
    documents[-1]["spec"]["description"] = "another"
    now = results(await apply(client, *documents))
    assert now == ["unchanged"] * (len(documents) - 1) + ["configured"]


async def test_models_that_fall_back_to_each_other(client: Client) -> None:
    tag = unique("fall")
    one, other = (of("models", example("models", f"{tag}-{end}")) for end in "ab")
    for model, fallback in ((one, other), (other, one)):
        model["spec"]["fallbackRefs"] = [{"name": fallback["metadata"]["name"]}]
    assert results(await apply(client, one, other)) == ["created", "created"]
    one["spec"]["fallbackRefs"].append({"name": f"no-{tag}"})
    assert results(await apply(client, one, other), 207) == ["failed", "unchanged"]


async def test_what_the_operator_says_meanwhile_is_no_change_of_ours(
    client: Client, kubectl: Kubectl
) -> None:
    document = of("ghosts", ghost(unique("reconciled")))
    results(await apply(client, document))
    status = json.dumps({"status": {"observedGeneration": 1}})
    name = document["metadata"]["name"]
    patch = ("--subresource=status", "--type=merge", f"--patch={status}")
    (await kubectl.call("patch", "ghost", name, *patch)).ok()
    assert results(await apply(client, document)) == ["unchanged"]


async def test_json_holds_one_object_or_a_list(client: Client) -> None:
    one, two, three = (of("ghosts", ghost(unique("json"), TEXT)) for _ in range(3))
    assert results(await client.post(APPLY, one)) == ["created"]
    assert results(await client.post(APPLY, listing([one, two]))) == ["unchanged", "created"]
    ghosts = {"apiVersion": API_VERSION, "kind": "GhostList", "items": [three]}
    assert results(await apply(client, one, ghosts, None, listing([two]))) == [
        "unchanged",
        "created",
        "unchanged",
    ]
    stored = (await client.get(f"{BASE}/ghosts/{one['metadata']['name']}")).expect(200)
    assert stored["spec"]["systemPrompt"] == TEXT


async def test_json_may_be_a_bare_list(client: Client) -> None:
    one, two, three = (of("ghosts", ghost(unique("bare"))) for _ in range(3))
    assert results(await client.post(APPLY, [one, two])) == ["created", "created"]
    nested: list[Any] = [{**listing([]), "items": [one, [two]]}, [[three]]]
    assert results(await client.post(APPLY, nested)) == ["unchanged", "unchanged", "created"]
    assert results(await apply(client, [one, two], three)) == ["unchanged"] * 3
    failed = await client.post(APPLY, [one, None, 7])
    assert results(failed, 207) == ["unchanged", "failed", "failed"]


async def test_items_of_a_typed_list_may_leave_out_what_it_says(client: Client) -> None:
    ghosts = {"apiVersion": API_VERSION, "kind": "GhostList", "items": [ghost(unique("typed"))]}
    assert results(await client.post(APPLY, ghosts)) == ["created"]


@pytest.mark.parametrize("items", [{"items": []}, {"items": None}, {}], ids=str)
async def test_lists_of_nothing_hold_no_object(client: Client, items: Body) -> None:
    for identity in (("v1", "List"), (API_VERSION, "GhostList")):
        empty = {"apiVersion": identity[0], "kind": identity[1], **items}
        message = (await client.post(APPLY, empty)).refused(400, "BadRequest")
        assert "has no objects" in message
    fine = of("ghosts", ghost(unique("beside")))
    assert results(await apply(client, empty, None, fine)) == ["created"]


@pytest.mark.parametrize("where", ["one", "list", "yaml"])
async def test_what_was_read_is_applied_as_it_is(client: Client, where: str) -> None:
    tag = unique("read")
    documents = all_kinds(tag)
    for document in reversed(documents):
        plural = BY_KIND[document["kind"]].plural
        (await client.post(f"{BASE}/{plural}", document)).expect(201)
    for document in documents:
        plural, name = BY_KIND[document["kind"]].plural, document["metadata"]["name"]
        if where == "list":
            raw = (await client.get(f"{BASE}/{plural}?labelSelector=nobody")).json
            raw["items"] = [(await client.get(f"{BASE}/{plural}/{name}")).json]
            answer = await client.post(APPLY, raw)
        else:
            stored = await client.get(f"{BASE}/{plural}/{name}")
            if where == "one":
                answer = await client.post(APPLY, raw=stored.content)
            else:
                answer = await apply(client, stored.json)
        assert "failed" not in results(answer)
    # The fields of the objects that were read don't disturb the next apply.
    assert "failed" not in results(await apply(client, *documents))


async def test_what_was_read_is_applied_after_it_changed_or_went(
    client: Client, user: User, kubectl: Kubectl
) -> None:
    name = unique("later")
    path = f"{BASE}/ghosts/{name}"
    stored = (await client.post(f"{BASE}/ghosts", ghost(name))).expect(201)
    change = {"metadata": {"labels": {"a": "b"}}}
    (await kubectl.call("patch", "ghost", name, "--type=merge", f"-p={json.dumps(change)}")).ok()
    assert "failed" not in results(await client.post(APPLY, stored))
    stored["metadata"]["namespace"] = user.home
    stored["metadata"]["deletionTimestamp"] = stored["metadata"]["creationTimestamp"]
    stored["metadata"]["deletionGracePeriodSeconds"] = 0
    assert results(await client.post(APPLY, stored)) == ["created"]
    (await client.get(f"{path}?namespace={user.home}")).expect(200)


async def test_marks_of_byte_order_and_windows_lines(client: Client) -> None:
    one, two = (of("ghosts", ghost(unique("mark"))) for _ in range(2))
    parts = [yaml.safe_dump(it).replace("\n", "\r\n") for it in (one, two)]
    raw = "\ufeff" + "---\r\n\ufeff".join(parts) + "---\r\n# nothing\r\n---\r\n"
    answer = await client.post(APPLY, raw=raw.encode(), headers=YAML)
    assert results(answer) == ["created", "created"]
    marked = b"\xef\xbb\xbf" + json.dumps([one, two]).encode()
    assert results(await client.post(APPLY, raw=marked)) == ["unchanged", "unchanged"]


async def test_one_that_fails_holds_up_those_alone_that_refer_to_it(client: Client) -> None:
    tag = unique("partly")
    documents = {it["kind"]: it for it in all_kinds(tag)}
    documents["Model"]["spec"]["temperature"] = 7
    answer = await apply(client, *documents.values())
    told = zip(results(answer, 207), answer.json["items"], strict=True)
    found = dict(zip(documents, told, strict=True))
    failed = {kind for kind, (result, _) in found.items() if result == "failed"}
    assert failed == {"Model", "Bot", "Team", "Task"}
    status = found["Model"][1]["status"]
    assert (status["kind"], status["code"], status["reason"]) == ("Status", 422, "Invalid")
    assert [it["field"] for it in status["details"]["causes"]] == ["spec.temperature"]
    status = found["Bot"][1]["status"]
    assert [(it["field"], it["reason"]) for it in status["details"]["causes"]] == [
        ("spec.modelRef", "FieldValueNotFound")
    ]
    del documents["Model"]["spec"]["temperature"]
    assert "failed" not in results(await apply(client, *documents.values()))


async def test_one_that_fails_may_be_there_from_before(client: Client) -> None:
    tag = unique("before")
    ghost_ = of("ghosts", ghost(tag))
    results(await apply(client, ghost_))
    ghost_["spec"]["systemPrompt"] = 7
    skill = of("skills", {"metadata": {"name": tag}, "spec": {"description": "x"}})
    bot_ = of("bots", example("bots", tag))
    bot_["spec"]["ghostRef"] = {"name": tag}
    answer = await apply(client, bot_, ghost_, skill)
    assert results(answer, 207) == ["failed", "failed", "created"]
    fields = [it["field"] for it in answer.json["items"][0]["status"]["details"]["causes"]]
    assert fields == ["spec.modelRef", "spec.shellRef"]


async def test_dry_run_counts_what_would_be_there(client: Client) -> None:
    documents = all_kinds(unique("dry"))
    dry = "?dryRun=All"
    assert results(await apply(client, *documents, query=dry)) == ["created"] * len(documents)
    (await client.get(f"{BASE}/ghosts/{documents[-1]['metadata']['name']}")).expect(404)
    results(await apply(client, *documents))
    documents[-1]["spec"]["description"] = "another"
    now = results(await apply(client, *documents, query=dry))
    assert now == ["unchanged"] * (len(documents) - 1) + ["configured"]


async def test_references_that_nobody_makes_are_refused_or_not(client: Client) -> None:
    dangling = of("bots", bot(unique("dangling")))
    answer = await apply(client, dangling)
    assert results(answer, 207) == ["failed"]
    assert answer.json["items"][0]["status"]["code"] == 422
    assert results(await apply(client, dangling, query="?validateRefs=false")) == ["created"]


async def test_namespaces_are_the_documents_or_the_requests(user: User) -> None:
    name = unique("place")
    here, there = (of("ghosts", ghost(name)) for _ in range(2))
    there["metadata"]["namespace"] = "default"
    query = f"?namespace={user.home}"
    answer = await apply(user.client, here, there, query=query)
    assert results(answer) == ["created", "created"]
    assert [it["namespace"] for it in answer.json["items"]] == [user.home, "default"]
    for namespace in ("default", user.home):
        (await user.client.get(f"{BASE}/ghosts/{name}?namespace={namespace}")).expect(200)


async def test_a_conflict_is_its_objects_until_it_is_forced(client: Client) -> None:
    theirs, free = (of("ghosts", ghost(unique("owned"))) for _ in range(2))
    results(await apply(client, theirs, query="?fieldManager=them"))
    theirs["spec"]["systemPrompt"] = "Ours."
    answer = await apply(client, theirs, free, query="?fieldManager=us")
    assert results(answer, 207) == ["failed", "created"]
    status = answer.json["items"][0]["status"]
    assert (status["code"], status["reason"]) == (409, "Conflict")
    assert [it["field"] for it in status["details"]["causes"]] == [".spec.systemPrompt"]
    forced = await apply(client, theirs, free, query="?fieldManager=us&force=true")
    assert results(forced) == ["configured", "unchanged"]


async def test_what_is_no_object_of_wegents_is_refused_by_itself(client: Client) -> None:
    fine = of("ghosts", ghost(unique("fine")))
    odd: list[tuple[Any, str]] = [
        ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}, "kind"),
        ({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}}, "kind"),
        (of("accounts", {"metadata": {"name": "x"}}), "kind"),
        ({"metadata": {"name": "x"}}, "kind"),
        ({**fine, "apiVersion": "agent.wecode.io/v2"}, "apiVersion"),
        ({**fine, "metadata": {"generateName": "x-"}}, "metadata.name"),
        ({**fine, "metadata": {"name": "../../pods"}}, "metadata.name"),
        ({**fine, "metadata": {"name": "x", "namespace": "a/b"}}, "metadata.namespace"),
        ({**fine, "metadata": 7}, "metadata.name"),
    ]
    answer = await apply(client, *(it for it, _ in odd), fine, ["no object"], "nor this")
    assert results(answer, 207) == [*(["failed"] * len(odd)), "created", "failed", "failed"]
    for (_, field), item in zip(odd, answer.json["items"], strict=False):
        assert item["status"]["code"] == 400
        assert [it["field"] for it in item["status"]["details"]["causes"]] == [field]
    assert "apply other kinds with kubectl" in answer.json["items"][0]["status"]["message"]


async def test_of_two_that_are_the_same_none_is_picked(client: Client) -> None:
    name = unique("twice")
    one = of("ghosts", ghost(name, "One.", namespace="default"))
    other = of("ghosts", ghost(name, "Other."))
    answer = await apply(client, one, of("skills", {**other, "spec": {"description": "x"}}), other)
    assert results(answer, 207)[0] == results(answer, 207)[2] == "failed"
    (await client.get(f"{BASE}/ghosts/{name}")).expect(404)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"kind: Ghost\n---\nkind: ]\n", "line 3"),
        (b"a: 1\n---\na: 1\na: 2\n", "line 4"),
        (b"a: &x 1\n---\nb: *x\n", "anchors"),
        (b"", "has no objects"),
        (b"# nothing\n---\n---\n", "has no objects"),
        (b"\xff", "UTF-8"),
    ],
)
async def test_malformed_yaml_is_told_with_its_line(
    client: Client, audit: AuditLog, raw: bytes, says: str
) -> None:
    answer = await client.post(APPLY, raw=raw, headers=YAML)
    assert says in answer.refused(400, "BadRequest")
    assert not [it for it in audit.requests() if it.resource == "ghosts"]


async def test_bodies_are_bounded(client: Client, audit: AuditLog) -> None:
    many = [of("ghosts", ghost(f"many-{index}")) for index in range(MAX_MANIFESTS + 1)]
    message = (await client.post(APPLY, listing(many))).refused(400, "BadRequest")
    assert str(MAX_MANIFESTS) in message
    large = b"# " + b"x" * 1_572_864
    (await client.post(APPLY, raw=large, headers=YAML)).refused(413, "RequestEntityTooLarge")
    assert not [it for it in audit.requests() if it.resource == "ghosts"]


async def test_lookups_are_bounded(client: Client, audit: AuditLog) -> None:
    """A small body can have many references; nothing is looked up or created then."""
    tag = unique("wide")
    member = {"role": "member"}
    teams = [
        of(
            "teams",
            {
                "metadata": {"name": f"{tag}-{team}"},
                "spec": {"bots": [{"name": f"b{team}-{n}", **member} for n in range(64)]},
            },
        )
        for team in range(MAX_OUTSIDE // 64 + 1)
    ]
    message = (await client.post(APPLY, listing(teams))).refused(422, "Invalid")
    assert str(MAX_OUTSIDE) in message
    assert "validateRefs=false" in message
    assert not [it for it in audit.requests() if it.resource in {"teams", "bots"}]
    answer = await client.post(f"{APPLY}?validateRefs=false&dryRun=All", listing(teams))
    assert results(answer) == ["created"] * len(teams)


async def test_one_with_more_references_than_its_kind_has_is_refused_by_itself(
    client: Client,
) -> None:
    many = of("ghosts", ghost(unique("many")))
    many["spec"]["skillRefs"] = [{"name": f"s{n}"} for n in range(MAX_TARGETS + 1)]
    fine = of("ghosts", ghost(unique("fine")))
    answer = await apply(client, many, fine)
    assert results(answer, 207)[1] == "created"
    refused = answer.json["items"][0]["status"]
    assert (refused["code"], refused["reason"]) == (422, "Invalid")


async def test_other_types_and_parameters_are_refused(client: Client) -> None:
    for content_type in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = await client.post(APPLY, {}, headers={"Content-Type": content_type})
        assert "application/yaml" in answer.refused(415, "UnsupportedMediaType")
    for query in ("?dryrun=All", "?namespace=a&namespace=b", "?namespace=*", "?fieldManager="):
        (await apply(client, {}, query=query)).refused(400, "BadRequest")


async def test_each_is_the_callers_own_request_some_at_a_time(user: User, audit: AuditLog) -> None:
    tag = unique("rights")
    many = [of("ghosts", ghost(f"{tag}-{index}")) for index in range(3 * AT_ONCE)]
    elsewhere = of("ghosts", ghost(tag, namespace="kube-system"))
    answer = await apply(user.client, elsewhere, *many)
    assert results(answer, 207) == ["failed", *(["created"] * len(many))]
    status = answer.json["items"][0]["status"]
    assert (status["code"], status["reason"]) == (403, "Forbidden")
    assert user.account in status["message"]
    asked = [it for it in audit.requests() if it.resource == "ghosts"]
    assert {it.user for it in asked} == {user.account}


async def test_a_token_that_is_not_taken_is_the_whole_answer(client: Client) -> None:
    one = of("ghosts", ghost(unique("unknown")))
    (await client.as_("no.such.token").post(APPLY, one)).refused(401, "Unauthorized")
    (await client.as_(None).post(APPLY, raw=b"{")).refused(401, "Unauthorized")


async def test_unknown_fields_are_named(client: Client) -> None:
    one = of("ghosts", ghost(unique("typo")))
    one["spec"]["systemPromt"] = "x"
    answer = await apply(client, one)
    assert results(answer, 207) == ["failed"]
    assert "systemPromt" in json.dumps(answer.json["items"][0]["status"])


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
async def test_files_of_powershell_are_taken(client: Client, encoding: str) -> None:
    """PowerShell writes UTF-16 with a byte order mark. kubectl reads it, too."""

    def written(value: Any) -> bytes:
        return ("\ufeff" + json.dumps(value, ensure_ascii=False) + "\r\n").encode(encoding)

    body = of("ghosts", ghost(unique("utf16"), "é 😀"))
    name = body["metadata"]["name"]
    (await client.post("/api/v1/kinds/ghosts", raw=written(body))).expect(201)
    for type_ in ("application/json", "application/yaml"):
        sent = {"Content-Type": type_}
        answer = await client.post("/api/v1/apply", raw=written(body), headers=sent)
        assert answer.expect(200)["failed"] == 0
    stored = (await client.get(f"/api/v1/kinds/ghosts/{name}")).expect(200)
    assert stored["spec"]["systemPrompt"] == "é 😀"
    half = await client.post("/api/v1/apply", raw=b"\xff\xfe{", headers={"Content-Type": type_})
    assert "UTF-16" in half.refused(400, "BadRequest")
