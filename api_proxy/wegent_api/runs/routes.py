"""``/api/v1/kinds/tasks/{name}/events``, ``/transcript``, ``/answers``, ``/cancel``: a Task's run.

The right to read the Task is the right to its stream and its transcript. The API server decides on
it, with the caller's token, before a runner is asked.
"""

from contextlib import AsyncExitStack
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Header, Query, Response
from pydantic import AfterValidator, Field

from wegent_api.http import examples
from wegent_api.http.bearer import CallerDep
from wegent_api.http.bodies import body_of, no_body
from wegent_api.http.openapi import request_body, response, statuses
from wegent_api.http.query import Name, OneParameters, no_repeats
from wegent_api.http.sse import MEDIA_TYPE, EventStream
from wegent_api.http.state import FromState, SettingsDep
from wegent_api.runs.answer import NewAnswer, give_answer
from wegent_api.runs.cancel import request_cancel
from wegent_api.runs.definitions import reveal
from wegent_api.runs.follow import FollowerDep, end_of
from wegent_api.upstream.client import UserApiDep
from wegent_api.upstream.concurrency import ConcurrencyLimiter
from wegent_api.upstream.identity import subject
from wegent_api.upstream.runners import RunnersDep

router: Final = APIRouter(
    prefix="/api/v1/kinds/tasks", tags=["tasks"], dependencies=[Depends(no_repeats)]
)

REFUSED: Final = (400, 401, 403, 429, 502, 503)
"""Statuses of errors that each of these routes may answer."""
EVENT_ID: Final = r"^[0-9]{1,18}\.[0-9]{1,18}$"


class EventsParameters(OneParameters):
    """Parameters of a run's events."""

    after: Annotated[
        str | None,
        Field(
            pattern=EVENT_ID,
            description="Id of the last event that was read. The stream goes on after it.",
        ),
    ] = None


class TranscriptParameters(OneParameters):
    """Parameters of a transcript."""

    with_: Annotated[
        Literal["definitions"] | None,
        Field(
            alias="with",
            description="`definitions`: add the specs of the objects that the run used, as they"
            " were. Those of kinds and namespaces that the caller may not get are left out.",
        ),
    ] = None
    hash: Annotated[
        str | None,
        Field(
            pattern=r"^[0-9a-f]{64}$",
            description="Hash of the definition to add. Without it, all are added, up to a total of"
            " 2,097,152 characters. Ignored without `with`.",
        ),
    ] = None

    def asked(self) -> dict[str, str]:
        """Return the parameters of the runner's transcript."""
        if self.with_ is None:
            return {}
        return {"with": self.with_, **({"hash": self.hash} if self.hash else {})}


def _event_id(value: str | None) -> str | None:
    return value or None


LastEventId = Annotated[
    Annotated[str, Field(pattern=rf"{EVENT_ID}|^$")] | None,
    Header(
        alias="Last-Event-ID",
        description="As `after`, which it overrides. Browsers send it by themselves.",
    ),
    AfterValidator(_event_id),
]
StreamLimiterDep = Annotated[ConcurrencyLimiter, Depends(FromState("run_limiter"))]
DrainingDep = Annotated[Any, Depends(FromState("draining"))]


@router.get(
    "/{name}/events",
    operation_id="followTask",
    summary="Follow the run of a Task",
    response_class=Response,
    responses={
        200: {
            "description": "The events of the run.",
            "content": {
                MEDIA_TYPE: {"schema": {"type": "string", "description": "Server-Sent Events."}}
            },
        },
        **statuses(*REFUSED, 404),
    },
)
async def events(
    follower: FollowerDep,
    user_api: UserApiDep,
    limiter: StreamLimiterDep,
    draining: DrainingDep,
    settings: SettingsDep,
    caller: CallerDep,
    name: Name,
    parameters: Annotated[EventsParameters, Query()],
    last_event_id: LastEventId = None,
) -> EventStream:
    """Stream the events of a Task's run as Server-Sent Events, from its beginning or after `after`.

    The events are those of OpenAI's Responses stream (`response.output_text.delta`, ...), and
    `run.waiting`, `run.started`, `run.restarted` and `run.ended`. After `run.restarted` a client
    drops all text after the position `valid_until`.
    """
    task = await follower.task(caller, parameters.namespace, name)
    # A browser connects again with the URL that it began with, and sends its position as a header.
    after = last_event_id or parameters.after or ""
    async with AsyncExitStack() as stack:
        stack.enter_context(limiter.one(await subject(user_api, caller)))
        return EventStream(
            follower.frames(caller, task, after),
            stack.pop_all(),
            draining,
            heartbeat_s=settings.watch_heartbeat_s,
        )
    raise AssertionError("no context manager in here swallows exceptions")


@router.get(
    "/{name}/transcript",
    operation_id="getTaskTranscript",
    summary="Get the transcript of a Task",
    responses=statuses(*REFUSED, 404),
)
async def transcript(
    follower: FollowerDep,
    runners: RunnersDep,
    user_api: UserApiDep,
    caller: CallerDep,
    name: Name,
    parameters: Annotated[TranscriptParameters, Query()],
) -> dict[str, Any]:
    """Get the finished items of a Task's run: its prompt and the messages.

    `ran` has the objects that each attempt used, with the hashes of their specs. An attempt without
    an entry used those of the one before.
    """
    task = await follower.task(caller, parameters.namespace, name)
    body: dict[str, Any] = await runners.read(task, parameters.asked())
    if "definitions" in body:
        await reveal(user_api, caller, body, alone=parameters.hash is not None)
    if (stored := body.get("outcome")) is not None:
        body["outcome"] = end_of(task, stored)
    return body


@router.post(
    "/{name}/answers",
    operation_id="answerTask",
    summary="Answer a question of a Task",
    status_code=202,
    response_class=Response,
    responses={
        202: response("The Task, with the answer in `spec.answers`.", "Task"),
        **statuses(*REFUSED, 404, 409, 413, 415, 422),
    },
    openapi_extra=request_body(NewAnswer, examples.ANSWER),
)
async def answer(
    user_api: UserApiDep,
    caller: CallerDep,
    name: Name,
    parameters: Annotated[OneParameters, Query()],
    body: Annotated[NewAnswer, Depends(body_of(NewAnswer))],
) -> Response:
    """Answer one of the questions in `status.waitingFor` of a Waiting Task.

    The work goes on once each question has an answer. A question is answered once: a second answer
    is a conflict, also from another user. The API server records the caller in `by`.
    """
    by = await subject(user_api, caller)
    written = await give_answer(user_api, caller, parameters.namespace, name, body, by=by)
    return written.response()


@router.post(
    "/{name}/cancel",
    operation_id="cancelTask",
    summary="Cancel a Task",
    status_code=202,
    response_class=Response,
    responses={
        200: response("The Task, which has ended before and stays as it is.", "Task"),
        202: response("The Task, with `spec.cancel`.", "Task"),
        **statuses(*REFUSED, 404, 409, 422),
    },
    dependencies=[Depends(no_body)],
)
async def cancel(
    user_api: UserApiDep,
    caller: CallerDep,
    name: Name,
    parameters: Annotated[OneParameters, Query()],
) -> Response:
    """Set `spec.cancel`. A running Task is stopped, and its partial text is kept.

    A Task that has ended is returned as it is.
    """
    answer = await request_cancel(user_api, caller, parameters.namespace, name)
    return answer.response()
