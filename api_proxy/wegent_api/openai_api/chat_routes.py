"""``/v1/chat/completions``: OpenAI's chat completions."""

from contextlib import AsyncExitStack
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response

from wegent_api.http.bodies import json_object
from wegent_api.http.disconnects import unless_left
from wegent_api.http.query import no_repeats
from wegent_api.http.request_scope import until_answered
from wegent_api.http.sse import EventStream
from wegent_api.http.state import SettingsDep
from wegent_api.openai_api.chat_object import chunks, completion_body, failure_of
from wegent_api.openai_api.errors import task_made
from wegent_api.openai_api.formats import output_schema_of
from wegent_api.openai_api.idempotency import IdempotencyKey, once
from wegent_api.openai_api.messages import conversation_of
from wegent_api.openai_api.openapi import documented, json_body, with_events
from wegent_api.openai_api.requests import CreateChatCompletion, read_parameters
from wegent_api.openai_api.tasks import ConversationsDep, namespace_of
from wegent_api.runs.follow import FollowerDep
from wegent_api.runs.routes import DrainingDep, StreamLimiterDep
from wegent_api.upstream.client import UserApiDep
from wegent_api.upstream.identity import identity
from wegent_kube.content_types import JSON
from wegent_kube.encoding import encode_json

router: Final = APIRouter(
    prefix="/v1/chat",
    tags=["openai"],
    dependencies=[Depends(no_repeats)],
)
PREFIX: Final = "chat"
"""Beginning of the names of Tasks."""
EXAMPLE: Final = {
    "model": "default/helpers",
    "messages": [{"role": "user", "content": "Say hello."}],
}


@router.post(
    "/completions",
    operation_id="createChatCompletion",
    summary="Create a chat completion",
    response_class=Response,
    responses=with_events(documented("ChatCompletion", 400, 404, 408, 409, 413, 415, 422, 429)),
    openapi_extra=json_body(CreateChatCompletion, EXAMPLE),
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
    """Make a Task for a Team, and return its answer as OpenAI's chat completions do.

    `model` is a Team as `namespace/name`. The last message is the Task's prompt, and those before
    it are its history. With `stream`, the answer is Server-Sent Events. With the header
    `Idempotency-Key`, a repeated request is answered by the Task of the first one.
    """
    wanted = read_parameters(CreateChatCompletion, body)
    conversation = conversation_of(wanted.messages, "messages")
    schema = output_schema_of(wanted.response_format, "response_format")
    namespace = namespace_of(request, wanted.model)
    user = await identity(user_api, conversations.caller)
    repeatable = once(idempotency_key, PREFIX, user, namespace, body)
    async with AsyncExitStack() as stack:
        slot = limiter.one(user.username)
        if wanted.stream:
            stack.enter_context(slot)
        else:
            until_answered(slot)
        task = await conversations.made(repeatable, namespace)
        if task is None:
            task = await conversations.create(
                repeatable or PREFIX,
                await conversations.team(wanted.model),
                namespace,
                conversation.spec(),
                schema=schema,
                store=wanted.store is not False,
                metadata=wanted.metadata,
            )
        if repeatable is None:
            task_made(request)
        if wanted.stream:
            options = wanted.stream_options
            frames = follower.frames(conversations.caller, task, "")
            return EventStream(
                chunks(task, frames, include_usage=bool(options and options.include_usage)),
                stack.pop_all(),
                draining,
                heartbeat_s=settings.watch_heartbeat_s,
            )
        ending = await unless_left(request, conversations.end_of(task))
        if ending is None:
            return Response(status_code=204)  # nobody reads it
        if (error := failure_of(ending)) is not None:
            task_made(request)  # the run has failed for good, also for a request with a key
            return Response(encode_json({"error": error}), 500, media_type=JSON)
        return Response(encode_json(completion_body(task, ending)), media_type=JSON)
    raise AssertionError("no context manager in here swallows exceptions")
