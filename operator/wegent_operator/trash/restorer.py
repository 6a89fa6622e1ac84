"""Restores the object that a Tombstone contains, and deletes Tombstones.

A second try continues where the first one stopped. It recognizes the restored object by its
uid. After a crash the uid is unknown; then the object has to contain everything that the
Tombstone contains, so that nothing is lost when the Tombstone is deleted.
"""

import logging
from collections.abc import Mapping
from typing import Any, Final

from wegent_crds.conditions import Reason
from wegent_crds.references import ObjectKey
from wegent_crds.registry import BY_KIND, BY_PLURAL, TASK, Kind
from wegent_kube import ApiError, KubeClient, get_or_none
from wegent_kube.content_types import MERGE_PATCH, METADATA_OBJECT
from wegent_kube.resources import resource_of
from wegent_operator.names import FIELD_MANAGER
from wegent_operator.runtime.guarded import Guarded, Missed
from wegent_operator.runtime.metrics import Metrics
from wegent_operator.state.objects import ObjectState
from wegent_operator.state.refusals import Blocked, WriteStep, is_refusal, quoted
from wegent_operator.state.verdict import Problem
from wegent_operator.trash.field_managers import given_back
from wegent_operator.trash.task_replay import steps_to
from wegent_operator.trash.tombstone_store import TOMBSTONES
from wegent_operator.trash.tombstones import is_restored, restored, tombstone_name

logger = logging.getLogger(__name__)

GUARDED_TRIES: Final = 5
"""Tries for the patch of managedFields. The first verdict may change the object meanwhile."""


class Restorer:
    """Restores objects from the trash."""

    def __init__(self, client: KubeClient, metrics: Metrics) -> None:
        self._client = client
        self._guarded = Guarded(client)
        self._metrics = metrics
        self._made: dict[str, str] = {}
        """uids of recreated objects, by the uid of their Tombstone, while that exists."""

    async def restore(self, key: ObjectKey, state: ObjectState) -> Problem | None:
        """Restore the object that a Tombstone contains; return the problem that prevents it.

        Raises:
            KubeError: a request failed; try again.
        """
        # Check this first: while the deleted object exists, its Tombstone may still change.
        if (problem := await self._still_there(key, state)) is not None:
            return problem
        path = TOMBSTONES.path(key.namespace, key.name)
        tombstone = await self._client.request("GET", path)
        try:
            kind = BY_KIND[tombstone["spec"]["kind"]]
            body = restored(tombstone)
        except (AttributeError, LookupError, TypeError):
            return Problem(
                Reason.NOT_RESTORED,
                "spec.object: not an object of a known kind; create the object from the remaining"
                " fields, then delete the Tombstone",
            )
        try:
            there = await self._recreate(kind, body, state.uid)
            uid = there["metadata"]["uid"]
            if self._made.get(state.uid) != uid and not is_restored(there, body):
                return _taken(kind, there)
            if kind is TASK:
                await self._replay(tombstone, there)
        except ApiError as error:
            if not is_refusal(error):
                raise
            return Problem(
                Reason.NOT_RESTORED,
                f"spec.restore: the {kind.kind} can't be created: {quoted(error)}",
            )
        await self._give_fields_back(kind, there, tombstone)
        return None

    async def _still_there(self, key: ObjectKey, state: ObjectState) -> Problem | None:
        """Return a problem if the deleted object itself still exists."""
        for place in (reference.target for reference in state.references):
            kind = BY_PLURAL[place.plural]
            path = resource_of(kind).path(place.namespace, place.name)
            there = await get_or_none(self._client.request("GET", path, accept=METADATA_OBJECT))
            if there is None:
                continue
            if tombstone_name(kind, there["metadata"]["uid"]) == key.name:
                return Problem(
                    Reason.DELETION_PENDING,
                    f"spec.restore: waiting until the {kind.kind} {place.namespace}/{place.name} is"
                    " deleted; see its condition Deleted",
                )
        return None

    async def _recreate(
        self, kind: Kind, body: Mapping[str, Any], tombstone: str
    ) -> Mapping[str, Any]:
        """Create an object and return it; return the existing object if its name is taken."""
        resource, metadata = resource_of(kind), body["metadata"]
        there: Mapping[str, Any]
        try:
            there = await self._client.request(
                "POST",
                resource.path(metadata["namespace"]),
                body=body,
                params={"fieldManager": FIELD_MANAGER},
            )
            self._made[tombstone] = str(there["metadata"]["uid"])
        except ApiError as error:
            if not error.is_already_exists:
                raise
            path = resource.path(metadata["namespace"], metadata["name"])
            there = await self._client.request("GET", path)
        return there

    async def _replay(self, tombstone: Mapping[str, Any], there: Mapping[str, Any]) -> None:
        """Give a recreated Task its former status, phase by phase."""
        metadata = there["metadata"]
        path = resource_of(TASK).path(metadata["namespace"], metadata["name"], "status")
        for status in steps_to(tombstone["spec"]["object"].get("status") or {}, there):
            answer = await self._client.request(
                "PATCH",
                path,
                body={
                    "metadata": {"resourceVersion": metadata["resourceVersion"]},
                    "status": status,
                },
                params={"fieldManager": FIELD_MANAGER},
                content_type=MERGE_PATCH,
                accept=METADATA_OBJECT,
            )
            metadata = answer["metadata"]

    async def _give_fields_back(
        self, kind: Kind, there: Mapping[str, Any], tombstone: Mapping[str, Any]
    ) -> None:
        """Give the object's fields back to their former field managers.

        The object is complete without this. A refusal is logged and doesn't delay the restore.
        """
        kept = tombstone["spec"]["object"]["metadata"].get("managedFields") or []
        metadata = there["metadata"]
        path = resource_of(kind).path(metadata["namespace"], metadata["name"])
        for left in reversed(range(GUARDED_TRIES)):
            try:
                now = await self._client.request("GET", path, accept=METADATA_OBJECT)
                if not kept or now["metadata"]["uid"] != metadata["uid"]:
                    return
                owners = now["metadata"].get("managedFields") or []
                wanted = given_back(kept, owners)
                if _fields(wanted) == _fields(owners):
                    return
                patch = {
                    "resourceVersion": now["metadata"]["resourceVersion"],
                    "managedFields": wanted,
                }
                await self._client.request(
                    "PATCH",
                    path,
                    body={"metadata": patch},
                    params={"fieldManager": FIELD_MANAGER},
                    content_type=MERGE_PATCH,
                    accept=METADATA_OBJECT,
                )
            except ApiError as error:
                if error.is_conflict and left:
                    continue
                if error.is_not_found:
                    return
                if not is_refusal(error):
                    raise
                self._metrics.refusals.labels(kind.kind, WriteStep.RESTORE_MANAGED_FIELDS).inc()
                logger.warning(
                    "%s %s/%s restored without its managedFields: %s",
                    kind.kind,
                    metadata["namespace"],
                    metadata["name"],
                    error,
                )
            return

    async def drop(self, key: ObjectKey, uid: str, outcome: str) -> None:
        """Delete a Tombstone that has served its purpose; ``outcome`` labels the metric.

        Raises:
            Blocked: the API server refused the deletion.
        """
        try:
            answer = await self._guarded.send(
                "DELETE",
                TOMBSTONES.path(key.namespace, key.name),
                {"preconditions": {"uid": uid}},
                uid=uid,
            )
        except ApiError as error:
            raise Blocked.at(WriteStep.DELETE_TOMBSTONE, error) from error
        self._made.pop(uid, None)
        if not isinstance(answer, Missed):
            self._metrics.tombstones.labels(outcome).inc()


def _taken(kind: Kind, there: Mapping[str, Any]) -> Problem:
    metadata = there["metadata"]
    place = f"{metadata['namespace']}/{metadata['name']}"
    return Problem(
        Reason.NAME_TAKEN,
        f"spec.restore: a {kind.kind} named {place} already exists; delete it to continue the"
        " restore",
    )


def _fields(entries: list[dict[str, Any]]) -> dict[tuple[str, ...], Any]:
    return {
        (
            entry.get("manager", ""),
            entry.get("operation", ""),
            entry.get("subresource", ""),
            entry.get("apiVersion", ""),
        ): entry.get("fieldsV1")
        for entry in entries
    }
