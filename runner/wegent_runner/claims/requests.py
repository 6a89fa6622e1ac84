"""Requests about one Task, each with a limit of its own, and how to read their failures."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

from wegent_crds.registry import TASK
from wegent_kube import ApiError, KubeClient, KubeError, Unreachable
from wegent_kube.backoff import Backoff
from wegent_kube.content_types import MERGE_PATCH
from wegent_kube.resources import resource_of

TASKS: Final = resource_of(TASK)


def is_outdated(error: KubeError) -> bool:
    """Return True if the Task has changed or is gone."""
    return isinstance(error, ApiError) and (error.is_not_found or error.is_conflict)


def is_refusal(error: KubeError) -> bool:
    """Return True if the API server will never take the write. Other errors may hide a success."""
    return isinstance(error, ApiError) and (
        error.is_bad_request
        or error.is_forbidden
        or error.is_invalid
        or error.is_request_entity_too_large
    )


def bears(task: Mapping[str, Any], written: Mapping[str, Any]) -> bool:
    """Return True if a Task has the status that was written by a merge patch."""
    return _contains(task["status"], written)


def _contains(stored: object, written: object) -> bool:
    """Return True if a value has what a merge patch wrote, and perhaps defaults beside it."""
    if isinstance(written, Mapping):
        return isinstance(stored, Mapping) and all(
            _contains(stored.get(field), value) for field, value in written.items()
        )
    return stored == written


async def read_until(
    client: KubeClient,
    task: Mapping[str, Any],
    clock: Callable[[], float],
    until: float,
    request_s: float,
) -> Mapping[str, Any] | None:
    """Return the Task as it is now, or None if it is gone or can't be read in time."""
    backoff = Backoff(cap_s=request_s)
    while clock() < until:
        try:
            return await read(client, task, request_s)
        except KubeError as error:
            if is_outdated(error):
                return None
            await backoff.wait()
    return None


async def read(client: KubeClient, task: Mapping[str, Any], timeout_s: float) -> Mapping[str, Any]:
    """Return the Task as it is now.

    Raises:
        KubeError: it couldn't be read within ``timeout_s``.
    """
    metadata = task["metadata"]
    async with _answered_within(timeout_s):
        body: Mapping[str, Any] = await client.request(
            "GET", TASKS.path(metadata["namespace"], metadata["name"])
        )
    return body


async def patch_status(
    client: KubeClient, task: Mapping[str, Any], status: Mapping[str, Any], timeout_s: float
) -> Mapping[str, Any]:
    """Change the status, if the Task is still as it was read, and return the Task.

    Raises:
        KubeError: the write was refused, or has no answer within ``timeout_s``.
    """
    metadata = task["metadata"]
    async with _answered_within(timeout_s):
        body: Mapping[str, Any] = await client.request(
            "PATCH",
            TASKS.path(metadata["namespace"], metadata["name"], "status"),
            body={"metadata": {"resourceVersion": metadata["resourceVersion"]}, "status": status},
            content_type=MERGE_PATCH,
        )
    return body


@asynccontextmanager
async def _answered_within(timeout_s: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError as error:
        raise Unreachable(f"no answer within {timeout_s:.1f} s") from error


def now() -> str:
    """Return the current time as the API server writes it, with microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
