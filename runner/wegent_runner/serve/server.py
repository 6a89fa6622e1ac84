"""The HTTP server: streams and transcripts for the API proxy, health, and metrics."""

import logging
from collections.abc import Callable
from typing import Any

from aiohttp import web

from wegent_kube import KubeError
from wegent_kube.encoding import encode_json
from wegent_runner.runs.hub import Hub
from wegent_runner.runs.items import item_of
from wegent_runner.runs.log import RunLog
from wegent_runner.serve.callers import Callers
from wegent_runner.serve.sse import EventIdError, parse_id, stream
from wegent_runner.store.failures import StoreError
from wegent_runner.store.transcripts import Transcript, TranscriptStore

logger = logging.getLogger(__name__)

Problems = Callable[[], list[str]]


class Server:
    """Serves ``/v1/runs/{uid}/events`` and ``.../transcript``, ``/healthz``, ``/readyz``."""

    def __init__(
        self, hub: Hub, store: TranscriptStore, callers: Callers, problems: Problems
    ) -> None:
        self._hub = hub
        self._store = store
        self._callers = callers
        self._problems = problems
        self._runner: web.AppRunner | None = None
        self.port = 0
        """The port on which the server listens, once it has started."""

    async def start(self, host: str, port: int) -> None:
        """Start the HTTP server."""
        app = web.Application(client_max_size=1024)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/v1/runs/{uid}/events", self._events)
        app.router.add_get("/v1/runs/{uid}/transcript", self._transcript)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop the HTTP server."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        if problems := self._problems():
            return web.Response(status=503, text="".join(f"{line}\n" for line in problems))
        return web.Response(text="ok\n")

    async def _events(self, request: web.Request) -> web.StreamResponse:
        await self._authenticate(request)
        try:
            attempt, position = parse_id(request.query.get("after", ""))
        except EventIdError as error:
            raise web.HTTPBadRequest(text=f"after: {error}") from error
        uid = request.match_info["uid"]
        log = self._hub.get(uid)
        if log is None:
            log = _log_of(await self._stored(uid))
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        await response.prepare(request)
        async for chunk in stream(log, attempt, position):
            await response.write(chunk)
        return response

    async def _transcript(self, request: web.Request) -> web.Response:
        await self._authenticate(request)
        body = transcript_body(await self._stored(request.match_info["uid"]))
        return web.Response(body=encode_json(body), content_type="application/json")

    async def _authenticate(self, request: web.Request) -> None:
        try:
            permitted = await self._callers.permits(request.headers.get("Authorization", ""))
        except KubeError as error:
            logger.warning("TokenReview: %s", error)
            raise web.HTTPServiceUnavailable(text="the token can't be reviewed now") from error
        if not permitted:
            raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Bearer"})

    async def _stored(self, uid: str) -> Transcript:
        try:
            transcript = await self._store.get(uid)
        except StoreError as error:
            raise web.HTTPServiceUnavailable(text=str(error)) from error
        if transcript is None:
            raise web.HTTPNotFound(text="no transcript of this Task")
        return transcript


def _log_of(transcript: Transcript) -> RunLog:
    """Return the log of a stored run. Without an outcome, it runs elsewhere or waits."""
    if transcript.outcome is None:
        raise web.HTTPConflict(text="the Task doesn't run here")
    log = RunLog(transcript.attempt, transcript.items)
    log.close(dict(transcript.outcome))
    return log


def transcript_body(transcript: Transcript) -> dict[str, Any]:
    """Return a transcript as JSON: the prompt, then the items in OpenAI's Responses form."""
    prompt = {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": transcript.prompt}],
    }
    return {
        "attempt": transcript.attempt,
        "items": [prompt, *map(item_of, transcript.items)],
        "outcome": transcript.outcome,
    }
