"""Tells of each run: in metrics, and in Events on its Task, which ``kubectl describe`` shows."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from wegent_crds.phases import Phase
from wegent_crds.registry import API_VERSION, TASK
from wegent_kube.event_recorder import EventRecorder
from wegent_kube.event_series import Story, Subject
from wegent_runner.telemetry.metrics import Metrics, provider_label

COMPONENT: Final = "wegent-runner"

Body = Mapping[str, Any]


class Observer:
    """Counts what happens to Tasks, and records it on them.

    Args:
        metrics: the metrics of the program.
        recorder: posts the Events.
        clock: the current time; a wall clock, because a Task's creation is told in that.
    """

    def __init__(
        self,
        metrics: Metrics,
        recorder: EventRecorder,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.metrics = metrics
        self._recorder = recorder
        self._clock = clock

    def claimed(self, task: Body) -> None:
        """Record that a Task is claimed."""
        status = task["status"]
        if status["attempts"] == 1:
            created = datetime.fromisoformat(task["metadata"]["creationTimestamp"])
            waited_s = (self._clock() - created).total_seconds()
            self.metrics.queue_wait.observe(max(0.0, waited_s))
        note = f"attempt {status['attempts']} runs on {status['claim']['holder']}"
        self._tell(task, "Started", note)

    def retrying(self, task: Body, failure: str) -> None:
        """Record that a call of a Model is made again. Equal failures are one counted Event."""
        self._tell(task, "Retrying", f"{failure}; trying again", normal=False)

    def throttled(self, task: Body, told: str) -> None:
        """Record that a call of a Model waits for a limit. Equal waits are one counted Event."""
        self.metrics.throttled.inc()
        self._tell(task, "Throttled", told)

    def fell_back(self, task: Body, failure: str, model: str) -> None:
        """Record that the next Model is called."""
        self._tell(task, "FellBack", f"{failure}; calling Model {model}", normal=False)

    def shortened(self, task: Body, notice: str) -> None:
        """Record that a part of the conversation was left out."""
        self._tell(task, "HistoryShortened", notice)

    def call_failed(self, provider: str, reason: str) -> None:
        """Count a failed call of a Model."""
        self.metrics.provider_errors.labels(provider_label(provider), reason).inc()

    def call_ended(
        self, provider: str, *, input_: int, cached: int, output: int, cost: Decimal | None
    ) -> None:
        """Count the tokens and the cost of a call."""
        label = provider_label(provider)
        self.metrics.tokens.labels("input", label).inc(input_)
        self.metrics.tokens.labels("cached_input", label).inc(cached)
        self.metrics.tokens.labels("output", label).inc(output)
        if cost is not None:
            self.metrics.cost.labels(label).inc(float(cost))

    def ended(self, task: Body, phase: Phase, reason: str, message: str, took_s: float) -> None:
        """Record the end of a run, or that it waits for answers."""
        self.metrics.runs.labels(phase.value, reason).inc()
        self.metrics.run_seconds.observe(took_s)
        note = message or f"attempt {task['status']['attempts']} took {took_s:.1f} s"
        event = "WaitingForAnswer" if phase is Phase.WAITING else phase.value
        self._tell(task, event, note, normal=phase is not Phase.FAILED)

    def given_back(self, task: Body, reason: str, message: str) -> None:
        """Record that a Task is given back for another claim."""
        self.metrics.given_back.labels(reason).inc()
        self._tell(task, "GivenBack", message, normal=reason == "Draining")

    def _tell(self, task: Body, reason: str, note: str, *, normal: bool = True) -> None:
        metadata = task["metadata"]
        subject = Subject(
            API_VERSION,
            TASK.kind,
            metadata["namespace"],
            metadata["name"],
            metadata["uid"],
            metadata["resourceVersion"],
        )
        self._recorder.record(subject, Story("Run", reason, note, normal), self._clock())


def stopwatch() -> Callable[[], float]:
    """Return a function that returns the seconds since this call, by the monotonic clock."""
    began = time.monotonic()
    return lambda: time.monotonic() - began
