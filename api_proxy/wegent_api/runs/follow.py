"""Follows a Task's run from its beginning to its end, wherever it runs.

The API server says first whether the caller may see the Task, and where it runs. Then the bytes
come from the runner that holds it. If that runner dies, the stream goes on at the next one.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Annotated, Any, Final

import aiohttp
from fastapi import Depends

from wegent_api.http.bearer import Caller
from wegent_api.http.errors import Problem, Unavailable
from wegent_api.http.sse import Frames, frame
from wegent_api.http.state import FromState
from wegent_api.runs.blocks import Blocks
from wegent_api.upstream.client import UserApi
from wegent_api.upstream.metadata import event_of
from wegent_api.upstream.runners import NotHere, Runners, former_life
from wegent_api.upstream.watches import Watches
from wegent_crds.phases import FINAL
from wegent_crds.registry import TASK
from wegent_kube.backoff import Backoff
from wegent_kube.content_types import JSON
from wegent_kube.encoding import encode_json
from wegent_kube.resources import resource_of

TASKS: Final = resource_of(TASK)
LOOK_AGAIN_S: Final = 60
"""Seconds after which the caller's right to the Task is checked again."""


class Follower:
    """Follows runs.

    Args:
        user_api: the API server, called as the caller.
        watches: of the API server, opened as the caller.
        runners: the live runners.
    """

    def __init__(self, user_api: UserApi, watches: Watches, runners: Runners) -> None:
        self._user_api = user_api
        self._watches = watches
        self._runners = runners

    async def task(self, caller: Caller, namespace: str, name: str) -> dict[str, Any]:
        """Return the Task, which the caller must be allowed to read.

        Raises:
            UpstreamStatus: the API server refused it.
        """
        body: dict[str, Any] = await self._user_api.request_json(
            caller, "GET", TASKS.path(namespace, name)
        )
        return body

    async def frames(self, caller: Caller, task: dict[str, Any], after: str) -> Frames:
        """Yield the frames of a Task's run after the event with the id ``after``.

        The last one is ``run.ended``, or ``error`` with a ``Status`` if the Task can't be read
        any more.
        """
        metadata = task["metadata"]
        namespace, name, uid = metadata["namespace"], metadata["name"], metadata["uid"]
        blocks, backoff = Blocks(after), Backoff(cap_s=5.0)
        try:
            while True:
                status = task.get("status") or {}
                if status.get("phase") == "Pending":
                    yield _waiting(task)
                    await self._change(caller, task)
                else:
                    before = blocks.last_id
                    async with aclosing(self._relayed(task, blocks)) as relayed:
                        async for chunk in relayed:
                            yield chunk
                    if blocks.ended:
                        return
                    if status.get("phase") in FINAL:
                        yield _ended(task)
                        return
                    if blocks.last_id != before:
                        backoff.reset()
                    await backoff.wait()
                task = await self.task(caller, namespace, name)
                if task["metadata"]["uid"] != uid:
                    yield _ended(task | {"status": {"phase": "Deleted"}})
                    return
        except Problem as problem:
            yield frame("error", encode_json(problem.status))

    async def _relayed(self, task: dict[str, Any], blocks: Blocks) -> Frames:
        """Yield a runner's frames until it ends them, is gone, or a minute has passed.

        A Task that has ended is read from any runner; a runner may have been killed just now.
        """
        holder = (task["status"].get("claim") or {}).get("holder")
        path = f"/v1/runs/{task['metadata']['uid']}/events"
        params = former_life(task)
        for address in self._runners.addresses(holder):
            try:
                async with aclosing(self._read(address, path, params, blocks)) as chunks:
                    async for chunk in chunks:
                        yield chunk
            except Unavailable:
                continue
            except (NotHere, TimeoutError):
                pass
            return

    async def _read(
        self, address: str, path: str, params: Mapping[str, str], blocks: Blocks
    ) -> Frames:
        after = {"after": blocks.last_id} if blocks.last_id else {}
        blocks.restart()
        until = time.monotonic() + LOOK_AGAIN_S
        async with self._runners.open(address, path, {**params, **after}) as response:
            while chunk := await _read(response, until):
                if whole := blocks.feed(chunk):
                    yield whole

    async def _change(self, caller: Caller, task: dict[str, Any]) -> None:
        """Wait until the Task is no longer as it is, or its watch ends."""
        metadata = task["metadata"]
        query = {
            "fieldSelector": f"metadata.name={metadata['name']}",
            "resourceVersion": metadata["resourceVersion"],
        }
        async with self._watches.open(
            caller, TASKS.path(metadata["namespace"]), query, lasts_s=LOOK_AGAIN_S, accept=JSON
        ) as lines:
            await _first_change(lines)


async def _read(response: aiohttp.ClientResponse, until: float) -> bytes:
    """Return what has arrived, empty at the end.

    Raises:
        TimeoutError: nothing has arrived until then.
    """
    async with asyncio.timeout(max(0.0, until - time.monotonic())):
        return await response.content.readany()


async def _first_change(lines: AsyncIterator[bytes]) -> None:
    async for line in lines:
        kind, body = event_of(line)
        if kind in {"DELETED", "ERROR"}:
            return
        if json.loads(body).get("status", {}).get("phase") != "Pending":
            return


def _waiting(task: dict[str, Any]) -> bytes:
    """Return the frame that says why the run has not begun."""
    conditions = (task.get("status") or {}).get("conditions") or ()
    ready: dict[str, Any] = next((it for it in conditions if it["type"] == "Ready"), {})
    told = {
        "type": "run.waiting",
        "ready": ready.get("status", "Unknown"),
        "reason": ready.get("reason", ""),
        "message": ready.get("message", "") or (task["status"].get("message") or ""),
    }
    return frame("run.waiting", encode_json(told))


def _ended(task: dict[str, Any]) -> bytes:
    """Return the end of a run of which no runner has a transcript."""
    status = task.get("status") or {}
    told = {
        "type": "run.ended",
        **{key: status[key] for key in ("phase", "message", "result", "usage") if key in status},
    }
    return frame("run.ended", encode_json(told))


FollowerDep = Annotated[Follower, Depends(FromState("follower"))]
"""Parameter type of a route that follows runs."""
