"""One connection of the WebSocket, from its first message to its end.

Messages of the client are read one after another: the next one is read once the last one is
answered. Each subscription sends its events by itself, and reads the next ones once the client has
room. So neither side is queued, and a connection needs bounded memory.
"""

import asyncio
import json
import logging
from collections.abc import Iterable
from contextlib import AsyncExitStack, ExitStack, aclosing, suppress
from dataclasses import dataclass
from typing import Any, Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from wegent_api.http.bearer import Caller, caller_of
from wegent_api.http.bodies import BodyReader, parse
from wegent_api.http.errors import (
    BadRequest,
    Conflict,
    Problem,
    RequestTimeout,
    TooManyRequests,
    Unauthorized,
    UpstreamStatus,
)
from wegent_api.http.query import WriteParameters
from wegent_api.http.request_scope import request_scope
from wegent_api.http.sse import LAST_WORDS_S
from wegent_api.kinds.creator import Creators
from wegent_api.kinds.field_managers import FieldManagers
from wegent_api.kinds.object_writer import ObjectWriter
from wegent_api.kinds.write import Writes
from wegent_api.runs.answer import give_answer
from wegent_api.runs.blocks import raw_events_in
from wegent_api.runs.cancel import request_cancel
from wegent_api.runs.follow import Follower
from wegent_api.server.logs import request_id
from wegent_api.server.metrics import Metrics
from wegent_api.server.websocket import ADMIT
from wegent_api.settings import Settings
from wegent_api.upstream.client import UserApi
from wegent_api.upstream.concurrency import RETRY_AFTER_S, ConcurrencyLimiter
from wegent_api.upstream.identity import subject
from wegent_api.websocket import messages
from wegent_api.websocket.messages import (
    Answer,
    Auth,
    Cancel,
    Create,
    Request,
    Requests,
    Subscribe,
    Unsubscribe,
)
from wegent_crds.registry import TASK
from wegent_kube.encoding import encode_json

logger = logging.getLogger("wegent_api.access")

AUTH_WITHIN_S: Final = 5.0
"""Seconds from the handshake to the first message, which has the token."""
MAX_SUBSCRIPTIONS: Final = 100
"""Limit of subscriptions of one connection."""
NAME_PREFIX: Final = "task-"
"""Beginning of the name of a Task that is created without a name."""
SERVICE_RESTART: Final = 1012
UNSUPPORTED_DATA: Final = 1003
INVALID_DATA: Final = 1007
OF_STATUS: Final = 4000
"""Sum with the code of a ``Status``: the close code of a connection that the Status ends."""
UNREADABLE: Final = "unreadable"
"""Type of a message that is no JSON, in metrics and logs."""


class Ending(Exception):  # noqa: N818 - names the event
    """The connection ends.

    Args:
        code: the close code.
        reason: text for the close frame.
        problem: is sent before the close frame.
    """

    def __init__(self, code: int, reason: str, problem: Problem | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.problem = problem

    @classmethod
    def of(cls, problem: Problem) -> "Ending":
        """Return the end that a problem causes."""
        return cls(OF_STATUS + problem.code, problem.reason, problem)


@dataclass(frozen=True, slots=True)
class Services:
    """The objects that sessions work with."""

    settings: Settings
    metrics: Metrics
    draining: asyncio.Event
    body_reader: BodyReader
    user_api: UserApi
    creators: Creators
    field_managers: FieldManagers
    follower: Follower
    limiter: ConcurrencyLimiter


class Session:
    """One connection.

    Args:
        socket: the accepted WebSocket.
        services: the objects to work with.
    """

    def __init__(self, socket: WebSocket, services: Services) -> None:
        self._socket = socket
        self._services = services
        self._sending = asyncio.Lock()
        self._ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._subscriptions: dict[str, asyncio.Task[None]] = {}
        self._caller = Caller("")
        self._user = ""
        self._stuck = False

    async def serve(self) -> None:
        """Serve the connection until the client leaves, the token ends, or the proxy stops."""
        try:
            async with AsyncExitStack() as stack:
                await self._authenticate(stack)
                await self._serve()
        except Ending as ending:
            with suppress(WebSocketDisconnect):
                await self._close(ending)
        except WebSocketDisconnect:
            pass

    # --- the beginning

    async def _authenticate(self, stack: AsyncExitStack) -> None:
        services = self._services
        try:
            async with asyncio.timeout(AUTH_WITHIN_S):
                message = await self._decode(await self._receive())
        except TimeoutError:
            late = RequestTimeout(f"no token within {AUTH_WITHIN_S:.0f} s; send auth first")
            raise Ending.of(late) from None
        try:
            request = Requests.of(message)
            if not isinstance(request, Auth):
                raise Unauthorized("the first message must be auth, with a token")
            self._caller = caller_of(request.token)
            self._user = await subject(services.user_api, self._caller)
            stack.enter_context(services.limiter.one(self._user))
        except Problem as problem:
            self._record(messages.type_of(message), problem.code)
            raise Ending.of(problem) from None
        self._record("auth", 200)
        self._extension("admit")
        stack.enter_context(services.metrics.websockets.track_inprogress())
        await self._send(messages.ready(self._user, request_id.get()))

    def _extension(self, name: str) -> None:
        """Call the server's extension."""
        extension = self._socket.scope.get("extensions", {}).get(ADMIT, {})
        extension.get(name, _nothing)()

    # --- the middle

    async def _serve(self) -> None:
        reading = asyncio.create_task(self._read())
        checking = asyncio.create_task(self._check_token())
        going = asyncio.create_task(self._services.draining.wait())
        tasks = (reading, checking, going)
        try:
            await asyncio.wait((*tasks, self._ending), return_when=asyncio.FIRST_COMPLETED)
            for task in (reading, checking):
                if task.done():
                    task.result()
            if self._ending.done():
                raise self._ending.result()
            raise Ending(SERVICE_RESTART, "the server is going away; connect again")
        finally:
            await self._stop(tasks)

    async def _stop(self, tasks: Iterable[asyncio.Task[Any]]) -> None:
        """End all tasks. A message that is begun is sent to its end, if the client takes it."""
        try:
            async with asyncio.timeout(LAST_WORDS_S):
                await self._sending.acquire()  # for good: nothing else is sent from now on
        except TimeoutError:
            self._stuck = True
        ended = [*tasks, *self._subscriptions.values()]
        for task in ended:
            task.cancel()
        await asyncio.gather(*ended, return_exceptions=True)

    async def _check_token(self) -> None:
        """End the connection once the API server does not accept the token any more."""
        while True:
            await asyncio.sleep(self._services.settings.watch_renew_s)
            try:
                await subject(self._services.user_api, self._caller)
            except Problem as problem:
                if problem.is_unauthorized:
                    raise Ending.of(problem) from None

    async def _read(self) -> None:
        while True:
            raw = await self._receive()
            with request_scope():  # a long message counts until it is answered
                await self._handle(raw)

    async def _handle(self, raw: bytes) -> None:
        """Answer one message.

        Raises:
            Ending: the message, or the token, ends the connection.
        """
        id_ = type_ = None
        try:
            await self._services.body_reader.admit(self._caller, len(raw))
            message = await self._decode(raw)
            id_, type_ = messages.id_of(message), messages.type_of(message)
            await self._answer(Requests.of(message))
        except Problem as problem:
            self._record(type_, problem.code)
            if problem.is_unauthorized:
                raise Ending.of(problem) from None
            await self._send(messages.error(problem, id_))
        else:
            self._record(type_, 200)

    async def _receive(self) -> bytes:
        """Return the client's next message.

        Raises:
            Ending: it is not text.
            WebSocketDisconnect: the client has left.
        """
        received = await self._socket.receive()
        if received["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(received.get("code", 1005), received.get("reason"))
        text = received.get("text")
        if text is None:
            self._record(UNREADABLE, UNSUPPORTED_DATA)
            raise Ending(UNSUPPORTED_DATA, "messages must be text, not binary")
        return str(text).encode()

    async def _decode(self, raw: bytes) -> Any:
        """Return a message's value.

        Raises:
            Ending: it is not JSON.
        """
        try:
            return await self._services.body_reader.parse(raw, parse)
        except BadRequest as problem:
            wrong = BadRequest(problem.message.replace("the body", "the message", 1))
            self._record(UNREADABLE, INVALID_DATA)
            raise Ending(INVALID_DATA, wrong.message, wrong) from None

    async def _answer(self, request: Request) -> None:
        """Do as a message asks.

        Raises:
            Problem: it is refused.
        """
        match request:
            case Auth():
                raise Conflict("the connection is authenticated already; open another one")
            case Subscribe():
                await self._subscribe(request)
            case Unsubscribe():
                await self._unsubscribe(request.id)
            case Create():
                await self._create(request)
            case Cancel():
                services = self._services
                await request_cancel(
                    services.user_api, self._caller, request.namespace, request.task
                )
                await self._send(messages.cancelling(request.id, request.namespace, request.task))
            case Answer():
                await give_answer(
                    self._services.user_api,
                    self._caller,
                    request.namespace,
                    request.task,
                    request.answer,
                    by=self._user,
                )
                await self._send(messages.answered(request.id, request.namespace, request.task))

    # --- subscriptions

    async def _subscribe(self, request: Subscribe) -> None:
        with self._slot(request.id) as slot:
            task = await self._services.follower.task(self._caller, request.namespace, request.task)
            await self._send(messages.subscribed(request.id, request.namespace, request.task))
            self._begin(request.id, task, request.after or "", slot.pop_all())

    async def _create(self, request: Create) -> None:
        services = self._services
        writer = ObjectWriter(
            services.user_api, self._caller, services.creators, services.field_managers
        )
        wanted = _completed(request.object)
        with self._slot(request.id) as slot:
            parameters = WriteParameters.model_validate(
                {"namespace": request.namespace, "validateRefs": request.validate_refs}
            )
            answer = await Writes(TASK).create(writer, parameters, wanted)
            task = json.loads(bytes(answer.body))
            await self._send(messages.created(request.id, task))
            self._begin(request.id, task, "", slot.pop_all())

    def _slot(self, id_: str) -> ExitStack:
        """Return a slot for a new subscription.

        Raises:
            Conflict: the id is in use.
            TooManyRequests: the connection or the user has too many subscriptions.
            Unavailable: there are too many streams.
        """
        if id_ in self._subscriptions:
            raise Conflict("id: is in use by another subscription; unsubscribe first")
        if len(self._subscriptions) >= MAX_SUBSCRIPTIONS:
            message = f"too many subscriptions: the limit is {MAX_SUBSCRIPTIONS} per connection"
            raise TooManyRequests(message, retry_after_s=RETRY_AFTER_S)
        slot = ExitStack()
        slot.enter_context(self._services.limiter.one(self._user))
        return slot

    def _begin(self, id_: str, task: dict[str, Any], after: str, slot: ExitStack) -> None:
        following = asyncio.create_task(self._follow(id_, task, after))
        self._subscriptions[id_] = following

        def ended(_: asyncio.Task[None]) -> None:
            slot.close()
            if self._subscriptions.get(id_) is following:
                del self._subscriptions[id_]

        following.add_done_callback(ended)

    async def _unsubscribe(self, id_: str) -> None:
        following = self._subscriptions.get(id_)
        if following is not None:
            async with self._sending:  # a message that is begun must be sent to its end
                following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        await self._send(messages.unsubscribed(id_))

    async def _follow(self, id_: str, task: dict[str, Any], after: str) -> None:
        """Send the events of a run."""
        encoded_id = encode_json(id_)
        try:
            async with aclosing(self._services.follower.frames(self._caller, task, after)) as found:
                async for whole in found:
                    for event in raw_events_in(whole):
                        if event.type == "error":
                            await self._fail(id_, json.loads(event.data))
                        else:
                            await self._send(messages.event(encoded_id, event))
                    await asyncio.sleep(0)  # ready events must not hold up the event loop
        except WebSocketDisconnect:
            pass  # the reader sees it as well
        except Exception:
            logger.exception("unexpected error")
            self._end(Ending(1011, "internal error"))

    async def _fail(self, id_: str, status: dict[str, Any]) -> None:
        """Send the end of a subscription. Without a valid token, the connection ends."""
        problem = UpstreamStatus(status, int(status.get("code") or 500), {})
        if problem.is_unauthorized:
            self._end(Ending.of(problem))
        else:
            await self._send(messages.error(problem, id_))

    def _end(self, ending: Ending) -> None:
        if not self._ending.done():
            self._ending.set_result(ending)

    # --- sending

    async def _send(self, message: bytes) -> None:
        """Send a message once the client has room.

        Raises:
            WebSocketDisconnect: the client has left.
        """
        async with self._sending:
            await self._socket.send_text(message.decode())

    async def _close(self, ending: Ending) -> None:
        """Say why the connection ends. Cut it if the client does not read."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_S):
                if not self._stuck:
                    if ending.problem is not None:
                        await self._socket.send_text(messages.error(ending.problem).decode())
                    await self._socket.close(ending.code, messages.reason_of(ending.reason))
                    return
        self._extension("abort")

    def _record(self, type_: str | None, code: int) -> None:
        label = type_ or "other"
        self._services.metrics.websocket_messages.labels(label, code).inc()
        logger.info("message %s %s", label, code, extra={"status": code})


def _completed(wanted: dict[str, Any]) -> dict[str, Any]:
    """Return a Task with a beginning of its name, if it has no name."""
    metadata = wanted.get("metadata", {})
    if not isinstance(metadata, dict) or metadata.get("name") or metadata.get("generateName"):
        return wanted
    return {**wanted, "metadata": {**metadata, "generateName": NAME_PREFIX}}


def _nothing() -> None:
    """Do nothing. This replaces the extension on a server without the proxy's own protocol."""
