"""``/v1/responses``: OpenAI's Responses API."""

from contextlib import AsyncExitStack, aclosing
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import Field

from wegent_api.http.bodies import json_object, no_body
from wegent_api.http.disconnects import unless_left
from wegent_api.http.errors import UpstreamStatus
from wegent_api.http.query import Parameters, no_repeats
from wegent_api.http.request_scope import until_answered
from wegent_api.http.sse import EventStream, Frames
from wegent_api.http.state import SettingsDep
from wegent_api.openai_api.errors import Refusal, invalid, task_made, unsupported
from wegent_api.openai_api.formats import output_schema_of
from wegent_api.openai_api.idempotency import IdempotencyKey, once
from wegent_api.openai_api.ids import RESPONSE, TaskId
from wegent_api.openai_api.messages import conversation_of
from wegent_api.openai_api.openapi import documented, json_body, with_events
from wegent_api.openai_api.requests import ID_MAX, CreateResponse, read_parameters
from wegent_api.openai_api.response_object import STATUSES, input_items, response_body
from wegent_api.openai_api.response_stream import RESTARTED, ResponseStream, run_position
from wegent_api.openai_api.run_events import attempt_of
from wegent_api.openai_api.tasks import (
    Conversations,
    ConversationsDep,
    namespace_of,
)
from wegent_api.runs.blocks import events_in
from wegent_api.runs.follow import Follower, FollowerDep
from wegent_api.runs.routes import DrainingDep, StreamLimiterDep
from wegent_api.upstream.client import UserApiDep
from wegent_api.upstream.identity import identity, subject
from wegent_crds.phases import FINAL
from wegent_kube.content_types import JSON
from wegent_kube.encoding import encode_json

router: Final = APIRouter(
    prefix="/v1/responses",
    tags=["openai"],
    dependencies=[Depends(no_repeats)],
)

ResponseId = Annotated[
    str,
    Path(alias="id", max_length=ID_MAX, description="Id of the response: `resp_namespace_task`."),
]
NO_SUCH_EVENT: Final = "the response has no event with this number"
EXAMPLE: Final = {"model": "default/helpers", "input": "Say hello."}


class RetrieveParameters(Parameters):
    """Parameters of the retrieval of a response."""

    stream: Annotated[bool, Field(description="Stream the response's events.")] = False
    starting_after: Annotated[
        int | None,
        Field(
            ge=0,
            lt=1 << 53,
            description="With `stream`: sequence number of the last event that was read.",
        ),
    ] = None
    include_obfuscation: Annotated[bool | None, Field(description="Ignored.")] = None


class ItemsParameters(Parameters):
    """Parameters of a list of input items."""

    after: Annotated[str | None, Field(max_length=64, description="Id of the last item read.")] = (
        None
    )
    limit: Annotated[int, Field(ge=1, le=100, description="Maximum number of items.")] = 20
    order: Annotated[Literal["asc", "desc"], Field(description="Order of the items.")] = "desc"


@router.post(
    "",
    operation_id="createResponse",
    summary="Create a response",
    response_class=Response,
    responses=with_events(documented("Response", 400, 404, 408, 409, 413, 415, 422, 429)),
    openapi_extra=json_body(CreateResponse, EXAMPLE),
)
async def create(
    request: Request,
    conversations: ConversationsDep,
    follower: FollowerDep,
    user_api: UserApiDep,
    limiter: StreamLimiterDep,
    draining: DrainingDep,
    settings: SettingsDep,
    body: Annotated[dict[str, Any], Depends(json_object)],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Make a Task for a Team, and return its answer as OpenAI's Responses API does.

    `model` is a Team as `namespace/name`. With `stream`, the answer is Server-Sent Events. With
    `background`, the response is returned at once. The run goes on when the client leaves. With the
    header `Idempotency-Key`, a repeated request is answered by the Task of the first one.
    """
    wanted = read_parameters(CreateResponse, body)
    if wanted.background and wanted.store is False:
        raise invalid("store", "must be true for a response in the background")
    conversation = conversation_of(
        wanted.input,
        "input",
        wanted.instructions or "",
        shorten=wanted.truncation == "auto",
    )
    schema = output_schema_of(wanted.text and wanted.text.format, "text.format")
    namespace = namespace_of(request, wanted.model)
    user = await identity(user_api, conversations.caller)
    repeatable = once(idempotency_key, RESPONSE, user, namespace, body)
    async with AsyncExitStack() as stack:
        slot = limiter.one(user.username)
        if wanted.stream:
            stack.enter_context(slot)
        elif not wanted.background:
            until_answered(slot)
        task = await conversations.made(repeatable, namespace)
        if task is None:
            task = await conversations.create(
                repeatable or RESPONSE,
                await conversations.team(wanted.model),
                namespace,
                conversation.spec(),
                schema=schema,
                previous=await _previous(conversations, wanted.previous_response_id, namespace),
                store=wanted.store is not False,
                metadata=wanted.metadata,
                background=bool(wanted.background),
            )
        if repeatable is None:
            task_made(request)
        if wanted.stream:
            return EventStream(
                _frames(follower, conversations, task),
                stack.pop_all(),
                draining,
                heartbeat_s=settings.watch_heartbeat_s,
            )
        if wanted.background:
            return _json(response_body(task, await conversations.ending(task)))
        ending = await unless_left(request, conversations.end_of(task))
        return _json(response_body(task, ending))
    raise AssertionError("no context manager in here swallows exceptions")


@router.get(
    "/{id}",
    operation_id="getResponse",
    summary="Get a response",
    response_class=Response,
    responses=with_events(documented("Response", 400, 404, 429)),
)
async def retrieve(
    conversations: ConversationsDep,
    follower: FollowerDep,
    user_api: UserApiDep,
    limiter: StreamLimiterDep,
    draining: DrainingDep,
    settings: SettingsDep,
    response_id: ResponseId,
    parameters: Annotated[RetrieveParameters, Query()],
) -> Response:
    """Get a response. With `stream`, its events from the beginning or after `starting_after`."""
    if parameters.starting_after is not None and not parameters.stream:
        raise invalid("starting_after", "is allowed only with stream=true")
    task = await _task(conversations, response_id)
    if not parameters.stream:
        return _json(response_body(task, await conversations.ending(task)))
    after = -1 if parameters.starting_after is None else parameters.starting_after
    status = task.get("status") or {}
    if attempt_of(after) > max(1, status.get("attempts") or 0):
        raise invalid("starting_after", NO_SUCH_EVENT)
    async with AsyncExitStack() as stack:
        stack.enter_context(limiter.one(await subject(user_api, conversations.caller)))
        frames = _frames(follower, conversations, task, after)
        if attempt_of(after) == status.get("attempts") and status.get("phase") in FINAL:
            frames = await continued(frames)
        return EventStream(
            frames,
            stack.pop_all(),
            draining,
            heartbeat_s=settings.watch_heartbeat_s,
        )
    raise AssertionError("no context manager in here swallows exceptions")


@router.post(
    "/{id}/cancel",
    operation_id="cancelResponse",
    summary="Cancel a response",
    response_class=Response,
    responses=documented("Response", 400, 404, 409, 422),
    dependencies=[Depends(no_body)],
)
async def cancel(conversations: ConversationsDep, response_id: ResponseId) -> Response:
    """Cancel the run of a response. Its partial text is kept."""
    task = await conversations.cancel(TaskId.of(await _task(conversations, response_id)))
    body = response_body(task, await conversations.ending(task))
    if body["status"] in {"queued", "in_progress"}:
        body["status"] = "cancelled"
    return _json(body)


@router.delete(
    "/{id}",
    operation_id="deleteResponse",
    summary="Delete a response",
    response_class=Response,
    responses=documented("Deleted", 400, 404, 409),
    dependencies=[Depends(no_body)],
)
async def delete(conversations: ConversationsDep, response_id: ResponseId) -> Response:
    """Delete the Task of a response. It can be restored from the trash."""
    id_ = _id(response_id)
    try:
        await conversations.delete(id_)
    except UpstreamStatus as refused:
        raise _not_found(response_id, refused) from refused
    return _json({"id": response_id, "object": "response", "deleted": True})


@router.get(
    "/{id}/input_items",
    operation_id="listResponseInputItems",
    summary="List the input items of a response",
    response_class=Response,
    responses=documented("ItemList", 400, 404),
)
async def items(
    conversations: ConversationsDep,
    response_id: ResponseId,
    parameters: Annotated[ItemsParameters, Query()],
) -> Response:
    """List the messages that a response was made from."""
    found = input_items(await _task(conversations, response_id))
    if parameters.order == "desc":
        found.reverse()
    if parameters.after is not None:
        ids = [it["id"] for it in found]
        if parameters.after not in ids:
            raise invalid("after", "must be the id of an item of this response")
        found = found[ids.index(parameters.after) + 1 :]
    page = found[: parameters.limit]
    return _json(
        {
            "object": "list",
            "data": page,
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
            "has_more": len(found) > len(page),
        }
    )


def _frames(
    follower: Follower, conversations: Conversations, task: dict[str, Any], after: int = -1
) -> Frames:
    """Return a response's events after one with a sequence number; -1: from the beginning."""
    frames = follower.frames(conversations.caller, task, run_position(after))
    return ResponseStream(task, frames, conversations.items, after).events()


async def continued(frames: Frames) -> Frames:
    """Return the frames of an ended run after some event of its last attempt.

    The run begins no further attempt. If its end comes before the event, there is no such event.

    Raises:
        Refusal: there is no such event.
    """
    first = await anext(frames, b"")
    if any(it.type == "error" and it.data["code"] == RESTARTED for it in events_in(first)):
        await frames.aclose()
        raise invalid("starting_after", NO_SUCH_EVENT)

    async def all_frames() -> Frames:
        async with aclosing(frames):
            if first:
                yield first
            async for frame in frames:
                yield frame

    return all_frames()


async def _previous(
    conversations: Conversations, response_id: str | None, namespace: str
) -> str | None:
    """Return the name of the Task to continue.

    Raises:
        Refusal: there is none, it hasn't completed, or it is in another namespace.
    """
    if response_id is None:
        return None
    field = "previous_response_id"
    missing = Refusal(
        400,
        f"Previous response with id '{response_id}' not found.",
        param=field,
        code="previous_response_not_found",
    )
    id_ = TaskId.parse(response_id)
    if id_ is None:
        raise missing
    if id_.namespace != namespace:
        raise unsupported(
            field,
            f"its Task is in the namespace {id_.namespace}, and that of this response would be in"
            f" {namespace}; send the header OpenAI-Project: {id_.namespace}",
        )
    try:
        task = await conversations.get(id_)
    except UpstreamStatus as refused:
        raise (missing if refused.is_not_found else refused) from refused
    phase = (task.get("status") or {}).get("phase")
    if phase in FINAL:
        status = STATUSES[phase]
    else:  # its runner may know the end a moment earlier
        status = response_body(task, await conversations.ending(task))["status"]
    if status not in {"completed", "incomplete"}:
        raise invalid(field, f"the response must be completed, and is {status}")
    return id_.name


def _id(response_id: str) -> TaskId:
    id_ = TaskId.parse(response_id)
    if id_ is None:
        raise _missing(response_id)
    return id_


async def _task(conversations: Conversations, response_id: str) -> dict[str, Any]:
    try:
        task = await conversations.get(_id(response_id))
    except UpstreamStatus as refused:
        raise _not_found(response_id, refused) from refused
    if "deletionTimestamp" in task["metadata"]:  # the operator still stores its Tombstone
        raise _missing(response_id)
    return task


def _not_found(response_id: str, refused: UpstreamStatus) -> Refusal | UpstreamStatus:
    return _missing(response_id) if refused.is_not_found else refused


def _missing(response_id: str) -> Refusal:
    return Refusal(404, f"Response with id '{response_id}' not found.", code="response_not_found")


def _json(body: Any) -> Response:
    return Response(encode_json(body), media_type=JSON)
