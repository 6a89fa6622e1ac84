"""Follows a Task's run from its beginning to its end, wherever it runs.

The API server says first whether the caller may see the Task, and where it runs. Then the bytes
come from the runner that holds it. If that runner dies, the stream goes on at the next one.
"""

import asyncio
import math
import time
from collections.abc import Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Any, Final

import aiohttp
from fastapi import Depends

from wegent_api.http.bearer import Caller
from wegent_api.http.errors import Problem, Unavailable
from wegent_api.http.sse import Frames, frame
from wegent_api.http.state import FromState
from wegent_api.runs.blocks import END, Blocks, events_in
from wegent_api.runs.waiting import TASKS, wait_for_change, waiting, waits, waits_for_people
from wegent_api.upstream.client import UserApi
from wegent_api.upstream.runners import RETRY_AFTER_S, NotHere, Runners, former_life
from wegent_api.upstream.watches import Watches
from wegent_crds.kinds.task_status import RESULT_MAX_CHARACTERS
from wegent_crds.phases import FINAL
from wegent_kube.backoff import Backoff
from wegent_kube.encoding import encode_json

LOOK_AGAIN_S: Final = 60
"""Seconds after which the caller's right to the Task is checked again."""


PATIENCE_S: Final = 60.0
"""Seconds for which failures are retried before the stream ends with an error."""
LONGEST_PAUSE_S: Final = 5.0


class LookAgain(Exception):  # noqa: N818 - names the event
    """The caller's right to the Task must be checked before more is passed on."""


class Follower:
    """Follows runs.

    Args:
        user_api: the API server, called as the caller.
        watches: of the API server, opened as the caller.
        runners: the live runners.
        look_again_s: seconds after which the caller's right to the Task is checked again.
        patience_s: seconds for which failures are retried.
    """

    def __init__(
        self,
        user_api: UserApi,
        watches: Watches,
        runners: Runners,
        *,
        look_again_s: float = LOOK_AGAIN_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._user_api = user_api
        self._watches = watches
        self._runners = runners
        self._look_again_s = look_again_s
        self._patience_s = patience_s

    async def task(self, caller: Caller, namespace: str, name: str) -> dict[str, Any]:
        """Return the Task, which the caller must be allowed to read.

        Raises:
            UpstreamStatus: the API server refused it.
            Unavailable: the API server gave no answer.
        """
        body: dict[str, Any] = await self._user_api.request_json(
            caller, "GET", TASKS.path(namespace, name)
        )
        return body

    async def frames(self, caller: Caller, task: dict[str, Any], after: str) -> Frames:
        """Yield the frames of a Task's run after the event with the id ``after``.

        The last one is ``run.ended``, or ``error`` with a ``Status`` if the Task can't be read
        any more. A failure that may pass is retried for a while. So ``run.ended`` follows the
        whole text, or it has the result, because no runner gives a transcript.
        """
        metadata = task["metadata"]
        namespace, name, uid = metadata["namespace"], metadata["name"], metadata["uid"]
        following = _Following(Blocks(after))
        backoff = Backoff(cap_s=LONGEST_PAUSE_S)
        looked, failing_since = True, math.inf
        while True:
            allowed = looked
            try:
                if not looked:
                    task = await self.task(caller, namespace, name)
                looked, allowed = False, True
                if task["metadata"]["uid"] != uid:
                    yield _ended(task | {"status": {"phase": "Deleted"}})
                    return
                async with aclosing(self._step(caller, task, following)) as step:
                    async for whole in step:
                        failing_since = math.inf
                        yield whole
                if following.ended:
                    return
                failing_since = math.inf
            except Problem as problem:
                failing_since = min(failing_since, time.monotonic())
                patient = time.monotonic() - failing_since < self._patience_s
                if _may_pass(problem) and patient:
                    await backoff.wait()
                    continue
                if allowed and not following.blocks.last_id and _has_whole_result(task):
                    yield _ended(task)
                else:
                    yield frame("error", encode_json(problem.status))
                return
            else:
                backoff.reset()

    def _step(self, caller: Caller, task: dict[str, Any], following: "_Following") -> Frames:
        """Yield what there is until the Task must be read again.

        Raises:
            Problem: the Task has ended, and no runner gave all of its run.
        """
        if waits(task):
            return self._wait(caller, task, following)
        return self._run(task, following)

    async def _wait(self, caller: Caller, task: dict[str, Any], following: "_Following") -> Frames:
        attempts = (task.get("status") or {}).get("attempts")
        if waits_for_people(task) and following.shown != attempts:
            with suppress(LookAgain, NotHere, Unavailable):
                relayed = self._relayed(task, following.blocks, {"waits": "1"})
                async with aclosing(relayed) as so_far:
                    async for whole in so_far:
                        yield whole
                following.shown = attempts
        if (told := waiting(task)) != following.told:
            following.told = told
            yield told
        await wait_for_change(
            self._watches, caller, task, following.pauses, lasts_s=math.ceil(self._look_again_s)
        )

    async def _run(self, task: dict[str, Any], following: "_Following") -> Frames:
        blocks, before = following.blocks, following.blocks.last_id
        following.told = b""
        has_ended = task["status"]["phase"] in FINAL
        try:
            async with aclosing(self._relayed(task, blocks)) as relayed:
                async for whole in relayed:
                    yield _corrected(whole, task) if has_ended and blocks.ended else whole
        except LookAgain:
            return
        except NotHere:
            if has_ended:
                yield _ended(task)
                following.ended = True
                return
        except Unavailable:
            # The operator frees a running Task if its runner is dead, and another one takes it.
            if has_ended:
                raise
        following.ended = blocks.ended
        if blocks.ended:
            return
        if has_ended:
            raise Unavailable("the runner broke off", retry_after_s=RETRY_AFTER_S)
        if blocks.last_id != before:
            following.pauses.reset()
        await following.pauses.wait()

    async def _relayed(
        self, task: dict[str, Any], blocks: Blocks, more: Mapping[str, str] | None = None
    ) -> Frames:
        """Yield a runner's frames until the runner ends them.

        A Task that has ended, or waits, is read from any runner that has its transcript. ``more``
        are further parameters.

        Raises:
            LookAgain: it is time to check the caller's right.
            NotHere: a runner answered, and none has anything of the Task.
            Unavailable: no runner is alive, or none gave an answer.
        """
        status, path = task["status"], f"/v1/runs/{task['metadata']['uid']}/events"
        if status["phase"] in FINAL and not status.get("attempts"):
            raise NotHere  # no runner ever began it
        failure: Exception = Unavailable("no runner is running", retry_after_s=RETRY_AFTER_S)
        until = time.monotonic() + self._look_again_s
        for address in self._runners.addresses((status.get("claim") or {}).get("holder")):
            try:
                async with aclosing(
                    self._read(address, path, {**former_life(task), **(more or {})}, blocks, until)
                ) as chunks:
                    async for chunk in chunks:
                        yield chunk
            except NotHere as error:
                failure = error
            except Unavailable as error:
                failure = failure if isinstance(failure, NotHere) else error
            else:
                return
        raise failure

    async def _read(
        self, address: str, path: str, params: Mapping[str, str], blocks: Blocks, until: float
    ) -> Frames:
        after = {"after": blocks.last_id} if blocks.last_id else {}
        blocks.restart()
        async with self._runners.open(address, path, {**params, **after}) as response:
            while not blocks.ended and (chunk := await _read(response, until)):
                if whole := blocks.feed(chunk):
                    yield whole


@dataclass(slots=True)
class _Following:
    """The position of one stream.

    Attributes:
        blocks: cuts the runners' streams into events.
        pauses: between attempts to find a run that has not ended.
        told: the last ``run.waiting``, since the run waits.
        shown: number of the attempt whose items were all passed on, since it waits for people.
        ended: True once the last event is passed on.
    """

    blocks: Blocks
    pauses: Backoff = field(default_factory=lambda: Backoff(cap_s=LONGEST_PAUSE_S))
    told: bytes = b""
    shown: int | None = None
    ended: bool = False


async def _read(response: aiohttp.ClientResponse, until: float) -> bytes:
    """Return what has arrived, empty at the end.

    Raises:
        LookAgain: the time is over. Bytes that are there already wait as well: they are read
            without a pause, so that a timeout alone would not be noticed.
    """
    if (left_s := until - time.monotonic()) <= 0:
        raise LookAgain
    try:
        async with asyncio.timeout(left_s) as limit:
            return await response.content.readany()
    except TimeoutError:
        if limit.expired():
            raise LookAgain from None
        raise


def _may_pass(problem: Problem) -> bool:
    """Return True for a failure of the API server or of a runner that another attempt may mend."""
    return problem.code == HTTPStatus.TOO_MANY_REQUESTS or problem.code >= 500


def is_cut(status: Mapping[str, Any]) -> bool:
    """Return True if the result in a Task's status is not the whole one."""
    # A longer result is cut to exactly this length.
    return len(status.get("result") or "") >= RESULT_MAX_CHARACTERS


def _has_whole_result(task: Mapping[str, Any]) -> bool:
    status = task.get("status") or {}
    return status.get("phase") in FINAL and bool(status.get("result")) and not is_cut(status)


def end_of(task: Mapping[str, Any], stored: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the end of a run: the one that its runner has stored, or that of the Task.

    They differ if the operator ended the Task before the runner could write its status.
    """
    status = task.get("status") or {}
    if status.get("phase") not in FINAL or status["phase"] == stored.get("phase"):
        return stored
    return {key: it for key, it in stored.items() if key != "message"} | _end_in(status)


def _end_in(status: Mapping[str, Any], *more: str) -> dict[str, Any]:
    return {key: status[key] for key in ("phase", "message", *more, "usage") if key in status}


def _corrected(whole: bytes, task: Mapping[str, Any]) -> bytes:
    """Return events of which the last one, ``run.ended``, agrees with a Task that has ended."""
    *_, last = events_in(whole)
    told = end_of(task, last.data)
    if told is last.data:
        return whole
    before = whole.rfind(END, 0, whole.rindex(b"event: " + last.type.encode())) + len(END)
    start = before if before >= len(END) else 0
    return whole[:start] + frame(last.type, encode_json(told), id_=last.id)


def _ended(task: dict[str, Any]) -> bytes:
    """Return the end of a run of which no runner has, or gives, a transcript."""
    status = task.get("status") or {}
    told = {"type": "run.ended", **_end_in(status, "result")}
    return frame("run.ended", encode_json(told))


FollowerDep = Annotated[Follower, Depends(FromState("follower"))]
"""Parameter type of a route that follows runs."""
