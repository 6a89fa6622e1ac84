"""Writes to an object that the trash makes: its finalizer, the mark that stops edits, its end."""

import logging
from typing import Any

from wegent_crds.references import ObjectKey
from wegent_crds.registry import BY_PLURAL
from wegent_crds.well_known import TRASH_FINALIZER
from wegent_kube import ApiError, KubeClient, KubeError, get_or_none
from wegent_kube.content_types import MERGE_PATCH, METADATA_OBJECT
from wegent_kube.resources import resource_of
from wegent_operator.names import FIELD_MANAGER
from wegent_operator.runtime.guarded import Guarded, Missed
from wegent_operator.state.cache import Cache
from wegent_operator.state.objects import ObjectState, state_of
from wegent_operator.state.refusals import Blocked, WriteStep
from wegent_operator.trash.tombstones import (
    add_finalizer_patch,
    freeze_patch,
    remove_finalizer_patch,
    tombstone_name,
)

logger = logging.getLogger(__name__)


class ObjectWriter:
    """Writes to objects, each guarded by the object's uid, and by its version where that matters.

    The methods return `Missed` if the object is gone or has changed. The event of that change
    will arrive.
    """

    def __init__(self, client: KubeClient, cache: Cache) -> None:
        self._client = client
        self._guarded = Guarded(client)
        self._cache = cache

    async def add_finalizer(self, state: ObjectState) -> None:
        """Add the trash's finalizer.

        Raises:
            Blocked: the API server refused it.
            KubeError: the API server gave no answer; try again.
        """
        patch = add_finalizer_patch(state.version, state.finalizers)
        await self._patch(state, patch, state.version, WriteStep.ADD_FINALIZER)

    async def remove_finalizer(self, state: ObjectState, step: WriteStep) -> Any:
        """Remove the trash's finalizer; return the object's metadata, or `Missed`.

        Raises:
            Blocked: the API server refused it.
            KubeError: the API server gave no answer; try again.
        """
        patch = remove_finalizer_patch(state.version, state.finalizers)
        return await self._patch(state, patch, state.version, step)

    async def try_removal(self, state: ObjectState) -> None:
        """Remove all finalizers in a dry run.

        Raises:
            Blocked: the API server would refuse it.
            KubeError: the API server gave no answer; try again.
        """
        # The patch names no version, so that edits meanwhile don't change the answer.
        patch = {"metadata": {"uid": state.uid, "finalizers": None}}
        await self._patch(state, patch, None, WriteStep.REMOVE_FINALIZER, dry_run=True)

    async def delete(self, state: ObjectState, version: str, step: WriteStep) -> Any:
        """Delete this version of an object; return the answer, or `Missed`.

        Raises:
            Blocked: the API server refused it.
            KubeError: the API server gave no answer; try again.
        """
        preconditions = {"uid": state.uid, "resourceVersion": version}
        body = {"preconditions": preconditions}
        try:
            return await self._guarded.send(
                "DELETE", _path(state.key), body, uid=state.uid, version=version
            )
        except ApiError as error:
            raise Blocked.at(step, error) from error

    async def freeze(self, state: ObjectState) -> dict[str, Any] | None:
        """Mark an object so that others can't edit it.

        Returns:
            The object; None if it is gone, or isn't ready to be deleted.

        Raises:
            KubeError: the API server refused the mark, or gave no answer.
        """
        answer = await self._mark(state, tombstone_name(BY_PLURAL[state.key.plural], state.uid))
        return None if isinstance(answer, Missed) else _if_deleted(state, answer)

    async def thaw(self, state: ObjectState) -> None:
        """Remove the mark, so that others can edit an object that stays for now."""
        try:
            await self._mark(state, None)
        except KubeError as error:
            logger.warning(
                "%s: annotation not removed, so changes stay forbidden until the deletion: %s",
                state.key,
                error,
            )

    async def get_deleted(self, state: ObjectState) -> dict[str, Any] | None:
        """Return an object that is ready to be deleted; None if it is gone or isn't ready.

        Raises:
            Blocked: the API server refused the read.
            KubeError: the API server gave no answer; try again.
        """
        try:
            body = await get_or_none(self._client.request("GET", _path(state.key)))
        except ApiError as error:
            raise Blocked.at(WriteStep.STORE, error) from error
        return None if body is None else _if_deleted(state, body)

    async def _mark(self, state: ObjectState, tombstone: str | None) -> Any:
        answer = await self._guarded.send(
            "PATCH",
            _path(state.key),
            freeze_patch(state.uid, tombstone),
            uid=state.uid,
            content_type=MERGE_PATCH,
            params={"fieldManager": FIELD_MANAGER},
        )
        if not isinstance(answer, Missed):
            # Cache the result now; the event of the operator's own write adds nothing.
            self._cache.put(state_of(BY_PLURAL[state.key.plural], answer))
        return answer

    async def _patch(
        self,
        state: ObjectState,
        patch: dict[str, Any],
        version: int | str | None,
        step: WriteStep,
        *,
        dry_run: bool = False,
    ) -> Any:
        """Patch an object and return its metadata; `Missed` if it is gone or has changed."""
        try:
            return await self._guarded.send(
                "PATCH",
                _path(state.key),
                patch,
                uid=state.uid,
                version=None if version is None else str(version),
                content_type=MERGE_PATCH,
                accept=METADATA_OBJECT,
                params={"dryRun": "All"} if dry_run else None,
            )
        except ApiError as error:
            raise Blocked.at(step, error) from error


def _if_deleted(state: ObjectState, body: dict[str, Any]) -> dict[str, Any] | None:
    metadata = body["metadata"]
    ready = (
        metadata["uid"] == state.uid
        and "deletionTimestamp" in metadata
        and metadata.get("finalizers") == [TRASH_FINALIZER]
    )
    return body if ready else None  # if not ready, the event of the change will arrive


def _path(key: ObjectKey) -> str:
    return resource_of(BY_PLURAL[key.plural]).path(key.namespace, key.name)
