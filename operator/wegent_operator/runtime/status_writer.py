"""Writes statuses, each with one guarded patch, and counts the outcomes."""

from dataclasses import replace
from typing import Any

from wegent_crds.references import ObjectKey
from wegent_crds.registry import BY_PLURAL
from wegent_kube import ApiError, KubeClient
from wegent_kube.content_types import JSON, MERGE_PATCH, METADATA_OBJECT
from wegent_kube.resources import resource_of
from wegent_operator.names import FIELD_MANAGER
from wegent_operator.runtime.guarded import Guarded, Missed
from wegent_operator.runtime.metrics import Metrics
from wegent_operator.runtime.queue import KeyedQueue
from wegent_operator.state.cache import Cache
from wegent_operator.state.conditions import status_patch
from wegent_operator.state.objects import ObjectState
from wegent_operator.state.refusals import Blocked, WriteStep, is_refusal


class StatusWriter:
    """Sends patches that apply only to the given version of an object."""

    def __init__(
        self, client: KubeClient, cache: Cache, queue: KeyedQueue[ObjectKey], metrics: Metrics
    ) -> None:
        self._guarded = Guarded(client)
        self._cache = cache
        self._queue = queue
        self._metrics = metrics

    async def put(self, state: ObjectState, desired: ObjectState) -> bool:
        """Write the status of ``desired`` if it differs, and cache it; return whether it did.

        Raises:
            KubeError: a request failed; try again.
        """
        if desired == state:
            return False
        answer = await self.write(state, status_patch(desired), accept=METADATA_OBJECT)
        if answer is None:
            return False
        self._cache.put(replace(desired, version=int(answer["metadata"]["resourceVersion"])))
        return True

    async def write(self, state: ObjectState, patch: dict[str, Any], *, accept: str = JSON) -> Any:
        """Send a merge patch; return the answer, or None if the object has changed or is gone.

        The event of a change adds the object to the queue again.

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
            raise Blocked.at(WriteStep.STATUS, error) from error
        if answer is Missed.CHANGED:
            # Another client wrote meanwhile. The event of that write enqueues the object again.
            outcomes.labels(kind.kind, "conflict").inc()
            return None
        if answer is Missed.GONE:
            outcomes.labels(kind.kind, "gone").inc()
            if self._cache.remove(state.key, state.uid):
                self._queue.add(state.key)
            return None
        outcomes.labels(kind.kind, "written").inc()
        return answer
