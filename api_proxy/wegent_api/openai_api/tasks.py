"""The Tasks behind responses and chat completions, each read and written as the caller."""

import json
from collections.abc import Mapping
from contextlib import aclosing, suppress
from typing import Annotated, Any, Final

from fastapi import Depends, Request

from wegent_api.http.bearer import Caller
from wegent_api.http.errors import NotFound, Problem, Unavailable, UpstreamStatus
from wegent_api.http.state import SettingsDep
from wegent_api.kinds.object_writer import ObjectWriter, ObjectWriterDep
from wegent_api.kinds.request_ids import with_request_id
from wegent_api.names import is_dns_label
from wegent_api.openai_api.errors import Refusal, no_such_model
from wegent_api.openai_api.idempotency import CLIENT_REQUEST, Once
from wegent_api.openai_api.ids import TaskId, new_task_name, team_of
from wegent_api.openai_api.run_events import ENDED, ERROR, Ending, Output, events_of
from wegent_api.runs.cancel import request_cancel
from wegent_api.runs.follow import Follower, FollowerDep, end_of, is_cut
from wegent_api.runs.waiting import TASKS
from wegent_api.settings import Settings
from wegent_api.upstream.runners import Runners, RunnersDep
from wegent_crds.conditions import ConditionType
from wegent_crds.phases import FINAL, Phase
from wegent_crds.registry import API_VERSION, GROUP, TASK, TEAM
from wegent_kube.encoding import encode_json
from wegent_kube.resources import resource_of

TEAMS: Final = resource_of(TEAM)
CLIENT_METADATA: Final = f"{GROUP}/client-metadata"
"""Annotation of a Task: the ``metadata`` of the client's request, as JSON."""
CLIENT_BACKGROUND: Final = f"{GROUP}/client-background"
"""Annotation of a Task, ``true`` for a response in the background."""
PROJECT: Final = "OpenAI-Project"
"""Header that OpenAI's SDKs send for their option ``project``: the namespace of the Tasks."""
TITLE_MAX: Final = 80
UNSTORED_TTL_S: Final = 3600
"""Seconds for which a Task with ``store: false`` is kept after its end. A client may still read."""

MUST_HOLD: Final = frozenset({ConditionType.READY, ConditionType.SERVED, ConditionType.MODEL_BOUND})
"""Conditions of a Team without which its Tasks would wait for as long as their clients do."""


class Conversations:
    """Makes, reads and ends the Tasks of one caller."""

    def __init__(
        self, writer: ObjectWriter, follower: Follower, runners: Runners, settings: Settings
    ) -> None:
        self._writer = writer
        self._follower = follower
        self._runners = runners
        self._settings = settings

    @property
    def caller(self) -> Caller:
        """The caller."""
        return self._writer.caller

    async def team(self, model: str, *, must_be_ready: bool = True) -> dict[str, Any]:
        """Return the Team of a model.

        Raises:
            Refusal: there is no such Team, or it isn't ready or has no runner, and must.
            UpstreamStatus: the caller may not read the Team.
        """
        key = team_of(model)
        if key is None:
            raise no_such_model(model)
        try:
            team: dict[str, Any] = await self._writer.user_api.request_json(
                self.caller, "GET", TEAMS.path(key.namespace, key.name)
            )
        except UpstreamStatus as refused:
            if refused.is_not_found:
                raise no_such_model(model) from refused
            raise
        conditions = (team.get("status") or {}).get("conditions") or ()
        for condition in conditions if must_be_ready else ():
            if condition["type"] in MUST_HOLD and condition["status"] == "False":
                raise Refusal(
                    400,
                    f"The Team '{model}' is not ready: {condition.get('message', '')}",
                    param="model",
                    code="model_not_ready",
                )
        return team

    async def made(self, request: Once | None, namespace: str) -> dict[str, Any] | None:
        """Return the Task that a request has made before; None if there is none.

        The Task answers the request also if it couldn't be made now: its quota may be used up, or
        its Team deleted.

        Raises:
            Refusal: another request has made the Task.
            UpstreamStatus: the caller may not read it.
        """
        if request is None:
            return None
        try:
            made = await self.get(TaskId(namespace, request.name))
        except UpstreamStatus as refused:
            if refused.is_not_found:
                return None
            raise
        request.check(made)
        return made

    async def create(
        self,
        request: str | Once,
        team: Mapping[str, Any],
        namespace: str,
        conversation: Mapping[str, Any],
        *,
        schema: Mapping[str, Any] | None = None,
        previous: str | None = None,
        store: bool = True,
        metadata: Mapping[str, str] | None = None,
        background: bool = False,
    ) -> dict[str, Any]:
        """Create a Task, and return it as it is stored.

        ``request`` is the beginning of the Task's name, or a request that makes one Task. If it has
        made it before, that Task is returned. ``schema`` is that of the Task's result.

        Raises:
            Refusal: another request has made the Task.
            UpstreamStatus: the API server refused it.
        """
        reference = {"name": team["metadata"]["name"]}
        if (home := team["metadata"]["namespace"]) != namespace:
            reference["namespace"] = home
        spec: dict[str, Any] = {
            "teamRef": reference,
            "title": _title(conversation["prompt"]),
            "ttlSecondsAfterFinished": self._settings.openai_ttl_s if store else UNSTORED_TTL_S,
            **conversation,
        }
        if schema is not None:
            spec["outputSchema"] = schema
        if previous is not None:
            spec["previousTaskRef"] = {"name": previous}
        annotations = {CLIENT_METADATA: encode_json(metadata).decode()} if metadata else {}
        if background:
            annotations[CLIENT_BACKGROUND] = "true"
        once = request if isinstance(request, Once) else None
        if once is not None:
            annotations[CLIENT_REQUEST] = once.digest
        body = {
            "apiVersion": API_VERSION,
            "kind": TASK.kind,
            "metadata": {
                "name": once.name if once else new_task_name(str(request)),
                "namespace": namespace,
                "annotations": annotations,
            },
            "spec": spec,
        }
        annotated = await self._writer.annotate(with_request_id(body), namespace)
        params = await self._writer.update({"fieldValidation": "Strict"})
        collection = self._writer.target(TASKS.path(namespace))
        try:
            answer = await collection.write("POST", encode_json(annotated), params=params)
        except UpstreamStatus as refused:
            if once is None or not refused.is_already_exists:
                raise
            made = await self.get(TaskId(namespace, once.name))
            once.check(made)
            return made
        created: dict[str, Any] = json.loads(answer.body)
        return created

    async def get(self, id_: TaskId) -> dict[str, Any]:
        """Return a Task.

        Raises:
            UpstreamStatus: there is none, or the caller may not read it.
        """
        return await self._follower.task(self.caller, id_.namespace, id_.name)

    async def cancel(self, id_: TaskId) -> dict[str, Any]:
        """Cancel a Task that has not ended, and return it."""
        answer = await request_cancel(self._writer.user_api, self.caller, id_.namespace, id_.name)
        cancelled: dict[str, Any] = json.loads(answer.body)
        return cancelled

    async def delete(self, id_: TaskId) -> None:
        """Delete a Task."""
        path = TASKS.path(id_.namespace, id_.name)
        await self._writer.user_api.request(self.caller, "DELETE", path)

    async def ending(self, task: dict[str, Any]) -> Ending | None:
        """Return the end of a run, or None if it hasn't ended.

        A runner stores the end before it writes the Task's status, and knows it a moment earlier.
        If the operator has ended the Task in between, the Task's status has the end.

        Raises:
            Unavailable: no runner gives the transcript now, and the result in the status is cut.
        """
        status = task.get("status") or {}
        if status.get("phase", Phase.PENDING) == Phase.PENDING:
            return None
        try:
            transcript = await self._transcript(task)
        except Unavailable:
            if is_cut(status):
                raise
            transcript = {}
        told = transcript.get("outcome")
        if told is None:
            told = status if status["phase"] in FINAL else None
        if told is None:
            return None
        return Ending.of({**status, **end_of(task, told)}, _answered(transcript))

    async def items(self, task: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the finished items of a run; none if there is no transcript.

        Raises:
            Unavailable: no runner gives the transcript now.
        """
        return _answered(await self._transcript(task))

    async def _transcript(self, task: dict[str, Any]) -> dict[str, Any]:
        with suppress(NotFound):
            found: dict[str, Any] = await self._runners.read(task)
            return found
        return {}

    async def end_of(self, task: dict[str, Any]) -> Ending:
        """Follow a run to its end.

        Raises:
            Problem: the Task can't be read any more.
        """
        output = Output()
        async with aclosing(self._follower.frames(self.caller, task, "")) as frames:
            async for event in events_of(frames):
                output.take(event)
                if event.type == ENDED:
                    return Ending.of(event.data, output.items)
                if event.type == ERROR:
                    raise problem_of(event.data)
        raise Unavailable("the run can't be followed any more; retrieve the response later")


async def _conversations(
    writer: ObjectWriterDep, follower: FollowerDep, runners: RunnersDep, settings: SettingsDep
) -> Conversations:
    return Conversations(writer, follower, runners, settings)


ConversationsDep = Annotated[Conversations, Depends(_conversations)]
"""Parameter type of a route that makes or reads Tasks."""


def namespace_of(request: Request, model: str) -> str:
    """Return the namespace for a Task: that of the header, or else that of the model's Team.

    Raises:
        Refusal: the header names no namespace, or no Team can have the model's id.
    """
    named = request.headers.get(PROJECT, "")
    if named and not is_dns_label(named):
        message = f"{PROJECT}: must be a namespace, in which the Tasks are made"
        raise Refusal(400, message, param=PROJECT, code="invalid_value")
    if named:
        return named
    key = team_of(model)
    if key is None:
        raise no_such_model(model)
    return key.namespace


def problem_of(status: Mapping[str, Any]) -> Problem:
    """Return the problem that a ``Status`` in a stream stands for."""
    return UpstreamStatus(status, int(status.get("code") or 500), {})


def _answered(transcript: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the items of a transcript that the run has made. Those of the client have no id."""
    return [it for it in transcript.get("items") or () if "id" in it]


def _title(prompt: str) -> str:
    """Return the first words of a prompt."""
    words = " ".join(prompt[: TITLE_MAX * 4].split()) or "Untitled"
    if len(words) <= TITLE_MAX:
        return words
    beginning = words[: TITLE_MAX - 1]
    whole_words = beginning.rpartition(" ")[0]
    # Chinese and Japanese have no spaces between words.
    return (whole_words if len(whole_words) >= TITLE_MAX // 2 else beginning) + "…"
