"""The usage of a Task over its attempts, and the limits of its budget: a table."""

from contextlib import nullcontext
from decimal import Decimal
from typing import Any, cast

import pytest

from wegent_kube import KubeClient
from wegent_runner.claims.claim import Claim
from wegent_runner.engine.meter import BudgetExceeded, Meter
from wegent_runner.engine.model_stream import Usage

BEFORE = {
    "inputTokens": 60,
    "outputTokens": 40,
    "cachedInputTokens": 10,
    "modelRequests": 3,
    "toolCalls": 5,
    "costUSD": "0.300000",
}
"""Usage of earlier attempts: 100 tokens."""


def meter_of(budget: dict[str, Any]) -> tuple[Meter, Claim]:
    return meter_with({"usage": BEFORE, "attempts": 1}, budget)


def meter_with(status: dict[str, Any], budget: dict[str, Any]) -> tuple[Meter, Claim]:
    task = {"spec": {"budget": budget}, "status": status}
    claim = Claim(cast("KubeClient", None), task, 0.0, lambda: 0.0)  # it makes no request
    return Meter(claim), claim


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ({}, None),
        ({"totalTokens": 101, "costUSD": "0.300001", "modelRequests": 4, "toolCalls": 5}, None),
        ({"totalTokens": 100}, "no request is left, as 100 of 100 are used"),
        ({"costUSD": "0.3"}, "no request is left, as 0.300000 of 0.3 are used"),
        ({"modelRequests": 3}, r"\(spec.budget.modelRequests\)"),
    ],
)
def test_before_a_request(budget: dict[str, Any], said: str | None) -> None:
    meter, claim = meter_of(budget)
    with nullcontext() if said is None else pytest.raises(BudgetExceeded, match=said):
        meter.begin_request()
    assert claim.usage["modelRequests"] == (4 if said is None else 3)


def test_a_killed_attempt_counts_as_a_request() -> None:
    """Its runner may have died before it wrote the usage."""
    meter, _ = meter_with({"attempts": 5, "releases": 2}, {"modelRequests": 3})
    assert meter.usage.model_requests == 2
    meter.begin_request()
    with pytest.raises(BudgetExceeded):
        meter.begin_request()


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ({}, None),
        ({"totalTokens": 110, "costUSD": "0.4", "modelRequests": 4}, None),
        ({"totalTokens": 109}, "110 are used, and 109 are allowed"),
        ({"costUSD": "0.399999"}, r"0.400000 are used, .* \(spec.budget.costUSD\)"),
    ],
)
def test_after_a_request(budget: dict[str, Any], said: str | None) -> None:
    meter, claim = meter_of(budget)
    meter.begin_request()
    used = Usage(input_tokens=6, output_tokens=4, cost_usd=Decimal("0.1"))
    with nullcontext() if said is None else pytest.raises(BudgetExceeded, match=said):
        meter.end_request(used)
    assert claim.usage == {
        "inputTokens": 66,
        "outputTokens": 44,
        "cachedInputTokens": 10,
        "modelRequests": 4,
        "toolCalls": 5,
        "costUSD": "0.400000",
    }, "also if it exceeds the budget"


def test_a_call_without_a_known_price_costs_nothing() -> None:
    meter, claim = meter_of({"costUSD": "0.31"})
    meter.begin_request()
    meter.end_request(Usage(input_tokens=1_000_000))
    assert claim.usage["costUSD"] == "0.300000"


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ({}, None),
        ({"modelRequests": 3, "toolCalls": 6}, None),
        ({"toolCalls": 5}, r"as 5 of 5 are used \(spec.budget.toolCalls\)"),
    ],
)
def test_before_a_call_of_a_tool(budget: dict[str, Any], said: str | None) -> None:
    meter, claim = meter_of(budget)
    with nullcontext() if said is None else pytest.raises(BudgetExceeded, match=said):
        meter.begin_tool_call()
    assert claim.usage["toolCalls"] == (6 if said is None else 5)
    meter.drop_request()
    assert claim.usage["toolCalls"] == meter.tool_calls


def test_stored_calls_of_a_killed_attempt_count() -> None:
    meter, claim = meter_of({"toolCalls": 9})
    meter.resume_tool_calls(4)
    assert claim.usage["toolCalls"] == 5
    meter.resume_tool_calls(9)
    with pytest.raises(BudgetExceeded):
        meter.begin_tool_call()


def test_a_change_of_the_budget_holds_for_the_next_call() -> None:
    meter, claim = meter_of({"toolCalls": 5})
    claim.task = {**claim.task, "spec": {"budget": {"toolCalls": 6}}}
    meter.begin_tool_call()
    with pytest.raises(BudgetExceeded, match="6 of 6"):
        meter.begin_tool_call()
