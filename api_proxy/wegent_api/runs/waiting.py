"""A Task that no runner works on: the frame that says why, and the wait until it goes on."""

import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any, Final

from wegent_api.http.bearer import Caller
from wegent_api.http.errors import Problem
from wegent_api.http.sse import frame
from wegent_api.upstream.metadata import event_of
from wegent_api.upstream.watches import Watches
from wegent_crds.conditions import ConditionType
from wegent_crds.phases import Phase
from wegent_crds.registry import TASK
from wegent_kube.backoff import Backoff
from wegent_kube.content_types import JSON
from wegent_kube.encoding import encode_json
from wegent_kube.resources import resource_of

TASKS: Final = resource_of(TASK)
STEADY_S: Final = 1.0
"""Seconds. A watch that ends earlier without an event is probably cut by a proxy before the API
server, which would also cut an immediate next one."""


def waits(task: Mapping[str, Any]) -> bool:
    """Return True if no runner works on the Task, because it has not begun or waits for people."""
    phase = (task.get("status") or {}).get("phase", Phase.PENDING)
    return phase in {Phase.PENDING, Phase.WAITING}


def waits_for_people(task: Mapping[str, Any]) -> bool:
    """Return True if the Task is Waiting."""
    return (task.get("status") or {}).get("phase") == Phase.WAITING


def open_questions(task: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the questions of a Waiting Task that have no answer yet."""
    answered = {answer["id"] for answer in task["spec"].get("answers") or ()}
    asked = (task.get("status") or {}).get("waitingFor") or ()
    return [question for question in asked if question["id"] not in answered]


def waiting(task: dict[str, Any]) -> bytes:
    """Return the frame that says why the run has not begun, or for which answers it waits."""
    status = task.get("status") or {}
    if waits_for_people(task):
        told = {
            "type": "run.waiting",
            "ready": "True",
            "reason": "WaitingForAnswer",
            "message": status.get("message") or "",
            "waitingFor": open_questions(task),
        }
        return frame("run.waiting", encode_json(told))
    ready = _condition(status, ConditionType.READY)
    served = _condition(status, ConditionType.SERVED)
    why = ready
    if ready.get("status") == "True" and served.get("status") == "False":
        why = served  # no runner claims such a Task, however ready it is
    told = {
        "type": "run.waiting",
        "ready": ready.get("status", "Unknown"),
        "reason": why.get("reason", ""),
        "message": why.get("message", "") or status.get("message") or "",
    }
    return frame("run.waiting", encode_json(told))


def _condition(status: Mapping[str, Any], type_: ConditionType) -> Mapping[str, Any]:
    """Return a condition; empty if there is none."""
    return next((it for it in status.get("conditions") or () if it["type"] == type_), {})


async def wait_for_change(
    watches: Watches, caller: Caller, task: dict[str, Any], pauses: Backoff, *, lasts_s: int
) -> None:
    """Wait until the Task's phase or answers change, or for ``lasts_s`` seconds at most.

    Callers need no right to watch, and there may be too many watches. Then this is a pause, after
    which the caller reads the Task again.
    """
    metadata = task["metadata"]
    query = {
        "fieldSelector": f"metadata.name={metadata['name']}",
        "resourceVersion": metadata["resourceVersion"],
    }
    path = TASKS.path(metadata["namespace"])
    began = time.monotonic()
    with suppress(Problem):
        async with watches.open(caller, path, query, lasts_s=lasts_s, accept=JSON) as lines:
            if await _changed(lines, _progress(task)):
                pauses.reset()
                return
    if time.monotonic() - began >= STEADY_S:
        pauses.reset()
    else:
        await pauses.wait()


async def _changed(lines: AsyncIterator[bytes], before: object) -> bool:
    """Return True once the Task has another progress, and False if the watch ends before."""
    async for line in lines:
        kind, body = event_of(line)
        if kind == "ERROR":
            return False
        if kind == "DELETED" or _progress(json.loads(body)) != before:
            return True
    return False


def _progress(task: Mapping[str, Any]) -> tuple[str, int]:
    """Return the phase and the number of answers."""
    phase = (task.get("status") or {}).get("phase", Phase.PENDING)
    return phase, len((task.get("spec") or {}).get("answers") or ())
