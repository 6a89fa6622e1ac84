"""The HTTP server: streams and transcripts for the API proxy, health, and metrics."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final
from weakref import WeakValueDictionary

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from wegent_kube import KubeError
from wegent_kube.encoding import encode_json
from wegent_runner.runs.hub import Hub
from wegent_runner.runs.items import output_items
from wegent_runner.runs.log import RunLog
from wegent_runner.serve.callers import Callers, Overloaded
from wegent_runner.serve.definitions import used_body
from wegent_runner.serve.model_tests import ModelTests, TestModel
from wegent_runner.serve.sse import EventIdError, parse_id, stream
from wegent_runner.store.failures import StoreError
from wegent_runner.store.transcript import Transcript
from wegent_runner.store.transcripts import TranscriptStore
from wegent_runner.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

MAX_ID_CHARACTERS: Final = 128
SHUTDOWN_S: Final = 2.0
"""Seconds that open answers have at the end. The rest of a stream comes from another runner."""
IDLE_S: Final = 30.0
"""Seconds without a request after which a connection is closed. It may take twice as long."""
Problems = Callable[[], list[str]]


class Server:
    """Serves streams, transcripts and tests of Models to the API proxy, health, and metrics.

    Args:
        hub: the running logs.
        store: the transcripts.
        callers: decides who may read them.
        metrics: the metrics of the program.
        problems: returns the reasons for which the runner isn't ready.
        dead: returns the names of the parts of the program that fail again and again.
        test_model: tries a Model.
    """

    def __init__(
        self,
        hub: Hub,
        store: TranscriptStore,
        callers: Callers,
        *,
        metrics: Metrics,
        problems: Problems,
        dead: Problems,
        test_model: TestModel,
    ) -> None:
        self._hub = hub
        self._store = store
        self._callers = callers
        self._metrics = metrics
        self._problems = problems
        self._dead = dead
        self._model_tests = ModelTests(test_model)
        self._ended: WeakValueDictionary[tuple[str, int], RunLog] = WeakValueDictionary()
        """The logs of stored runs that somebody reads, by UID and attempt. Readers share them."""
        self._runner: web.AppRunner | None = None
        self._closing: asyncio.Task[None] | None = None
        self._answering: set[web.RequestHandler] = set()
        self._idle: set[web.RequestHandler] = set()
        """Connections without a request since the last time that ``_close_idle`` looked."""
        self.port = 0
        """The port on which the server listens, once it has started."""

    async def start(self, host: str, port: int) -> None:
        """Start the HTTP server."""
        app = web.Application(client_max_size=1024, middlewares=[self._mark_busy])
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._serve_metrics)
        app.router.add_get("/v1/runs/{uid}/events", self._events)
        app.router.add_get("/v1/runs/{uid}/transcript", self._transcript)
        app.router.add_post("/v1/models/{namespace}/{name}/test", self._test_model)
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=SHUTDOWN_S
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        self.port = self._runner.addresses[0][1]
        self._closing = asyncio.create_task(self._close_idle(self._runner))

    async def stop(self) -> None:
        """Stop the HTTP server."""
        if self._closing is not None:
            self._closing.cancel()
            with suppress(asyncio.CancelledError):
                await self._closing
        if self._runner is not None:
            await self._runner.cleanup()

    async def _close_idle(self, runner: web.AppRunner) -> None:
        """Close the connections that send no request.

        Everything in the cluster's network may connect. aiohttp has no limit of time for the first
        request of a connection, nor for its head.
        """
        while (server := runner.server) is not None:
            connections = set(server.connections) - self._answering
            for connection in connections & self._idle:
                connection.force_close()
            self._idle = connections
            await asyncio.sleep(IDLE_S)

    @web.middleware
    async def _mark_busy(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        connection = request.protocol
        self._idle.discard(connection)
        self._answering.add(connection)
        try:
            return await handler(request)
        finally:
            self._answering.discard(connection)

    async def _healthz(self, _: web.Request) -> web.Response:
        if dead := self._dead():
            return web.Response(status=503, text=f"failing: {', '.join(dead)}\n")
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        if problems := self._problems():
            return web.Response(status=503, text="".join(f"{line}\n" for line in problems))
        return web.Response(text="ok\n")

    async def _serve_metrics(self, _: web.Request) -> web.Response:
        page = generate_latest(self._metrics.registry)
        return web.Response(body=page, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        await self._authenticate(request)
        try:
            attempt, position = parse_id(request.query.get("after", ""))
        except EventIdError as error:
            raise web.HTTPBadRequest(text=f"after: {error}") from error
        uid = request.match_info["uid"]
        log = self._hub.get(uid)
        if log is None:
            log = await self._stored_log(request)
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        await response.prepare(request)
        logger.info(
            "events of %s after %d.%d",
            uid,
            attempt,
            position,
            extra={"requestId": request.headers.get("X-Request-Id", "")[:MAX_ID_CHARACTERS]},
        )
        # A reader that leaves is no error.
        with self._metrics.streams.track_inprogress(), suppress(ConnectionResetError):
            async for chunk in stream(log, attempt, position):
                await response.write(chunk)
        return response

    async def _stored_log(self, request: web.Request) -> RunLog:
        """Return the log of a stored run, which its readers share.

        Each read of the store makes a text of its own, which must not live as long as a reader.
        """
        log = _log_of(await self._stored(request), waits="waits" in request.query)
        if log.abandoned:  # the run goes on, and its log gets longer
            return log
        return self._ended.setdefault((request.match_info["uid"], log.attempt), log)

    async def _transcript(self, request: web.Request) -> web.Response:
        await self._authenticate(request)
        stored = await self._stored(request)
        try:
            used = await used_body(self._store, stored.uid, request.query)
        except StoreError as error:
            raise web.HTTPServiceUnavailable(text=str(error)) from error
        body = transcript_body(stored) | used
        return web.Response(body=encode_json(body), content_type="application/json")

    async def _test_model(self, request: web.Request) -> web.Response:
        await self._authenticate(request)
        return await self._model_tests.answer(request)

    async def _authenticate(self, request: web.Request) -> None:
        try:
            permitted = await self._callers.permits(request.headers.get("Authorization", ""))
        except KubeError as error:
            logger.warning("TokenReview: %s", error)
            raise web.HTTPServiceUnavailable(text="the token can't be reviewed now") from error
        except Overloaded as error:
            raise web.HTTPServiceUnavailable(text="too many unknown tokens") from error
        if not permitted:
            raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Bearer"})

    async def _stored(self, request: web.Request) -> Transcript:
        """Return the transcript of a Task, or that of a former life of a restored one."""
        uid, query = request.match_info["uid"], request.query
        try:
            transcript = await self._store.get(uid)
            if transcript is None and (former := query.get("formerUids")):
                await self._store.adopt(
                    uid,
                    former.split(","),
                    namespace=query.get("namespace", ""),
                    name=query.get("name", ""),
                )
                transcript = await self._store.get(uid)
        except StoreError as error:
            raise web.HTTPServiceUnavailable(text=str(error)) from error
        if transcript is None:
            raise web.HTTPNotFound(text="no transcript of this Task")
        return transcript


def _log_of(transcript: Transcript, *, waits: bool) -> RunLog:
    """Return the log of a stored run. Without an outcome, it runs elsewhere or waits.

    Args:
        transcript: The stored run.
        waits: True if the Task waits for people, as the API proxy knows it. The log then ends
            without ``run.ended``.
    """
    log = RunLog(transcript.attempt, transcript.items)
    if transcript.outcome is not None:
        log.close(dict(transcript.outcome))
    elif waits:
        log.abandon()
    else:
        raise web.HTTPConflict(text="the Task doesn't run here")
    return log


def transcript_body(transcript: Transcript) -> dict[str, Any]:
    """Return a transcript as JSON: history and prompt, then the items, in OpenAI's form."""
    turns = [*transcript.history, {"role": "user", "content": transcript.prompt}]
    return {
        "attempt": transcript.attempt,
        "items": [*map(_said, turns), *output_items(transcript.items)],
        "outcome": transcript.outcome,
    }


def _said(turn: Mapping[str, str]) -> dict[str, Any]:
    """Return a turn of the Task's spec as an item."""
    part = "input_text" if turn["role"] == "user" else "output_text"
    content = [{"type": part, "text": turn["content"]}]
    return {"type": "message", "role": turn["role"], "content": content}
