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
    """Counts the usage of a claimed Task, and tells the claim of it."""

    def __init__(self, claim: Claim) -> None:
        self._claim = claim
        self.usage = usage_of(claim.usage)
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
        self._claim.usage = status_usage(self.usage)

    def drop_request(self) -> None:
        """Take back a counted request that was not sent after all."""
        self.usage.model_requests -= 1
        self._claim.usage = status_usage(self.usage)

    def end_request(self, used: Usage) -> None:
        """Add the usage of a request.

        Raises:
            BudgetExceeded: the request has exceeded the budget.
        """
        self.usage.add(used)
        self._claim.usage = status_usage(self.usage)
        for field, total, limit in self._limits():
            if total > limit:
                raise BudgetExceeded(
                    f"BudgetExceeded: {total} are used, and {limit} are allowed"
                    f" (spec.budget.{field})"
                )

    def _limits(self) -> list[tuple[str, Decimal, Decimal]]:
        """Return each limit of the budget: its field, the used amount, and the limit."""
        budget = self._claim.task["spec"].get("budget") or {}
        usage = self.usage
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


def status_usage(usage: Usage) -> Mapping[str, Any]:
    """Return a usage as ``status.usage``."""
    status: dict[str, Any] = {
        "inputTokens": usage.input_tokens,
        "outputTokens": usage.output_tokens,
        "cachedInputTokens": usage.cached_input_tokens,
        "modelRequests": usage.model_requests,
    }
    if usage.cost_usd is not None:
        status["costUSD"] = f"{usage.cost_usd:.6f}"
    return status
