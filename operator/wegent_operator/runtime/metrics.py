"""Prometheus metrics of the operator, in a registry of their own."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from wegent_crds.registry import KINDS


class Metrics:
    """All metrics of the operator; docs/operator.md describes them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.writes = Counter(
            "wegent_operator_writes_total",
            "Status writes by kind and outcome (written, conflict, gone, failed).",
            ["kind", "outcome"],
            registry=self.registry,
        )
        self.transitions = Counter(
            "wegent_operator_transitions_total",
            "Transitions of Ready by kind and reason.",
            ["kind", "reason"],
            registry=self.registry,
        )
        self.task_phases = Counter(
            "wegent_operator_task_phases_total",
            "Changes of Tasks' phases, written by the operator or others.",
            ["before", "after"],
            registry=self.registry,
        )
        self.task_steps = Counter(
            "wegent_operator_task_steps_total",
            "Steps of the operator on Tasks, by cause.",
            ["cause"],
            registry=self.registry,
        )
        self.refusals = Counter(
            "wegent_operator_refusals_total",
            "Writes to users' objects and Tombstones that the API server refused, by kind and"
            " step.",
            ["kind", "step"],
            registry=self.registry,
        )
        self.blocked = Gauge(
            "wegent_operator_blocked_objects",
            "Objects with an Event or a condition about an obstacle to the operator's work.",
            registry=self.registry,
        )
        self.reconciles = Counter(
            "wegent_operator_reconciles_total",
            "Reconciled keys, with or without a status write.",
            registry=self.registry,
        )
        self.events = Counter(
            "wegent_operator_events_total",
            "Kubernetes Events by outcome (posted, repeated, failed, dropped, limited).",
            ["outcome"],
            registry=self.registry,
        )
        self.provisions = Counter(
            "wegent_operator_provisions_total",
            "Writes of Accounts' objects, by resource and action (apply, delete).",
            ["resource", "action"],
            registry=self.registry,
        )
        self.tombstones = Counter(
            "wegent_operator_tombstones_total",
            "Tombstones by outcome (stored, restored, expired).",
            ["outcome"],
            registry=self.registry,
        )
        self.resyncs = Counter(
            "wegent_operator_resyncs_total", "Resyncs by kind.", ["kind"], registry=self.registry
        )
        self.corrected = Counter(
            "wegent_operator_resync_corrections_total",
            "Objects that a resync found to differ from the cache.",
            ["kind"],
            registry=self.registry,
        )
        for kind in KINDS:
            self.corrected.labels(kind.kind)  # from zero on, so that the first one is an increase
        self.watch_starts = Counter(
            "wegent_operator_watch_starts_total",
            "Watch requests answered, by resource.",
            ["resource"],
            registry=self.registry,
        )
        self.watch_failures = Counter(
            "wegent_operator_watch_failures_total",
            "Lists and watches that failed, by resource and status code, or unreachable.",
            ["resource", "code"],
            registry=self.registry,
        )
        self.watch_refused = Gauge(
            "wegent_operator_watch_refused",
            "1 while the watch of a resource is refused and retried, else 0.",
            ["resource"],
            registry=self.registry,
        )
        self.leading = Gauge(
            "wegent_operator_leading",
            "1 while this operator leads, 0 while another does.",
            registry=self.registry,
        )
        self.objects = Gauge(
            "wegent_operator_objects",
            "Objects by kind and by the reason of the condition Ready.",
            ["kind", "reason"],
            registry=self.registry,
        )
        self.queue_depth = Gauge(
            "wegent_operator_queue_depth", "Keys waiting.", registry=self.registry
        )
        self.queue_oldest = Gauge(
            "wegent_operator_queue_oldest_seconds",
            "Seconds since the oldest waiting key was added.",
            registry=self.registry,
        )
        self.pending = Gauge(
            "wegent_operator_pending_seconds",
            "Seconds since the oldest change without a verdict, retries included.",
            registry=self.registry,
        )
        self.verdict_seconds = Histogram(
            "wegent_operator_verdict_seconds",
            "Seconds from the event of a change to the write of its verdict.",
            registry=self.registry,
        )

    def count_objects(self, counts_by_reason: Mapping[tuple[str, str], int]) -> None:
        """Set the number of objects by kind and reason; missing entries count as 0."""
        self.objects.clear()
        for (kind, reason), count in counts_by_reason.items():
            self.objects.labels(kind, reason).set(count)
