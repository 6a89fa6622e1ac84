"""Tasks: give one, follow its run, answer its questions, wait for its end."""

import math
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final, Literal

from wegent_crds.kinds.bot import Bot
from wegent_crds.kinds.task import Task
from wegent_crds.kinds.team import Team
from wegent_crds.phases import FINAL, Phase
from wegent_crds.registry import API_VERSION, TASK
from wegent_sdk.api import Attempts
from wegent_sdk.changes import bounded, object_in, status_error
from wegent_sdk.errors import (
    AlreadyExists,
    ConfigurationError,
    Conflict,
    ConnectionFailed,
    NotFound,
    TimedOut,
    WegentError,
)
from wegent_sdk.objects import encoded, name_of, read
from wegent_sdk.raw import Body
from wegent_sdk.sse import SseDecoder
from wegent_sdk.targets import selecting
from wegent_sdk.watches import (
    PATIENCE_S,
    SILENCE_S,
    OnCut,
    Operations,
    Patience,
)
from wegent_sdk.wire import Request

TRIES: Final = 5
"""Attempts to change a Task that changes meanwhile: its runner writes to it some times a minute."""
ENDED: Final = "run.ended"
Decision = Literal["approve", "deny", "reply"]


@dataclass(frozen=True, slots=True)
class TaskEvent:
    """One event of a run.

    Attributes:
        type: such as ``response.output_text.delta`` or ``run.ended``; docs/api.md lists them.
        data: its JSON.
        id: ``<attempt>.<position>``, from which a stream can go on; empty if it has none.
    """

    type: str
    data: Mapping[str, Any]
    id: str = ""

    @property
    def text(self) -> str:
        """The piece of text that a delta brings; empty for other events."""
        if self.type == "response.output_text.delta":
            return str(self.data.get("delta") or "")
        return ""


class TaskOperations(Operations):
    """Requests for Tasks."""

    async def run(
        self,
        team_or_bot: Team | Bot | str,
        prompt: str,
        *,
        namespace: str | None = None,
        previous: Task | str | None = None,
        name: str | None = None,
        spec: Mapping[str, Any] | None = None,
    ) -> Task:
        """Create a Task. It is created once, also if the request has to be repeated.

        Args:
            team_or_bot: the Team or Bot, or the name of a Team; ``bot/NAME`` names a Bot.
            prompt: the work.
            namespace: namespace of the Task; that of the Team or Bot if it is left out.
            previous: the Task whose conversation goes on.
            name: name of the Task; a random one if left out.
            spec: further fields of the spec, such as ``{"title": "Review"}``.

        Raises:
            AlreadyExists: the name is taken.
            Invalid: the Team or Bot does not exist, or a field is not valid.
            WegentError: the request failed.
        """
        if namespace is None and not isinstance(team_or_bot, str):
            namespace = team_or_bot.metadata.namespace
        body: Body = {
            "apiVersion": API_VERSION,
            "kind": TASK.kind,
            "metadata": {"name": name or f"task-{secrets.token_hex(6)}"},
            "spec": {**_worker(team_or_bot, namespace), "prompt": prompt, **(spec or {})},
        }
        if namespace:
            body["metadata"]["namespace"] = namespace
        if previous is not None:
            named = previous if isinstance(previous, str) else previous.metadata.name
            body["spec"]["previousTaskRef"] = {"name": named}
        return read(Task, await self._create_once(body, namespace))

    async def events(
        self,
        name: str,
        namespace: str | None = None,
        *,
        after: str | None = None,
        patience_s: float = PATIENCE_S,
        on_cut: OnCut | None = None,
    ) -> AsyncGenerator[TaskEvent, None]:
        """Yield the events of a run, from its beginning or after an event, to ``run.ended``.

        After a cut, the stream goes on where it was: no event is lost, and none comes twice.

        Args:
            name: name of the Task.
            namespace: its namespace.
            after: id of the last event that is known.
            patience_s: seconds for which failures in a row are retried.
            on_cut: called with each failure, and the seconds until the next attempt.

        Raises:
            NotFound: there is no such Task.
            NeedsLogin: the client has a kubeconfig.
            WegentError: the Task can't be read any more, or the server failed for ``patience_s``.
        """
        self._raw.target.need_login("the events of a Task")
        path = f"{self._raw.target.path(TASK, namespace, name)}/events"
        params = self._raw.target.params(namespace)
        patience, last, waiting = Patience(patience_s, on_cut), after or "", ""
        while True:
            headers = {"Last-Event-ID": last} if last else {}
            request = Request("GET", path, params, headers=headers)
            try:
                async with self._raw.api.open(request, silence_s=SILENCE_S) as stream:
                    decoder, began = SseDecoder(), monotonic()
                    while piece := await self._raw.api.read(stream):
                        for event in bounded(decoder.feed(piece), self._raw.api.url):
                            data = object_in(event.data.encode(), self._raw.api.url)
                            if event.type == "error":
                                raise status_error(data, self._raw.api.url)
                            last = event.id or last
                            # After a cut, the stream repeats the reason of a wait.
                            if event.type == "run.waiting" and event.data == waiting:
                                continue
                            waiting = event.data if event.type == "run.waiting" else ""
                            patience.reset()
                            yield TaskEvent(event.type, data, event.id or "")
                            if event.type == ENDED:
                                return
                        patience.settle(began)
                raise ConnectionFailed(
                    f"{self._raw.api.url} ended the stream", url=self._raw.api.url
                )
            except WegentError as error:
                await self._raw.api.wire.http.sleep(patience.wait_after(error))

    async def wait(
        self,
        name: str,
        namespace: str | None = None,
        *,
        timeout_s: float | None = None,
        or_questions: bool = False,
    ) -> Task:
        """Return the Task once it has ended: it is Completed, Failed or Cancelled.

        Args:
            name: name of the Task.
            namespace: its namespace.
            timeout_s: seconds to wait; None for no limit. It is looked at with each change, and
                at least each quarter of a minute.
            or_questions: True to return as well once the Task waits for answers of people.

        Raises:
            TimedOut: the time is over.
            NotFound: there is no such Task, or it was deleted meanwhile.
            WegentError: it can't be read.
        """
        until = (*FINAL, Phase.WAITING) if or_questions else FINAL
        deadline = math.inf if timeout_s is None else monotonic() + timeout_s
        body = await self._raw.get(TASK, name, namespace)
        if _phase(body) in until:
            return read(Task, body)
        uid = body["metadata"].get("uid")
        gone = NotFound(f"Task {name} was deleted", status=404, reason="NotFound")
        selectors = selecting(None, f"metadata.name={name}")
        changes = self._raw.ticking(TASK, namespace, selectors, Patience(), deadline)
        async with aclosing(changes) as events:
            async for event in events:
                if event is None:
                    continue
                if event.type == "DELETED" or event.object["metadata"].get("uid") != uid:
                    raise gone
                if _phase(event.object) in until:
                    return read(Task, event.object)
        raise TimedOut(f"Task {name} has not ended within {timeout_s:g} seconds")

    async def cancel(self, name: str, namespace: str | None = None) -> Task:
        """Cancel a Task, and return it. One that has ended stays as it is.

        Raises:
            NotFound: there is no such Task.
            WegentError: the request failed.
        """
        path, params = (
            self._raw.target.path(TASK, namespace, name),
            self._raw.target.params(namespace),
        )
        if self._raw.target.is_rest:
            request = Request("POST", f"{path}/cancel", params, repeatable=True)
            return read(Task, await self._raw.api.object(request))
        body = await self._raw.get(TASK, name, namespace)
        if _phase(body) in FINAL:
            return read(Task, body)
        return read(Task, await self._raw.patch(TASK, name, {"spec": {"cancel": True}}, namespace))

    async def answer(
        self,
        name: str,
        id_: str,
        decision: Decision,
        text: str | None = None,
        *,
        namespace: str | None = None,
    ) -> Task:
        """Answer a question in ``status.waitingFor`` of a Task, and return the Task.

        Args:
            name: name of the Task.
            id_: id of the question.
            decision: the decision.
            text: the text for the Bot, which a reply needs.
            namespace: namespace of the Task.

        Raises:
            Conflict: the question has an answer, or the Task doesn't wait.
            Invalid: the Task waits for other answers.
            WegentError: the request failed.
        """
        answer = {"id": id_, "decision": decision, **({"text": text} if text else {})}
        if self._raw.target.is_rest:
            path = f"{self._raw.target.path(TASK, namespace, name)}/answers"
            params = self._raw.target.params(namespace)
            return read(
                Task, await self._raw.api.object(Request("POST", path, params, encoded(answer)))
            )
        for left in reversed(range(TRIES)):
            body = await self._raw.get(TASK, name, namespace)
            answers = _spec(body).get("answers") or []
            if any(known.get("id") == id_ for known in answers):
                raise Conflict(f"the question {id_} has an answer already", status=409)
            if _phase(body) != Phase.WAITING:
                raise Conflict(f"Task {name} is {_phase(body)}: it waits for no answer", status=409)
            version = body["metadata"].get("resourceVersion")
            patch = {
                "metadata": {"resourceVersion": version},
                "spec": {"answers": [*answers, answer]},
            }
            try:
                return read(Task, await self._raw.patch(TASK, name, patch, namespace))
            except Conflict:
                if not left:
                    raise
        raise AssertionError("the last attempt returns or raises")

    async def transcript(
        self, name: str, namespace: str | None = None, *, definitions: bool = False
    ) -> Body:
        """Return the prompt and the finished items of a run; docs/api.md describes them.

        Args:
            name: name of the Task.
            namespace: its namespace.
            definitions: True to add the specs of the objects that the run used.

        Raises:
            NeedsLogin: the client has a kubeconfig.
            WegentError: the request failed.
        """
        self._raw.target.need_login("transcripts")
        path = f"{self._raw.target.path(TASK, namespace, name)}/transcript"
        params = self._raw.target.params(namespace)
        params |= {"with": "definitions"} if definitions else {}
        return await self._raw.api.object(Request("GET", path, params, repeatable=True))

    async def _create_once(self, body: Body, namespace: str | None) -> Body:
        """Create a Task whose name nobody else uses, with as many attempts as that takes."""
        attempts = Attempts()
        while True:
            try:
                return await self._raw.create(TASK, body, namespace=namespace)
            except AlreadyExists:
                if not attempts.lost:
                    raise
                found = await self._raw.get(TASK, name_of(body), namespace)
                if _spec(found).get("prompt") != body["spec"]["prompt"]:
                    raise
                return found
            except WegentError as error:
                wait = attempts.wait_after(error)
            await self._raw.api.wire.http.sleep(wait)


def _worker(team_or_bot: Team | Bot | str, namespace: str | None) -> Body:
    if isinstance(team_or_bot, str):
        kind, _, name = team_or_bot.rpartition("/")
        if kind not in {"", "team", "bot"} or not name:
            raise ConfigurationError(
                f"{team_or_bot!r} names no Team or Bot; write NAME, team/NAME or bot/NAME"
            )
        return {"botRef" if kind == "bot" else "teamRef": {"name": name}}
    metadata = team_or_bot.metadata
    reference = {"name": metadata.name}
    if metadata.namespace and metadata.namespace != namespace:
        reference["namespace"] = metadata.namespace
    return {"botRef" if isinstance(team_or_bot, Bot) else "teamRef": reference}


def _phase(body: Body) -> str:
    status = body.get("status")
    found = status.get("phase") if isinstance(status, dict) else None
    return found if isinstance(found, str) else Phase.PENDING


def _spec(body: Body) -> Mapping[str, Any]:
    spec = body.get("spec")
    return spec if isinstance(spec, dict) else {}
