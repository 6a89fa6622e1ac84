"""The schema of an answer, as each API of a provider is told it."""

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any, cast

import pytest

from tests.support.provider import Provider, Script
from wegent_kube import KubeClient
from wegent_runner.engine.egress import EgressPolicy
from wegent_runner.engine.failures import CallFailed
from wegent_runner.engine.keys import Keys
from wegent_runner.engine.model_stream import ModelCaller, ModelInput, OutputForm, Turn
from wegent_runner.engine.tools import ToolSpec
from wegent_runner.plan.plan import ApiFormat, ModelPlan

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"reasons": {"type": "string"}, "amount": {"type": "integer"}},
    "required": ["reasons", "amount"],
    "additionalProperties": False,
}
TOOL = ToolSpec("add", "Adds.", {"type": "object"}, "calc")


def told(body: Mapping[str, Any], *path: str) -> Any:
    """Return the value at a path of a request's body; None if there is none."""
    value: Any = body
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


@pytest.mark.parametrize("tools", [(), (TOOL,)])
@pytest.mark.parametrize(
    ("api_format", "model", "path"),
    [
        ("chat", "gpt-4", ("response_format", "json_schema", "schema")),
        ("chat", "llama-3.2", ("response_format", "json_schema", "schema")),
        ("responses", "gpt-4", ("text", "format", "schema")),
        ("messages", "claude-sonnet-5", ("output_config", "format", "schema")),
        ("messages", "claude-3-haiku", None),
    ],
)
async def test_each_api_is_told_the_schema_in_its_own_way(
    provider: Provider,
    api_format: ApiFormat,
    model: str,
    path: tuple[str, ...] | None,
    tools: tuple[ToolSpec, ...],
) -> None:
    provider.script = lambda _: Script(raw=b"")
    keys = Keys(cast("KubeClient", None))  # the Model names no key
    async with ModelCaller(keys, EgressPolicy([ip_network("127.0.0.0/8")])) as caller:
        plan = ModelPlan("n/m", "any", model, api_format, base_url=provider.url)
        asked = ModelInput("", [Turn("user", "2+2?")], tools, form=OutputForm("Sum", SCHEMA))
        with pytest.raises(CallFailed):
            [piece async for piece in caller.stream(plan, asked, "id")]
    (call,) = provider.calls
    assert bool(call.body.get("tools")) is bool(tools)
    if path is None:
        assert "amount" not in str({**call.body, "tools": None})
        return
    schema = told(call.body, *path)
    assert schema is not None, call.body
    assert [*schema["properties"]] == ["reasons", "amount"]
