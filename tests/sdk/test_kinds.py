"""Objects over the SDK, on a real proxy and API server, and on the API server alone."""

import json
from typing import Any

import pytest

from tests.api.users import unique
from tests.sdk.conftest import Person
from tests.support.api import Api
from tests.support.kubectl import Kubectl
from tests.support.waiting import eventually
from wegent_crds import Bot, Ghost, Model, load
from wegent_sdk import (
    AlreadyExists,
    ConfigurationError,
    Conflict,
    Forbidden,
    Invalid,
    Malformed,
    NotFound,
    Refused,
)

pytestmark = pytest.mark.usefixtures("operator")
CRD = "customresourcedefinition/ghosts.agent.wecode.io"


@pytest.fixture(params=["rest", "kubernetes"])
def person(request: pytest.FixtureRequest, me: Person, direct: Person) -> Person:
    """A client of either API."""
    return me if request.param == "rest" else direct


def ghost(namespace: str, name: str, prompt: str = "You help.") -> Ghost:
    return Ghost.model_validate(
        {
            "apiVersion": "agent.wecode.io/v1",
            "kind": "Ghost",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"systemPrompt": prompt},
        }
    )


def bot_of(namespace: str, name: str, refers_to: str) -> dict[str, Any]:
    return {
        "apiVersion": "agent.wecode.io/v1",
        "kind": "Bot",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "ghostRef": {"name": refers_to},
            "modelRef": {"name": "m"},
            "shellRef": {"name": "s"},
        },
    }


async def test_an_object_from_its_creation_to_its_deletion(person: Person, namespace: str) -> None:
    made = await person.call(lambda c: c.create(ghost(namespace, "g", "One.")))
    assert made.metadata.uid
    with pytest.raises(AlreadyExists) as taken:
        await person.call(lambda c: c.create(ghost(namespace, "g")))
    assert (taken.value.status, taken.value.reason) == (409, "AlreadyExists")
    assert '"g" already exists' in str(taken.value)
    read = await person.call(lambda c: c.get(Ghost, "g", namespace))
    assert read.spec.system_prompt == "One."
    patch = {"spec": {"systemPrompt": "Two."}}
    patched = await person.call(lambda c: c.patch(Ghost, "g", patch, namespace))
    assert patched.spec.system_prompt == "Two."
    with pytest.raises(Conflict):
        await person.call(lambda c: c.replace(read))
    newest = await person.call(lambda c: c.get(Ghost, "g", namespace))
    spec = newest.spec.model_copy(update={"system_prompt": "Three."})
    replaced = await person.call(lambda c: c.replace(newest.model_copy(update={"spec": spec})))
    assert replaced.spec.system_prompt == "Three."
    assert await person.call(lambda c: c.delete(Ghost, "g", namespace)) is None

    async def gone() -> bool:
        try:
            await person.call(lambda c: c.get(Ghost, "g", namespace))
        except NotFound as error:
            return error.reason == "NotFound"
        return False

    for _ in range(100):
        if await gone():
            break
    else:
        raise AssertionError("it is still there")
    with pytest.raises(NotFound):
        await person.call(lambda c: c.delete(Ghost, "g", namespace))


async def test_a_list_has_all_pages_and_follows_selectors(
    person: Person, namespace: str, api: Api
) -> None:
    for number in range(7):
        labels = {"odd": str(number % 2)}
        await api.create("ghosts", namespace, f"g{number}", {"systemPrompt": "x"}, labels=labels)
    listed = await person.take(lambda c: c.list(Ghost, namespace, page_size=2))
    assert [it.metadata.name for it in listed] == [f"g{number}" for number in range(7)]
    odd = await person.take(lambda c: c.list(Ghost, namespace, label_selector="odd=1"))
    assert [it.metadata.name for it in odd] == ["g1", "g3", "g5"]
    one = await person.take(lambda c: c.list(Ghost, namespace, field_selector="metadata.name=g4"))
    assert [it.metadata.name for it in one] == ["g4"]
    two = await person.take(lambda c: c.list(Ghost, namespace, page_size=1), count=2)
    assert len(two) == 2


async def test_a_dry_run_stores_nothing(person: Person, namespace: str) -> None:
    made = await person.call(lambda c: c.create(ghost(namespace, "g"), dry_run=True))
    assert made.spec.system_prompt == "You help."
    with pytest.raises(NotFound):
        await person.call(lambda c: c.get(Ghost, "g", namespace))


async def test_an_invalid_object_names_its_fields(person: Person, namespace: str) -> None:
    body = bot_of(namespace, "b", "g")
    body["spec"]["ghostRef"] = {"name": "g", "nonsense": 1}
    with pytest.raises(Refused) as refused:
        await person.call(lambda c: c.raw.create("bots", body, validate_refs=False))
    assert "nonsense" in str(refused.value)
    wrong = {"spec": {"model": ""}}
    model = {
        "apiVersion": "agent.wecode.io/v1",
        "kind": "Model",
        "metadata": {"name": "m", "namespace": namespace},
        "spec": {"provider": "openai", "model": "x"},
    }
    await person.call(lambda c: c.apply([model]))
    with pytest.raises(Invalid) as invalid:
        await person.call(lambda c: c.patch(Model, "m", wrong, namespace))
    assert [cause.field for cause in invalid.value.causes] == ["spec.model"]
    assert invalid.value.request_id


async def test_a_namespace_of_others_is_refused(person: Person) -> None:
    with pytest.raises(Forbidden):
        await person.call(lambda c: c.get(Ghost, "g", "kube-system"))


async def test_manifests_are_applied_in_any_order(person: Person, namespace: str) -> None:
    items: list[Any] = [
        bot_of(namespace, "b", "g"),
        ghost(namespace, "g"),
        {**ghost(namespace, "broken").body(), "spec": {"systemPrompt": ""}},
        *load(
            f"""
apiVersion: agent.wecode.io/v1
kind: Model
metadata: {{name: m, namespace: {namespace}}}
spec: {{provider: openai, model: gpt-4}}
---
apiVersion: agent.wecode.io/v1
kind: Shell
metadata: {{name: s, namespace: {namespace}}}
spec: {{type: Chat}}
"""
        ),
    ]
    done = await person.call(lambda c: c.apply(items))
    assert [it.result for it in done] == ["created", "created", "failed", "created", "created"]
    assert [it.kind for it in done] == ["Bot", "Ghost", "Ghost", "Model", "Shell"]
    assert done[2].error.status == 422
    assert "systemPrompt" in str(done[2].error)
    again = await person.call(lambda c: c.apply([items[0], ghost(namespace, "g", "Other.")]))
    assert [it.result for it in again] == ["unchanged", "configured"]
    stored = await person.call(lambda c: c.get(Bot, "b", namespace))
    [read] = await person.call(lambda c: c.apply([stored]))
    assert read.error is None


async def test_a_conflict_of_managers_is_in_the_result(person: Person, namespace: str) -> None:
    mine = ghost(namespace, "g", "Mine.")
    await person.call(lambda c: c.apply([mine], field_manager="argocd"))
    [refused] = await person.call(lambda c: c.apply([ghost(namespace, "g", "Yours.")]))
    assert isinstance(refused.error, Conflict)
    assert "argocd" in str(refused.error)
    [forced] = await person.call(lambda c: c.apply([ghost(namespace, "g", "Yours.")], force=True))
    assert forced.result == "configured"


async def test_a_foreign_manifest_is_refused_before_any_is_applied(
    person: Person, namespace: str
) -> None:
    foreign = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
    with pytest.raises(ConfigurationError, match=r"agent\.wecode\.io/v1"):
        await person.call(lambda c: c.apply([ghost(namespace, "g"), foreign]))
    with pytest.raises(NotFound):
        await person.call(lambda c: c.get(Ghost, "g", namespace))


@pytest.mark.parametrize("metadata", [None, "x", {}, {"name": 1}])
async def test_a_manifest_without_a_name_is_refused(me: Person, metadata: Any) -> None:
    nameless = {"apiVersion": "agent.wecode.io/v1", "kind": "Ghost", "metadata": metadata}
    with pytest.raises(Malformed, match=r"metadata\.name of a Ghost"):
        await me.call(lambda c: c.apply([nameless]))


async def test_results_come_one_by_one(me: Person, namespace: str) -> None:
    items = [ghost(namespace, f"g{number}", "x" * 5000) for number in range(300)]
    found = await me.take(lambda c: c.apply_each(items, dry_run=True), 3)
    assert [(it.name, it.result) for it in found] == [(f"g{n}", "created") for n in range(3)]


async def test_more_objects_than_one_request_takes(me: Person, namespace: str) -> None:
    items = [ghost(namespace, f"g{number}", "x" * 5000) for number in range(300)]
    done = await me.call(lambda c: c.apply(items, dry_run=True))
    assert [it.name for it in done] == [f"g{number}" for number in range(300)]
    assert {it.result for it in done} == {"created"}


async def test_a_referent_is_checked_over_rest(me: Person, namespace: str) -> None:
    bot = Bot.model_validate(bot_of(namespace, "b", "absent"))
    with pytest.raises(Invalid) as invalid:
        await me.call(lambda c: c.create(bot))
    assert "spec.ghostRef" in {cause.field for cause in invalid.value.causes}
    made = await me.call(lambda c: c.create(bot, validate_refs=False))
    assert made.spec.ghost_ref.name == "absent"


async def test_fields_of_a_newer_server_are_kept(
    person: Person, namespace: str, kubectl: Kubectl, api: Api
) -> None:
    """The CRD gets a field that the models don't know; it survives reading and replacing."""
    path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/fromTheFuture"
    add = [{"op": "add", "path": path, "value": {"type": "string"}}]
    kubectl.run("patch", CRD, "--type=json", "-p", json.dumps(add)).ok()
    try:
        name = unique("g")
        body = ghost(namespace, name).body()
        body["spec"]["fromTheFuture"] = "kept"
        body.pop("status", None)

        async def stored() -> bool:  # once the API server follows the new schema
            return (await kubectl.call("create", "-f", "-", stdin=body)).exit_code == 0

        await eventually(stored, within_s=30, what="an object with the new field")
        read = await person.call(lambda c: c.get(Ghost, name, namespace))
        assert read.spec.model_extra == {"fromTheFuture": "kept"}
        await api.settled("ghosts", namespace, name)
        read = await person.call(lambda c: c.get(Ghost, name, namespace))
        spec = read.spec.model_copy(update={"system_prompt": "Changed."})
        await person.call(lambda c: c.replace(read.model_copy(update={"spec": spec})))
        raw = await person.call(lambda c: c.raw.get("ghosts", name, namespace))
        assert raw["spec"] == {"systemPrompt": "Changed.", "fromTheFuture": "kept"}
    finally:
        remove = [{"op": "remove", "path": path}]
        kubectl.run("patch", CRD, "--type=json", "-p", json.dumps(remove)).ok()


async def test_a_namespace_of_the_client_is_the_default(
    person: Person, namespace: str, sort: Any, proxy_url: str, opened: Any
) -> None:
    if person.client.is_rest:
        token = person.client._raw.api.credentials.value
        person = opened(sort(proxy_url, token=token, namespace=namespace))
    item = ghost(namespace, "g")
    bare = item.model_copy(
        update={"metadata": item.metadata.model_copy(update={"namespace": None})}
    )
    await person.call(lambda c: c.create(bare))
    assert (await person.call(lambda c: c.get(Ghost, "g"))).metadata.namespace == namespace
    assert [it.metadata.name for it in await person.take(lambda c: c.list(Ghost))] == ["g"]
