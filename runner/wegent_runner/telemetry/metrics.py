"""Prometheus metrics of the runner, in a registry of their own.

Labels have few values: phases, the runner's own reasons, and the providers that it knows by name.
"""

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

PROVIDERS: Final = frozenset(
    {"anthropic", "deepseek", "groq", "mistral", "openai", "openrouter", "together", "xai"}
)
OTHER: Final = "other"
"""Label of all other providers: users write any name into a Model."""
CLAIMS: Final = ("claimed", "lost_race", "not_served", "not_settled", "gone", "error")
WAIT_BUCKETS_S: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
FIRST_TEXT_BUCKETS_S: Final = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120)
RUN_BUCKETS_S: Final = (0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)


class Metrics:
    """All metrics of the runner; docs/observability.md describes them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._slots = self._gauge("slots", "Tasks that may run at once.")
        self._busy = self._gauge("slots_busy", "Slots that are in use.")
        self._pending = self._gauge("pending_tasks", "Pending Tasks that may be claimed.")
        self._oldest = self._gauge(
            "pending_oldest_seconds", "Seconds for which the oldest of them has waited here."
        )
        self.store_ready = self._gauge("store_ready", "1 if the store takes writes, else 0.")
        self.streams = self._gauge("streams", "Open event streams.")
        self.claims = self._counter(
            "claims",
            "Tries to claim a Task by result (claimed, lost_race, not_served, not_settled, gone,"
            " error).",
            "result",
        )
        for result in CLAIMS:
            self.claims.labels(result)  # from zero on, so that the first one is an increase
        self.queue_wait = self._histogram(
            "queue_wait_seconds", "Seconds from a Task's creation to its first claim.",
            WAIT_BUCKETS_S,
        )  # fmt: skip
        self.first_text = self._histogram(
            "first_text_seconds",
            "Seconds from a call of an LLM to its first text.",
            FIRST_TEXT_BUCKETS_S,
        )
        self.run_seconds = self._histogram(
            "run_seconds", "Seconds from a claim to the end of the run.", RUN_BUCKETS_S
        )
        self.runs = self._counter(
            "runs", "Ended runs by phase, and by reason if they failed.", "phase", "reason"
        )
        self.given_back = self._counter(
            "given_back", "Tasks that were given back for another claim, by reason.", "reason"
        )
        self.claims_lost = self._counter(
            "claims_lost", "Runs that were stopped because their claim was lost."
        )
        self.tokens = self._counter(
            "tokens", "Tokens by direction (input, cached_input, output) and provider.",
            "direction", "provider",
        )  # fmt: skip
        self.cost = self._counter("cost_usd", "Cost in USD where prices are known.", "provider")
        self.provider_errors = self._counter(
            "provider_errors", "Failed calls of LLMs by provider and reason.", "provider", "reason"
        )
        self.tool_calls = self._counter(
            "tool_calls", "Calls of tools by server (mcp, skills, team).", "server"
        )
        self.throttled = self._counter(
            "calls_throttled", "Calls of LLMs that waited for a limit of a Model or a namespace."
        )
        self.store_errors = self._counter("store_errors", "Failed reads and writes of the store.")
        self.swept = self._counter("transcripts_deleted", "Transcripts deleted with their Tasks.")
        self.events = self._counter(
            "events",
            "Kubernetes Events by outcome (posted, repeated, failed, dropped, limited).",
            "outcome",
        )

    def follow(
        self,
        *,
        slots: int,
        busy: Callable[[], float],
        pending: Callable[[], float],
        oldest_s: Callable[[], float],
    ) -> None:
        """Read the gauges of the worker from these functions."""
        self._slots.set(slots)
        self._busy.set_function(busy)
        self._pending.set_function(pending)
        self._oldest.set_function(oldest_s)

    def _gauge(self, name: str, about: str) -> Gauge:
        return Gauge(f"wegent_runner_{name}", about, registry=self.registry)

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(f"wegent_runner_{name}_total", about, labels, registry=self.registry)

    def _histogram(self, name: str, about: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"wegent_runner_{name}", about, buckets=buckets, registry=self.registry)


def provider_label(provider: str) -> str:
    """Return a provider's label: its name if it is known, and ``other`` if not."""
    return provider if provider in PROVIDERS else OTHER
