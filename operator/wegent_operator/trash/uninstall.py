"""Removes the trash's finalizer from all objects, as the last step of an uninstallation.

Otherwise the objects could not be deleted any more. The operator and a policy would both add the
finalizer again. ``stop_operator`` deletes the two first, for installers that can't delete in this
order themselves.
"""

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import Any, Final

from wegent_crds.registry import GROUP, KINDS, Kind
from wegent_crds.well_known import TRASH_FINALIZER
from wegent_kube import ApiError, KubeClient, get_or_none
from wegent_kube.content_types import MERGE_PATCH, METADATA_LIST, METADATA_OBJECT
from wegent_kube.resources import CRDS, Resource, resource_of
from wegent_operator.runtime.guarded import Guarded, Missed
from wegent_operator.state.refusals import is_refusal, quoted
from wegent_operator.trash.tombstones import remove_finalizer_patch

logger = logging.getLogger(__name__)

AT_ONCE: Final = 16
IDLE_ROUNDS: Final = 5
"""Rounds in a row without a removal, after which the rest keeps the finalizer."""
PAUSE_S: Final = 0.5
"""Seconds to wait after the first round without a removal; each later pause is twice as long."""
GONE_WITHIN_S: Final = 120.0
"""Seconds to wait for the end of the operator's Pods; longer than their grace period."""
POLL_S: Final = 0.5
SETTLED_S: Final = 5.0
"""Seconds after which a deleted policy is no longer in force. Each API server learns of the
deletion from a watch of its own, within about a second."""
DEPLOYMENTS: Final = Resource("apps", "v1", "deployments")
STAMP: Final = Resource(
    "admissionregistration.k8s.io", "v1", "mutatingadmissionpolicybindings"
).path(name="wegent-trash")
"""The policy binding that adds the finalizer to each new object."""


async def stop_operator(client: KubeClient, namespace: str, deployment: str) -> None:
    """Delete the operator's Deployment and the policy binding; return when both are gone.

    Raises:
        KubeError: a request failed; a second run continues from there.
        TimeoutError: the operator's Pods did not end.
    """
    path = DEPLOYMENTS.path(namespace, deployment)
    # With foreground deletion, a Deployment is gone only after its Pods.
    await _delete(client, path, {"propagationPolicy": "Foreground"})
    await _delete(client, STAMP)
    settled = asyncio.create_task(asyncio.sleep(SETTLED_S))
    deadline = time.monotonic() + GONE_WITHIN_S
    while await _exists(client, path):
        if time.monotonic() > deadline:
            raise TimeoutError(f"Deployment {namespace}/{deployment} is still terminating")
        await asyncio.sleep(POLL_S)
    await settled


async def _delete(client: KubeClient, path: str, options: dict[str, str] | None = None) -> None:
    try:
        await client.request("DELETE", path, body=options)
    except ApiError as error:
        if not error.is_not_found:
            raise


async def _exists(client: KubeClient, path: str) -> bool:
    found = await get_or_none(client.request("GET", path, accept=METADATA_OBJECT))
    return found is not None


@dataclass(slots=True)
class Uninstalled:
    """The result of removing finalizers."""

    count: int = 0
    """Number of objects whose finalizer was removed."""
    left: list[str] = field(default_factory=list)
    """Objects that still have the finalizer, each with the refusal."""


async def uninstall(client: KubeClient, *, pause_s: float = PAUSE_S) -> Uninstalled:
    """Remove the trash's finalizer from every object of every kind.

    After a refusal, the other objects and kinds are still processed. A refused write is not tried
    again; a write that met a transient error is.

    Raises:
        KubeError: the API server gave no answer; a second run continues from there.
    """
    result = Uninstalled()
    for kind in (kind for kind in KINDS if kind.user_facing):
        refused = await _uninstall_kind(client, kind, result, pause_s)
        result.left += [f"{kind.kind}{place}: {words}" for place, words in sorted(refused.items())]
        logger.info("%s: %d objects still have the finalizer", kind.kind, len(refused))
    return result


async def _uninstall_kind(
    client: KubeClient, kind: Kind, result: Uninstalled, pause_s: float
) -> dict[str, str]:
    """Remove the finalizer from a kind's objects, in rounds; return failures by object.

    If the objects can't be listed, the result has one entry with an empty name.
    """
    refused: dict[str, str] = {}
    passing: dict[str, str] = {}
    idle = 0
    while True:
        try:
            held = [it for it in await _held(client, kind) if _place(it) not in refused]
            answers = await _remove_finalizers(client, kind, held)
        except ApiError as error:
            if is_refusal(error) and not error.is_resource_expired:
                return refused | {"": f"its objects can't be listed: {quoted(error)}"}
            held, answers, passing = [], [], {"": f"its objects can't be listed: {quoted(error)}"}
        else:
            if not held:
                return refused
            passing = {_place(it): "another client keeps changing it" for it in held}
        result.count += sum(answer is None for answer in answers)
        for metadata, answer in zip(held, answers, strict=True):
            if isinstance(answer, ApiError):
                (refused if is_refusal(answer) else passing)[_place(metadata)] = quoted(answer)
        # The next round reads the new versions of objects that keep changing.
        idle = 0 if None in answers else idle + 1
        if idle >= IDLE_ROUNDS:
            return passing | refused
        if idle:
            await asyncio.sleep(pause_s * 2.0**idle)


async def _held(client: KubeClient, kind: Kind) -> list[dict[str, Any]]:
    """Return the metadata of all objects of a kind that have the finalizer.

    Raises:
        ApiError: the objects can't be listed, and the kind isn't known to be gone.
    """
    try:
        return [
            item["metadata"]
            async for page in client.pages(resource_of(kind).path(), accept=METADATA_LIST)
            for item in page["items"]
            if TRASH_FINALIZER in (item["metadata"].get("finalizers") or ())
        ]
    except ApiError as error:
        if error.is_not_found and await _is_gone(client, kind):
            return []
        raise


async def _is_gone(client: KubeClient, kind: Kind) -> bool:
    """Return whether a kind's CRD is gone, with all objects. If not, only a version is missing."""
    try:
        return not await _exists(client, CRDS.path(name=f"{kind.plural}.{GROUP}"))
    except ApiError as error:
        return error.is_forbidden  # without the right to read CRDs, nothing more can be known


async def _remove_finalizers(
    client: KubeClient, kind: Kind, held: list[dict[str, Any]]
) -> list[Missed | ApiError | None]:
    """Remove the finalizer from objects; return None or the failure for each object."""
    gate, guarded = asyncio.Semaphore(AT_ONCE), Guarded(client)

    async def remove(metadata: dict[str, Any]) -> Missed | ApiError | None:
        async with gate:
            try:
                answer = await guarded.send(
                    "PATCH",
                    resource_of(kind).path(metadata["namespace"], metadata["name"]),
                    remove_finalizer_patch(metadata["resourceVersion"], metadata["finalizers"]),
                    uid=metadata["uid"],
                    version=metadata["resourceVersion"],
                    content_type=MERGE_PATCH,
                    accept=METADATA_OBJECT,
                )
            except ApiError as error:
                return error
            return answer if isinstance(answer, Missed) else None

    return await asyncio.gather(*map(remove, held))


def _place(metadata: dict[str, Any]) -> str:
    return f" {metadata['namespace']}/{metadata['name']}"
