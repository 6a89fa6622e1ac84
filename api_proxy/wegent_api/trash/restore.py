"""Requests the restore of a Tombstone's object, and waits briefly for the operator's verdict.

The request is ``spec.restore``, which stays set until the object is restored. A user who sets it
with kubectl gets the object as soon as its name is free. A refused request over REST must leave
nothing behind, so the proxy unsets the field again.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from wegent_api.http.bearer import Caller
from wegent_api.http.errors import Conflict, Invalid, NotFound, Problem, UpstreamStatus
from wegent_api.upstream.client import Answer, UserApi
from wegent_api.upstream.metadata import metadata_of
from wegent_api.upstream.target import Target
from wegent_api.upstream.wait import GONE, EventWaiter
from wegent_crds.conditions import (
    ConditionType,
    Reason,
    StoredCondition,
    conditions_of,
    find_condition,
)
from wegent_crds.registry import BY_KIND, TOMBSTONE
from wegent_crds.well_known import former_lives
from wegent_kube.content_types import MERGE_PATCH
from wegent_kube.encoding import encode_json
from wegent_kube.errors import get_or_none
from wegent_kube.resources import resource_of

TOMBSTONES: Final = resource_of(TOMBSTONE)

Body = Mapping[str, Any]


async def restore(
    user_api: UserApi, waiter: EventWaiter, caller: Caller, namespace: str, name: str
) -> Answer | None:
    """Return the restored object, or None if the outcome is not known in time.

    Raises:
        Conflict: another object has the name, or the Tombstone is being deleted.
        Invalid: the API server refused the object.
        NotFound: the Tombstone was deleted before its object was restored.
        UpstreamStatus: the caller may not restore it, or there is no such Tombstone.
    """
    target = Target(user_api, caller, TOMBSTONES.path(namespace, name))
    before = await user_api.request_json(caller, "GET", target.path)
    if "deletionTimestamp" in before["metadata"]:
        raise Conflict(f'tombstones "{name}" is being deleted and cannot be restored')
    asked = await _ask(target, wanted=True)
    verdict = _verdict("", asked) or await waiter.wait_for_event(
        caller, (TOMBSTONES, namespace, name), asked["metadata"]["resourceVersion"], _verdict
    )
    if verdict is None:
        return None
    if isinstance(verdict, StoredCondition):
        try:
            if not before["spec"].get("restore"):
                await _ask(target, wanted=False)
        except UpstreamStatus as refused:
            if not refused.is_not_found:  # else it was restored in the meantime
                raise
        else:
            raise _refusal(verdict, asked)
    return await _restored(target, asked)


async def _ask(target: Target, *, wanted: bool) -> Body:
    patch = encode_json({"spec": {"restore": wanted}})
    tombstone: Body = json.loads(
        (await target.write("PATCH", patch, content_type=MERGE_PATCH)).body
    )
    return tombstone


def _verdict(event: str, tombstone: Body) -> StoredCondition | str | None:
    """Return the reason for which the Tombstone stays, `GONE` if it is gone, or None.

    Only a verdict on the Tombstone's current generation counts.
    """
    if event == GONE:
        return GONE
    ready = find_condition(conditions_of(tombstone), ConditionType.READY)
    if (
        ready is not None
        and ready.is_false
        # The object itself is still being deleted, and is restored once it is gone.
        and ready.reason != Reason.DELETION_PENDING
        and ready.observed_generation == tombstone["metadata"]["generation"]
    ):
        return ready
    return None


def _refusal(verdict: StoredCondition, tombstone: Body) -> Problem:
    kind, name = tombstone["spec"]["kind"], tombstone["spec"]["name"]
    if verdict.reason == Reason.NAME_TAKEN:
        where = f"{tombstone['metadata']['namespace']}/{name}"
        return Conflict(f"a {kind} named {where} already exists; delete it, then restore again")
    return Invalid(f"the {kind} {name} can't be restored: {verdict.message}")


async def _restored(target: Target, tombstone: Body) -> Answer:
    """Return the restored object. Check it, since a Tombstone may go for other reasons."""
    spec, metadata = tombstone["spec"], tombstone["metadata"]
    path = resource_of(BY_KIND[spec["kind"]]).path(metadata["namespace"], spec["name"])
    answer = await get_or_none(target.user_api.request(target.caller, "GET", path))
    if answer is not None:
        annotations = metadata_of(answer.body).get("annotations") or {}
        if metadata["name"] in former_lives(annotations)[:1]:
            return answer
    raise NotFound(f'tombstones "{metadata["name"]}" was deleted before its object was restored')
