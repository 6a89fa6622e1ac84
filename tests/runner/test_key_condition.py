"""The condition KeyUsable of Models, on the real API server."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from devcluster.controlplane import ControlPlane
from tests.runner.conftest import MakeTask
from tests.runner.owners_key import KEY, Store
from tests.support.api import Api, condition, is_ready
from tests.support.identity import kubectl_as
from tests.support.kubectl import Kubectl
from tests.support.provider import Provider, Script
from tests.support.waiting import eventually
from wegent_crds.conditions import ConditionType, Reason, StoredCondition
from wegent_kube import KubeClient, load_connection
from wegent_kube.event_recorder import EventRecorder
from wegent_kube.resources import EVENTS, SECRETS
from wegent_runner.engine.key_condition import (
    STEADY_S,
    USABLE,
    KeyConditions,
    KeyVerdict,
    changed_condition,
    not_usable,
)
from wegent_runner.plan.plan import ModelPlan, ModelVersion, model_plan

pytestmark = pytest.mark.usefixtures("operator")
Body = dict[str, Any]
Run = Callable[[], Awaitable[str]]
Read = Callable[[], Awaitable[Body]]
Fault = tuple[
    dict[str, Any] | Callable[[Provider], dict[str, Any]] | None,
    dict[str, str],
    Callable[[Provider], None] | None,
]
"""The Secret, changes of the reference to it, and the provider's answer."""
ENCODED = base64.b64encode(KEY.encode()).decode()
FAULT = not_usable("Secret owners does not exist; create it, or change the reference")


def key_condition(model: Body) -> Body | None:
    return next((it for it in model["status"]["conditions"] if it["type"] == "KeyUsable"), None)


def version(model: Body) -> str:
    return str(model["metadata"]["resourceVersion"])


@pytest.fixture
def read(api: Api, namespace: str) -> Read:
    """Read the Model, and check that neither it nor an Event has the key."""

    async def model() -> Body:
        body = await api.get("models", namespace, "m")
        assert body is not None
        events = (await api.client.request("GET", EVENTS.path(namespace)))["items"]
        shown = json.dumps([body, events])
        assert not [it for it in (KEY, ENCODED, KEY[-8:]) if it in shown]
        return body

    return model


@pytest.fixture
def run(api: Api, namespace: str, make_task: MakeTask, ended: MakeTask) -> Run:
    """Run another Task, and return its phase."""
    count = 0

    async def task() -> str:
        nonlocal count
        count += 1
        await api.settled("models", namespace, "m")
        await make_task(f"t{count}")
        return str((await ended(f"t{count}"))["status"]["phase"])

    return task


def refusing(status: int, shown: str = KEY[-8:]) -> Callable[[Provider], None]:
    """Script a refusal that shows a part of the key, as OpenAI's does."""

    def script(provider: Provider) -> None:
        body = {"error": {"message": f"Incorrect API key provided: sk-the*****{shown}."}}
        provider.script = lambda _: Script(status=status, body=body)

    return script


def https_only(provider: Provider) -> dict[str, Any]:
    return {"hosts": f"127.0.0.1:{provider.port}"}


@pytest.mark.usefixtures("runner")
@pytest.mark.parametrize(
    ("fault", "verdict"),
    [
        pytest.param(
            (None, {}, None), ("KeyNotUsable", "Secret owners does not exist"), id="missing"
        ),
        pytest.param(
            ({"type_": "Opaque"}, {}, None), ("KeyNotUsable", "type must be agent."), id="type"
        ),
        pytest.param(
            ({"hosts": ""}, {}, None), ("KeyNotUsable", "hosts must name the hosts"), id="no hosts"
        ),
        pytest.param(
            ({"hosts": "api.openai.com"}, {}, None),
            ("KeyNotUsable", "delete the Secret, and create it again with this host"),
            id="host",
        ),
        pytest.param(
            (https_only, {}, None), ("KeyNotUsable", "doesn't name http://127.0.0.1"), id="http"
        ),
        pytest.param(
            ({}, {"key": "k"}, None), ("KeyNotUsable", "has no key k; add it"), id="no key"
        ),
        pytest.param(({}, {}, refusing(401)), ("KeyRefused", "replace the key"), id="401"),
        pytest.param(({}, {}, refusing(403)), ("KeyRefused", "replace the key"), id="403"),
    ],
)
async def test_a_fault_is_written_once_and_its_repair_once(
    api: Api,
    namespace: str,
    provider: Provider,
    store: Store,
    use: Store,
    run: Run,
    read: Read,
    fault: Fault,
    verdict: tuple[str, str],
) -> None:
    secret, reference, script = fault
    reason, told = verdict
    if secret is not None:
        await store(**(secret(provider) if callable(secret) else secret))
    if script:
        script(provider)
    await use(apiKeySecretRef={"name": "owners", "key": "key", **reference})
    assert await run() == "Failed"
    broken = await read()
    found = condition(broken, "KeyUsable")
    assert (found["status"], found["reason"]) == ("False", reason)
    assert found["message"].startswith("spec.apiKeySecretRef: ")
    assert told in found["message"]
    assert found["observedGeneration"] == broken["metadata"]["generation"]
    assert is_ready(broken)
    assert broken["status"]["ready"] == "True"

    assert await run() == "Failed"
    assert version(await read()) == version(broken)  # no write by any program

    if secret is not None:
        await api.client.request("DELETE", SECRETS.path(namespace, "owners"))
    provider.script = lambda _: Script()
    await store()
    await use(apiKeySecretRef={"name": "owners", "key": "key"})
    assert await run() == "Completed"
    repaired = await read()
    found = condition(repaired, "KeyUsable")
    assert (found["status"], found["reason"], found["message"]) == ("True", "KeyUsable", "")
    assert await run() == "Completed"
    assert version(await read()) == version(repaired)

    async def told_once() -> bool:
        events = (await api.client.request("GET", EVENTS.path(namespace)))["items"]
        of_model = [
            (it["reason"], it["type"], it["count"])
            for it in events
            if it["involvedObject"]["kind"] == "Model" and it["action"] == "UseKey"
        ]
        assert sorted(of_model) == sorted([(reason, "Warning", 1), ("KeyUsable", "Normal", 1)])
        return True

    await eventually(told_once, within_s=30, what="an Event for each change")


@pytest.mark.usefixtures("runner")
async def test_a_key_that_never_failed_costs_no_write(
    store: Store, use: Store, run: Run, read: Read, api: Api, namespace: str
) -> None:
    await store()
    await use()
    before = await api.settled("models", namespace, "m")
    assert await run() == "Completed"
    after = await read()
    assert key_condition(after) is None
    assert version(after) == version(before)


@pytest.mark.usefixtures("runner")
async def test_the_operator_and_the_runner_leave_each_others_conditions(
    api: Api, namespace: str, use: Store, run: Run, read: Read
) -> None:
    await use()
    assert await run() == "Failed"
    broken = await read()
    managers = {
        (it["manager"], it["operation"]): it["fieldsV1"]
        for it in broken["metadata"]["managedFields"]
        if it.get("subresource") == "status"
    }
    [own] = managers["wegent-runner", "Apply"]["f:status"]["f:conditions"]
    assert own == 'k:{"type":"KeyUsable"}'

    await use(fallbackRefs=[{"name": "absent"}])
    unready = await api.settled("models", namespace, "m", "RefNotFound")
    assert key_condition(unready) == key_condition(broken)
    await use(fallbackRefs=None)
    ready = await api.settled("models", namespace, "m")
    assert key_condition(ready) == key_condition(broken)
    assert await run() == "Failed"
    again = condition(await read(), "KeyUsable")
    assert again["observedGeneration"] == ready["metadata"]["generation"]
    assert again["lastTransitionTime"] == condition(broken, "KeyUsable")["lastTransitionTime"]
    assert await run() == "Failed"  # the condition keeps no Task from being run


@pytest.mark.usefixtures("runner")
async def test_each_model_that_shares_a_key_has_its_own_condition(
    api: Api, namespace: str, provider: Provider, store: Store, use: Store, run: Run, read: Read
) -> None:
    await store(hosts=f"http://127.0.0.1:{provider.port}")
    spec = {"provider": "openai", "model": "gpt-4", "allowInsecureBaseUrl": True}
    key = {"apiKeySecretRef": {"name": "owners", "key": "key"}}
    await api.create("models", namespace, "n", {**spec, **key, "baseUrl": provider.url})
    await use(baseUrl="http://127.0.0.1:1/v1", fallbackRefs=[{"name": "n"}])
    assert await run() == "Completed"
    assert condition(await read(), "KeyUsable")["status"] == "False"
    fallback = await api.get("models", namespace, "n")
    assert fallback is not None
    assert key_condition(fallback) is None


@pytest.mark.usefixtures("runner", "bot")
async def test_a_key_that_is_required_and_missing(
    namespace: str, provider: Provider, store: Store, use: Store, run: Run, read: Read
) -> None:
    del namespace
    refusing(401, "none")(provider)
    assert await run() == "Failed"
    found = condition(await read(), "KeyUsable")
    assert found["reason"] == "KeyRefused"
    assert "requires an API key" in found["message"]
    provider.script = lambda _: Script()
    await store()
    await use()
    assert await run() == "Completed"
    assert condition(await read(), "KeyUsable")["status"] == "True"


# Races: the runner's requests alone, with a Model that changes meanwhile


@pytest.fixture
async def conditions(runner_kubeconfig: Path) -> AsyncIterator[KeyConditions]:
    async with KubeClient(load_connection(str(runner_kubeconfig)), user_agent="test") as client:
        yield KeyConditions(client, EventRecorder(client, "test", "test"))


@pytest.fixture
async def plan(api: Api, namespace: str, bot: str) -> ModelPlan:
    """The Model as a runner has read it."""
    del bot
    return model_plan(await api.settled("models", namespace, "m"))


async def test_a_change_without_effect_on_the_key_doesnt_prevent_the_write(
    api: Api, namespace: str, conditions: KeyConditions, plan: ModelPlan, read: Read
) -> None:
    await api.merge("models", namespace, "m", {"metadata": {"labels": {"team": "a"}}})
    await conditions.report(plan, FAULT, "note")
    assert condition(await read(), "KeyUsable")["message"] == FAULT.message


async def test_a_verdict_on_an_older_spec_isnt_written(
    api: Api, namespace: str, conditions: KeyConditions, plan: ModelPlan, read: Read
) -> None:
    await api.merge("models", namespace, "m", {"spec": {"temperature": 1}})
    await conditions.report(plan, FAULT, "note")
    assert key_condition(await read()) is None


async def test_two_runners_write_once(
    api: Api, namespace: str, conditions: KeyConditions, plan: ModelPlan, read: Read
) -> None:
    other = not_usable("another fault")
    await asyncio.gather(
        *(conditions.report(plan, verdict, "note") for verdict in [FAULT, other] * 5)
    )
    written = await read()
    assert condition(written, "KeyUsable")["message"] in {FAULT.message, other.message}
    await conditions.report(plan, other, "note")
    assert version(await read()) == version(written)
    # A success that began before the failure isn't news.
    failed = replace(plan, read=model_plan(written).read)
    await api.merge("models", namespace, "m", {"metadata": {"labels": {"team": "a"}}})
    await conditions.report(failed, USABLE, "note")
    await conditions.report(failed, FAULT, "note")
    assert condition(await read(), "KeyUsable")["status"] == "True"


async def test_a_model_that_is_deleted_or_another_one(
    api: Api,
    namespace: str,
    conditions: KeyConditions,
    plan: ModelPlan,
    read: Read,
    caplog: pytest.LogCaptureFixture,
) -> None:
    spec = (await read())["spec"]
    await api.delete("models", namespace, "m")
    await conditions.report(plan, FAULT, "note")
    assert await api.get("models", namespace, "m") is None
    await api.create("models", namespace, "m", spec)
    await api.settled("models", namespace, "m")
    await conditions.report(plan, FAULT, "note")
    assert key_condition(await read()) is None
    assert not [it for it in caplog.records if it.name.endswith("key_condition")]


async def test_a_runner_without_the_right_goes_on(
    control_plane: ControlPlane,
    kubectl: Kubectl,
    tmp_path: Path,
    plan: ModelPlan,
    read: Read,
    caplog: pytest.LogCaptureFixture,
) -> None:
    other = kubectl_as(control_plane, kubectl, "wegent-system", "wegent-api", tmp_path).kubeconfig
    async with KubeClient(load_connection(str(other)), user_agent="test") as client:
        recorder = EventRecorder(client, "test", "test")
        await KeyConditions(client, recorder).report(plan, FAULT, "note")
    assert key_condition(await read()) is None
    assert "the condition KeyUsable is not written" in caplog.text


# The decision


NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def stored(verdict: KeyVerdict, age_s: float = 1000, generation: int = 2) -> StoredCondition:
    since = (NOW - timedelta(seconds=age_s)).strftime("%Y-%m-%dT%H:%M:%SZ")
    status = "True" if verdict.usable else "False"
    return StoredCondition(
        ConditionType.KEY_USABLE.value, status, verdict.reason, verdict.message, generation, since
    )


@pytest.mark.parametrize(
    ("known", "verdict", "status"),
    [
        (None, USABLE, None),
        (None, FAULT, "False"),
        (stored(FAULT), FAULT, None),
        (stored(FAULT, generation=1), FAULT, "False"),
        (stored(FAULT), KeyVerdict(Reason.KEY_REFUSED, "other"), "False"),
        (stored(FAULT, age_s=0), USABLE, "True"),
        (stored(USABLE), USABLE, None),
        (stored(USABLE, generation=1), USABLE, "True"),
        (stored(USABLE, age_s=STEADY_S - 1), FAULT, None),
        (stored(USABLE, age_s=STEADY_S), FAULT, "False"),
        (stored(USABLE, age_s=-5), FAULT, "False"),  # another runner's clock is ahead
        (replace(stored(USABLE), last_transition_time="?"), FAULT, "False"),
    ],
)
def test_a_verdict_is_written_if_it_is_news(
    known: StoredCondition | None, verdict: KeyVerdict, status: str | None
) -> None:
    changed = changed_condition(ModelVersion("u", "7", 2, known), verdict, NOW)
    assert (changed.status if changed else None) == status
    if changed is not None:
        moved = known is None or known.status != status
        since = "2026-01-01T12:00:00Z" if moved or known is None else known.last_transition_time
        assert (changed.last_transition_time, changed.observed_generation) == (since, 2)
