"""Writes statuses: one guarded patch each, counted by its outcome."""

from typing import Any, Final

from wegent_crds.references import ObjectKey
from wegent_crds.registry import BY_PLURAL
from wegent_kube import ApiError, KubeClient
from wegent_kube.client import MERGE_PATCH
from wegent_kube.resources import resource_of
from wegent_operator.runtime.guarded import Guarded, Missed
from wegent_operator.runtime.metrics import Metrics
from wegent_operator.runtime.queue import KeyedQueue
from wegent_operator.runtime.refusals import Hindered, Step, is_refusal
from wegent_operator.state.cache import Cache
from wegent_operator.state.objects import ObjectState

FIELD_MANAGER: Final = "wegent-operator"


class StatusWriter:
    """Sends patches that are valid for one version of an object, and for no other."""

    def __init__(
        self, client: KubeClient, cache: Cache, queue: KeyedQueue[ObjectKey], metrics: Metrics
    ) -> None:
        self._guarded = Guarded(client)
        self._cache = cache
        self._queue = queue
        self._metrics = metrics

    async def write(
        self, state: ObjectState, patch: dict[str, Any], *, accept: str = "application/json"
    ) -> Any:
        """Send a merge patch and return the answer, None where the object has changed or is gone.

        The event of a change brings the object back into the queue.

        Raises:
            KubeError: a request failed; try again.
        """
        kind = BY_PLURAL[state.key.plural]
        outcomes = self._metrics.writes
        try:
            answer = await self._guarded.send(
                "PATCH",
                resource_of(kind).path(state.key.namespace, state.key.name),
                patch,
                uid=state.uid,
                version=str(state.version),
                subresource="status",
                params={"fieldManager": FIELD_MANAGER},
                content_type=MERGE_PATCH,
                accept=accept,
            )
        except ApiError as error:
            outcomes.labels(kind.kind, "failed").inc()
            if not is_refusal(error):
                raise
            raise Hindered.at(Step.STATUS, error) from error
        if answer is Missed.CHANGED:
            # Somebody wrote meanwhile: that write's event is on its way and brings us back.
            outcomes.labels(kind.kind, "conflict").inc()
            return None
        if answer is Missed.GONE:
            outcomes.labels(kind.kind, "gone").inc()
            if self._cache.remove(state.key, state.uid):
                self._queue.add(state.key)
            return None
        outcomes.labels(kind.kind, "written").inc()
        return answer
