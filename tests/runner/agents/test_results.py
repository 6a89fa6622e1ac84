"""Tasks whose result has a schema, on a scripted provider that gets it wrong."""

import json
from typing import Any, Final

import pytest
from openai import AsyncOpenAI, BadRequestError
from pydantic import BaseModel

from tests.runner.agents.conftest import Items, MakeBot
from tests.runner.conftest import MakeTask
from tests.support.api import Api
from tests.support.provider import Call, Provider, Script, calling, texts
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("operator", "runner")

SCHEMA: Final[dict[str, Any]] = {
    "title": "Sum",
    "type": "object",
    "properties": {"reasons": {"type": "string"}, "amount": {"type": "integer"}},
    "required": ["reasons", "amount"],
    "additionalProperties": False,
}
GOOD: Final = '{"reasons":"2+2","amount":4}'
WRONG: Final = '{"reasons": "2+2", "amount": "four"}'


def in_turn(*answers: str) -> Any:
    """Return a script with these answers, the last of them for ever."""
    return lambda call: texts(answers[min(call.number, len(answers) - 1)])


async def test_a_wrong_answer_is_told_and_the_right_one_is_the_result(
    provider: Provider, make_task: MakeTask, ended: MakeTask, items: Items
) -> None:
    provider.script = in_turn("Four.", WRONG, f"```json\n{GOOD}\n```")
    await make_task(outputSchema=SCHEMA)
    status = (await ended())["status"]
    assert status["phase"] == "Completed", status
    assert status["result"] == GOOD
    assert status["usage"]["modelRequests"] == 3
    _, second, third = provider.calls
    assert "it is not JSON" in second.messages[-1][1]
    assert second.messages[-2] == ("assistant", "Four.")
    assert '- amount: "four" is not of type "integer"' in third.messages[-1][1]
    said = await items()
    assert said[-1]["content"][0]["text"] == GOOD


async def test_the_llm_is_told_the_schema_in_the_order_of_required(
    provider: Provider, make_task: MakeTask, ended: MakeTask
) -> None:
    provider.script = in_turn(GOOD)
    await make_task(outputSchema=SCHEMA)
    await ended()
    (call,) = provider.calls
    system = call.messages[0][1]
    assert system.startswith("You help.\n\nAnswer with JSON alone")
    assert [*json.loads(system[system.index("{") :])["properties"]] == ["reasons", "amount"]
    told = call.body["response_format"]
    assert told["type"] == "json_schema"
    assert told["json_schema"]["name"] == "Sum"
    assert [*told["json_schema"]["schema"]["properties"]] == ["reasons", "amount"]


async def test_an_llm_that_is_never_right_fails_the_task(
    provider: Provider, make_task: MakeTask, ended: MakeTask
) -> None:
    provider.script = in_turn(WRONG)
    await make_task(outputSchema=SCHEMA)
    status = (await ended())["status"]
    assert status["phase"] == "Failed"
    assert status["message"] == 'OutputInvalid: amount: "four" is not of type "integer"'
    assert "result" not in status
    assert len(provider.calls) == 3


async def test_each_try_counts_in_the_budget(
    provider: Provider, make_task: MakeTask, ended: MakeTask
) -> None:
    provider.script = in_turn(WRONG)
    await make_task(outputSchema=SCHEMA, budget={"modelRequests": 2})
    status = (await ended())["status"]
    assert status["message"].startswith("BudgetExceeded: ")
    assert len(provider.calls) == 2


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ('"' + "x" * 300_000 + '"', "at most 65536 are allowed"),
        ('"' + "x" * 1_100_000 + '"', "longer than a run may be"),
        ("[" * 5000, "it has more than 64 levels"),
        ('{"reasons":"' + "x" * 60_000 + '","amount":1e999}', "is too large"),
    ],
)
async def test_answers_that_are_too_large(
    provider: Provider, make_task: MakeTask, ended: MakeTask, answer: str, said: str
) -> None:
    provider.script = lambda _: Script([answer])
    await make_task(outputSchema=SCHEMA)
    status = (await ended())["status"]
    assert status["phase"] == "Failed"
    assert said in status["message"], status


async def test_a_server_that_refuses_the_form_is_asked_without_it(
    provider: Provider, make_task: MakeTask, ended: MakeTask
) -> None:
    def script(call: Call) -> Script:
        if "response_format" in call.body:
            return Script(status=400, body={"error": {"message": "unknown: response_format"}})
        return texts(GOOD)

    provider.script = script
    await make_task(outputSchema=SCHEMA)
    status = (await ended())["status"]
    assert status.get("result") == GOOD, status
    assert len(provider.calls) == 2


async def test_a_schema_that_is_not_allowed_never_runs(
    provider: Provider, make_task: MakeTask, api: Api, namespace: str
) -> None:
    await make_task(outputSchema={"type": "objct"})

    async def told() -> bool:
        task = await api.get("tasks", namespace, "t")
        assert task is not None
        conditions = {it["type"]: it for it in task["status"]["conditions"]}
        assert conditions["Ready"]["reason"] == "OutputSchemaInvalid", conditions
        assert conditions["Stalled"]["status"] == "True"
        assert 'spec.outputSchema.type: "objct"' in conditions["Ready"]["message"]
        return True

    await eventually(told, within_s=30, what="the verdict")
    assert not provider.calls


class Sum(BaseModel):
    """The class that a client parses a result into."""

    reasons: str
    amount: int


async def test_openais_sdk_parses_answers(
    provider: Provider, sdk: AsyncOpenAI, model: str, api: Api, namespace: str
) -> None:
    provider.script = in_turn(WRONG, GOOD)
    chat = await sdk.chat.completions.parse(
        model=model, messages=[{"role": "user", "content": "2+2?"}], response_format=Sum
    )
    assert chat.choices[0].message.parsed == Sum(reasons="2+2", amount=4)
    response = await sdk.responses.parse(model=model, input="2+2?", text_format=Sum)
    assert response.output_parsed == Sum(reasons="2+2", amount=4)
    assert response.text is not None
    assert response.text.format is not None
    assert response.text.format.type == "json_schema"
    for task in await api.list("tasks", namespace):
        assert task["spec"]["outputSchema"]["required"] == ["reasons", "amount"]


async def test_openais_json_object(provider: Provider, sdk: AsyncOpenAI, model: str) -> None:
    provider.script = in_turn("[]", '{"any": true}')
    chat = await sdk.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "Any JSON."}],
        response_format={"type": "json_object"},
    )
    assert chat.choices[0].message.content == '{"any":true}'


async def test_openais_schema_that_is_not_allowed(
    provider: Provider, sdk: AsyncOpenAI, model: str, api: Api, namespace: str
) -> None:
    with pytest.raises(BadRequestError) as refused:
        await sdk.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": "2+2?"}],
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "x", "schema": {"$ref": "https://example.com/x"}},
            },
        )
    assert refused.value.param == "response_format.json_schema.schema.$ref"
    assert not provider.calls
    assert not await api.list("tasks", namespace)


async def test_calls_of_tools_count_in_the_budget(
    provider: Provider,
    api: Api,
    namespace: str,
    make_bot: MakeBot,
    make_task: MakeTask,
    ended: MakeTask,
) -> None:
    skill = {"description": "Adds.", "content": "Add them."}
    await api.create("skills", namespace, "adding", skill)
    await api.settled("skills", namespace, "adding")
    adder = await make_bot("adder", skillRefs=[{"name": "adding"}])
    provider.script = lambda _: calling(("load_skill", {"name": "adding"}))
    await make_task(botRef={"name": adder}, budget={"toolCalls": 3})
    status = (await ended())["status"]
    assert status["phase"] == "Failed", status
    assert "as 3 of 3 are used (spec.budget.toolCalls)" in status["message"]
    assert status["usage"]["toolCalls"] == 3
