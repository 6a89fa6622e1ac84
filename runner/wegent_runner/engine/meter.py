"""The usage of a Task over all its attempts, and its budget.

The budget is read from the Task as the claim knows it, so that a change of ``spec.budget`` holds
for the requests after it.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from wegent_runner.claims.claim import Claim
from wegent_runner.engine.model_stream import Usage


class BudgetExceeded(Exception):  # noqa: N818 - names the event
    """A limit of ``spec.budget`` is reached. The message begins with the name of this class."""


class Meter:
    """Counts the usage of a claimed Task, and tells the claim of it.

    Attributes:
        usage: Tokens, cost and requests.
        tool_calls: Number of calls of tools.
    """

    def __init__(self, claim: Claim) -> None:
        self._claim = claim
        self.usage = usage_of(claim.usage)
        self.tool_calls: int = claim.usage.get("toolCalls", 0)
        # An attempt whose runner was killed has made a request that may not have been written.
        status = claim.task["status"]
        killed = status.get("attempts", 1) - status.get("releases", 0) - 1
        self.usage.model_requests = max(self.usage.model_requests, killed)

    def begin_request(self) -> None:
        """Count a request to a Model that is about to be made.

        Raises:
            BudgetExceeded: the budget has no room for a request.
        """
        for field, used, limit in self._limits():
            if used >= limit:
                raise BudgetExceeded(
                    f"BudgetExceeded: no request is left, as {used} of {limit} are used"
                    f" (spec.budget.{field})"
                )
        self.usage.model_requests += 1
        self._tell()

    def drop_request(self) -> None:
        """Take back a counted request that was not sent after all."""
        self.usage.model_requests -= 1
        self._tell()

    def end_request(self, used: Usage) -> None:
        """Add the usage of a request.

        Raises:
            BudgetExceeded: the request has exceeded the budget.
        """
        self.usage.add(used)
        self._tell()
        for field, total, limit in self._limits():
            if total > limit:
                raise BudgetExceeded(
                    f"BudgetExceeded: {total} are used, and {limit} are allowed"
                    f" (spec.budget.{field})"
                )

    def begin_tool_call(self) -> None:
        """Count a call of a tool that is about to be made.

        Raises:
            BudgetExceeded: the budget has no room for a call.
        """
        limit = self._budget.get("toolCalls")
        if limit is not None and self.tool_calls >= limit:
            raise BudgetExceeded(
                f"BudgetExceeded: no call of a tool is left, as {self.tool_calls} of {limit} are"
                " used (spec.budget.toolCalls)"
            )
        self.tool_calls += 1
        self._tell()

    def resume_tool_calls(self, stored: int) -> None:
        """Take over the calls that are stored, of which a killed attempt may not have written all.

        Args:
            stored: Number of calls in the transcript that were begun by earlier attempts.
        """
        self.tool_calls = max(self.tool_calls, stored)
        self._tell()

    @property
    def _budget(self) -> Mapping[str, Any]:
        return self._claim.task["spec"].get("budget") or {}

    def _tell(self) -> None:
        self._claim.usage = status_usage(self.usage, self.tool_calls)

    def _limits(self) -> list[tuple[str, Decimal, Decimal]]:
        """Return each limit of requests: its field, the used amount, and the limit."""
        budget, usage = self._budget, self.usage
        used = {
            "totalTokens": Decimal(usage.input_tokens + usage.output_tokens),
            "costUSD": usage.cost_usd or Decimal(0),
            "modelRequests": Decimal(usage.model_requests),
        }
        return [
            (field, amount, Decimal(budget[field]))
            for field, amount in used.items()
            if field in budget
        ]


def usage_of(status: Mapping[str, Any]) -> Usage:
    """Return the usage in ``status.usage``."""
    cost = status.get("costUSD")
    return Usage(
        input_tokens=status.get("inputTokens", 0),
        output_tokens=status.get("outputTokens", 0),
        cached_input_tokens=status.get("cachedInputTokens", 0),
        model_requests=status.get("modelRequests", 0),
        cost_usd=None if cost is None else Decimal(cost),
    )


def status_usage(usage: Usage, tool_calls: int = 0) -> Mapping[str, Any]:
    """Return a usage as ``status.usage``."""
    status: dict[str, Any] = {
        "inputTokens": usage.input_tokens,
        "outputTokens": usage.output_tokens,
        "cachedInputTokens": usage.cached_input_tokens,
        "modelRequests": usage.model_requests,
        "toolCalls": tool_calls,
    }
    if usage.cost_usd is not None:
        status["costUSD"] = f"{usage.cost_usd:.6f}"
    return status
