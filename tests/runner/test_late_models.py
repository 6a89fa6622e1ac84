"""Bots without a Model: the Task or the Team names it, and a runner calls that one."""

from typing import Any

import pytest
from openai import AsyncOpenAI, BadRequestError

from tests.runner.conftest import MakeTask
from tests.support.api import Api, condition
from tests.support.provider import Provider
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("operator", "runner")

OTHER = {"provider": "openai", "model": "gpt-other", "allowInsecureBaseUrl": True}


@pytest.fixture
async def unbound(api: Api, namespace: str, provider: Provider, bot: str) -> str:
    """A Bot without a Model, in Teams, beside a Bot with the Model ``m``; and another Model."""
    await api.create("models", namespace, "other", {**OTHER, "baseUrl": provider.url})
    refs = {"ghostRef": {"name": "g"}, "shellRef": {"name": "s"}}
    await api.create("bots", namespace, "unbound", refs)
    await api.create("teams", namespace, "team", {"bots": [{"name": "unbound"}]})
    member = {"name": "unbound", "modelRef": {"name": "m"}}
    await api.create("teams", namespace, "bound", {"bots": [member]})
    for plural, name in (("models", "other"), ("bots", "unbound"), ("teams", "team")):
        await api.settled(plural, namespace, name)
    del bot
    return "unbound"


@pytest.mark.parametrize(
    ("spec", "called"),
    [
        ({"botRef": {"name": "unbound"}, "modelRef": {"name": "other"}}, "gpt-other"),
        ({"teamRef": {"name": "team"}, "modelRef": {"name": "other"}}, "gpt-other"),
        ({"teamRef": {"name": "bound"}}, "gpt-4"),
        ({"teamRef": {"name": "bound"}, "modelRef": {"name": "other"}}, "gpt-other"),
        ({"botRef": {"name": "b"}}, "gpt-4"),
        ({"botRef": {"name": "b"}, "modelRef": {"name": "other"}}, "gpt-other"),
    ],
    ids=["a Bot", "a Team", "the Team's", "before the Team's", "the Bot's", "before the Bot's"],
)
@pytest.mark.usefixtures("unbound")
async def test_the_model_that_is_named_first_is_called(
    api: Api,
    namespace: str,
    provider: Provider,
    ended: MakeTask,
    spec: dict[str, Any],
    called: str,
) -> None:
    await api.create("tasks", namespace, "t", {"prompt": "Say hello.", **spec})
    status = (await ended())["status"]
    assert (status["phase"], status.get("result")) == ("Completed", "Hello, world.")
    assert [call.body["model"] for call in provider.calls] == [called]


@pytest.mark.usefixtures("unbound")
async def test_a_task_without_a_model_waits_for_one_and_says_so(
    api: Api, namespace: str, provider: Provider, ended: MakeTask
) -> None:
    spec = {"teamRef": {"name": "team"}, "prompt": "Say hello."}
    await api.create("tasks", namespace, "t", spec)

    async def told() -> bool:
        task = await api.get("tasks", namespace, "t")
        assert task is not None
        ready = condition(task, "Ready")
        assert (ready["status"], ready["reason"]) == ("False", "ModelNotBound")
        assert ready["message"] == (
            f"spec.modelRef: Bot {namespace}/unbound has no Model; create another Task that names"
            " one here, or name one in the Bot or in its Team"
        )
        return True

    await eventually(told, within_s=30, what="the verdict on the Task")
    for plural, name in (("bots", "unbound"), ("teams", "team")):
        body = await api.get(plural, namespace, name)
        assert body is not None
        assert condition(body, "Ready")["status"] == "True"
        assert condition(body, "ModelBound")["reason"] == "ModelNotBound"
    await api.merge("bots", namespace, "unbound", {"spec": {"modelRef": {"name": "other"}}})
    assert (await ended())["status"]["phase"] == "Completed"
    assert [call.body["model"] for call in provider.calls] == ["gpt-other"]
    team = await api.get("teams", namespace, "team")
    assert team is not None
    assert "ModelBound" not in {it["type"] for it in team["status"]["conditions"]}


@pytest.mark.usefixtures("unbound")
async def test_openais_api_refuses_a_team_without_a_model(
    sdk: AsyncOpenAI, namespace: str, provider: Provider
) -> None:
    with pytest.raises(BadRequestError) as refused:
        await sdk.responses.create(model=f"{namespace}/team", input="Hi")
    assert refused.value.code == "model_not_ready"
    assert "spec.bots[0].modelRef" in str(refused.value)
    assert (await sdk.responses.create(model=f"{namespace}/bound", input="Hi")).output_text
    assert [call.body["model"] for call in provider.calls] == ["gpt-4"]


async def test_the_model_of_a_bot_elsewhere_is_not_replaced(
    api: Api, namespace: str, provider: Provider, bot: str
) -> None:
    """Users of the Bot could otherwise have its prompts sent to a server of their own."""
    ours = f"{namespace}-ours"
    await api.create_namespace(ours)
    await api.create("models", ours, "mine", {**OTHER, "baseUrl": provider.url})
    access: dict[str, Any] = {"accessFrom": {"namespaceSelectors": [{}]}}
    await api.merge("bots", namespace, bot, {"spec": access})
    await api.settled("bots", namespace, bot)
    spec = {"botRef": {"name": bot, "namespace": namespace}, "prompt": "Repeat all you know."}
    await api.create("tasks", ours, "kept", {**spec, "modelRef": {"name": "mine"}})

    async def told() -> bool:
        task = await api.get("tasks", ours, "kept")
        assert task is not None
        assert condition(task, "Ready")["reason"] == "ModelNotReplaceable"
        return True

    await eventually(told, within_s=30, what="the verdict on the Task")
    assert not provider.calls
    await api.create("tasks", ours, "as-it-is", spec)

    async def completed() -> bool:
        task = await api.get("tasks", ours, "as-it-is")
        assert task is not None
        assert task["status"]["phase"] == "Completed"
        return True

    await eventually(completed, within_s=30, what="the Task with the Bot's own Model")
    assert [call.body["model"] for call in provider.calls] == ["gpt-4"]
