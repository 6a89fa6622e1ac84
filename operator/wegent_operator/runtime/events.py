"""The operator's Events: changes of ``Ready``, and its actions on objects."""

from datetime import datetime
from typing import Final

from wegent_crds.registry import API_VERSION, BY_PLURAL
from wegent_kube import KubeClient
from wegent_kube.event_recorder import EventRecorder
from wegent_kube.event_series import Story, Subject
from wegent_operator.runtime.metrics import Metrics
from wegent_operator.state.objects import ObjectState
from wegent_operator.state.verdict import Outcome

COMPONENT: Final = "wegent-operator"


class Recorder(EventRecorder):
    """Posts Events for changes of ``Ready``, and for the operator's actions on objects."""

    def __init__(self, client: KubeClient, metrics: Metrics, instance: str) -> None:
        super().__init__(
            client, COMPONENT, instance, lambda outcome: metrics.events.labels(outcome).inc()
        )

    def transition(self, state: ObjectState, outcome: Outcome, now: datetime) -> None:
        """Record that an object's ``Ready`` became ``outcome``. Never blocks and never raises."""
        story = Story(
            action="Reconcile",
            reason=str(outcome.reason),
            note=outcome.message or f"{BY_PLURAL[state.key.plural].kind} is ready",
            normal=outcome.status,
        )
        self.tell(state, story, now)

    def tell(self, state: ObjectState, story: Story, now: datetime) -> None:
        """Record an action on an object. Never blocks and never raises."""
        self.record(subject_of(state), story, now)


def subject_of(state: ObjectState) -> Subject:
    """Return the reference to an object for its Events."""
    key = state.key
    return Subject(
        API_VERSION,
        BY_PLURAL[key.plural].kind,
        key.namespace,
        key.name,
        state.uid,
        str(state.version),
    )
