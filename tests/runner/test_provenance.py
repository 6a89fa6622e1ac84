"""Each run says which version of which object it used, and shows it to those who may read it."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import yaml

from devcluster.checkout import CHECKOUT
from tests.runner.conftest import MakeTask
from tests.runner.jq import COMMAND, NEEDS_JQ, hash_by_jq
from tests.support.api import Api
from tests.support.kubectl import Kubectl
from tests.support.provider import Provider, Script
from tests.support.proxy import Client
from tests.support.waiting import eventually
from tests.unit.pages import Page

pytestmark = pytest.mark.usefixtures("operator", "runner")

BEFORE, AFTER = "You help.", "You refuse."
Transcript = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def transcript(client: Client, namespace: str) -> Transcript:
    """Returns a transcript with the definitions, as a client gets it."""

    async def get(name: str = "t", more: str = "", reader: Client = client) -> dict[str, Any]:
        path = f"/api/v1/kinds/tasks/{name}/transcript?namespace={namespace}"
        answer: dict[str, Any] = (await reader.get(f"{path}&with=definitions{more}")).expect(200)
        return answer

    return get


def objects(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the objects of a transcript's last record, by their kinds."""
    return {it["kind"]: it for it in body["ran"][-1]["objects"]}


@NEEDS_JQ
async def test_the_status_names_each_object_by_the_hash_that_users_compute(
    kubectl: Kubectl, namespace: str, make_task: MakeTask, ended: MakeTask
) -> None:
    await make_task()
    status = (await ended())["status"]
    assert [(it["kind"], it["name"]) for it in status["ran"]] == [
        ("Bot", "b"),
        ("Ghost", "g"),
        ("Model", "m"),
        ("Shell", "s"),
    ]
    for used in status["ran"]:
        got = kubectl.run("get", used["kind"], used["name"], f"--namespace={namespace}", "-ojson")
        assert hash_by_jq(got.ok().stdout)[:12] == used["hash"], used
        assert used["namespace"] == namespace


@NEEDS_JQ
def test_the_page_shows_the_hash_of_the_example(kubectl: Kubectl, namespace: str) -> None:
    here = f"--namespace={namespace}"
    ghost = yaml.safe_load((CHECKOUT / "examples" / "ghost.yaml").read_text(encoding="utf-8"))
    del ghost["metadata"]["namespace"]
    kubectl.run("apply", here, "-f", "-", stdin=ghost).ok()
    got = kubectl.run("get", "ghost", "code-assistant", here, "-ojson").ok().stdout
    page = Page.read("docs/kinds/task.md")
    [shown] = [it for it in page.blocks("console") if COMMAND in it]
    assert hash_by_jq(got) in shown
    assert f"hash: {hash_by_jq(got)[:12]}\n" in page.text


async def test_a_failed_task_names_its_objects(
    provider: Provider, make_task: MakeTask, ended: MakeTask
) -> None:
    provider.script = lambda _: Script(status=401, body={"error": {"message": "no"}})
    await make_task()
    status = (await ended())["status"]
    assert status["phase"] == "Failed"
    assert len(status["ran"]) == 4


async def test_a_transcript_shows_the_prompt_as_it_was(
    api: Api, namespace: str, make_task: MakeTask, ended: MakeTask, transcript: Transcript
) -> None:
    await make_task()
    await ended()
    await api.merge("ghosts", namespace, "g", {"spec": {"systemPrompt": AFTER}})
    await make_task("later")
    await ended("later")
    first, second = await transcript("t"), await transcript("later")
    ghosts = objects(first)["Ghost"], objects(second)["Ghost"]
    assert [it["generation"] for it in ghosts] == [1, 2]
    assert ghosts[0]["uid"] == ghosts[1]["uid"]
    assert first["definitions"][ghosts[0]["hash"]]["systemPrompt"] == BEFORE
    assert second["definitions"][ghosts[1]["hash"]]["systemPrompt"] == AFTER
    assert objects(first)["Bot"] == objects(second)["Bot"]
    assert set(first["definitions"]) == {it["hash"] for it in objects(first).values()}
    one = await transcript("t", f"&hash={ghosts[0]['hash']}")
    assert list(one["definitions"]) == [ghosts[0]["hash"]]
    await api.client.request("DELETE", f"/apis/agent.wecode.io/v1/namespaces/{namespace}/ghosts/g")
    assert (await transcript("t"))["definitions"] == first["definitions"], "the Ghost is deleted"


async def test_a_transcript_has_no_definitions_unless_they_are_requested(
    client: Client, namespace: str, make_task: MakeTask, ended: MakeTask
) -> None:
    await make_task()
    await ended()
    path = f"/api/v1/kinds/tasks/t/transcript?namespace={namespace}"
    body = (await client.get(path)).expect(200)
    assert "definitions" not in body
    assert set(objects(body)) == {"Bot", "Ghost", "Model", "Shell"}
    answer = body["items"][-1]
    assert answer["attempt"] == body["ran"][0]["attempt"] == 1
    for wrong in ("with=prompts", "with=definitions&hash=abc"):
        (await client.get(f"{path}&{wrong}")).refused(400, "BadRequest")


async def test_a_model_to_fall_back_to_is_named_once_it_was_called(
    api: Api,
    namespace: str,
    provider: Provider,
    make_task: MakeTask,
    ended: MakeTask,
    transcript: Transcript,
) -> None:
    spare = {
        "provider": "openai",
        "model": "spare",
        "baseUrl": provider.url,
        "allowInsecureBaseUrl": True,
    }
    await api.create("models", namespace, "spare", spare)
    await api.merge("models", namespace, "m", {"spec": {"fallbackRefs": [{"name": "spare"}]}})
    await make_task("first")
    names = [it["name"] for it in (await ended("first"))["status"]["ran"]]
    assert names == ["b", "g", "m", "s"]
    refused = Script(status=401, body={"error": {"message": "no"}})
    provider.script = lambda call: Script() if call.body["model"] == "spare" else refused
    await make_task("second")
    status = (await ended("second"))["status"]
    assert status["phase"] == "Completed", status
    assert [it["name"] for it in status["ran"]] == ["b", "g", "m", "s", "spare"]
    body = await transcript("second")
    assert [it["name"] for it in body["ran"][0]["objects"]] == ["b", "g", "m", "s", "spare"]
    assert any(it.get("model") == "spare" for it in body["definitions"].values())


async def test_a_prompt_of_another_namespace_is_shown_to_those_who_may_read_it_now(
    api: Api,
    kubectl: Kubectl,
    namespace: str,
    make_task: MakeTask,
    ended: MakeTask,
    transcript: Transcript,
    client: Client,
) -> None:
    """The Task's reader may use the Ghost by its ``accessFrom``; that is no right to read it."""
    theirs, secret = f"{namespace}-theirs", "You are theirs, and nobody else's."
    await api.create_namespace(theirs)
    us = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    spec = {"systemPrompt": secret, "accessFrom": {"namespaceSelectors": [us]}}
    await api.create("ghosts", theirs, "g", spec)
    ghost = {"ghostRef": {"name": "g", "namespace": theirs}}
    await api.merge("bots", namespace, "b", {"spec": ghost})
    await make_task()
    await ended()

    hidden = await transcript()
    assert secret not in str(hidden)
    used = objects(hidden)["Ghost"]
    assert used["notShown"] == f"you may not get ghosts in the namespace {theirs}"
    assert used["hash"] not in hidden["definitions"]
    assert len(hidden["definitions"]) == 3
    asked = await transcript("t", f"&hash={used['hash']}")
    assert asked["definitions"] == {}

    here = f"--namespace={theirs}"
    kubectl.run(
        "create", "rolebinding", "reader", here, "--clusterrole=wegent-viewer",
        f"--serviceaccount={namespace}:editor",
    ).ok()  # fmt: skip

    async def shown() -> bool:
        body = await transcript()
        prompt: str | None = body["definitions"].get(used["hash"], {}).get("systemPrompt")
        return secret == prompt

    await eventually(shown, within_s=30, what="the definition")
    kubectl.run("delete", "rolebinding", "reader", here).ok()

    async def not_shown() -> bool:
        return secret not in str(await transcript())

    await eventually(not_shown, within_s=30, what="the end of the right")
    answer = await client.as_(None).get(
        f"/api/v1/kinds/tasks/t/transcript?namespace={namespace}&with=definitions"
    )
    answer.refused(401, "Unauthorized")


async def test_an_attempt_after_a_wait_names_the_prompt_that_it_used(
    api: Api,
    namespace: str,
    bot: str,
    make_task: MakeTask,
    ended: MakeTask,
    transcript: Transcript,
) -> None:
    """The Ghost is changed while the Task waits for the confirmation of its first stage."""
    refs = {"ghostRef": {"name": "g"}, "modelRef": {"name": "m"}, "shellRef": {"name": "s"}}
    await api.create("bots", namespace, "second", refs)
    stages = [{"name": bot, "requireConfirmation": True}, {"name": "second"}]
    await api.create("teams", namespace, "t", {"collaborationMode": "pipeline", "bots": stages})
    await api.settled("teams", namespace, "t")
    await make_task(botRef=None, teamRef={"name": "t"})

    async def waiting() -> str:
        body = await api.get("tasks", namespace, "t")
        assert body is not None
        assert body["status"]["phase"] == "Waiting", body["status"]
        return str(body["status"]["waitingFor"][0]["id"])

    question = await eventually(waiting, within_s=30, what="the question")
    await api.merge("ghosts", namespace, "g", {"spec": {"systemPrompt": AFTER}})
    for plural, name in (("ghosts", "g"), ("bots", bot), ("bots", "second"), ("teams", "t")):
        await api.settled(plural, namespace, name)
    answer = {"id": question, "decision": "approve"}
    await api.merge("tasks", namespace, "t", {"spec": {"answers": [answer]}})
    status = (await ended())["status"]
    assert status["phase"] == "Completed", status
    body = await transcript()
    assert [it["attempt"] for it in body["ran"]] == [1, 2]
    prompts = {
        record["attempt"]: body["definitions"][used["hash"]]["systemPrompt"]
        for record in body["ran"]
        for used in record["objects"]
        if used["kind"] == "Ghost"
    }
    assert prompts == {1: BEFORE, 2: AFTER}
    said = [it for it in body["items"] if it.get("role") == "assistant"]
    assert [(it["bot"].partition("/")[2], it["attempt"]) for it in said] == [
        (bot, 1),
        ("second", 2),
    ]
    [ghost] = [it for it in status["ran"] if it["kind"] == "Ghost"]
    assert ghost["generation"] == 2
