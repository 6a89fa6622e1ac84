"""The runners: where they are, and requests to them with a token for them alone.

Each runner has a Lease in Wegent's namespace, with its address. Only runners may write such Leases,
so no user can make the proxy dial an address. A runner whose Lease is not renewed is not dialled:
its address may belong to another Pod by now.
"""

import asyncio
import logging
import math
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Final, Self
from urllib.parse import quote

import aiohttp
from fastapi import Depends

from wegent_api.http.errors import NotFound, Problem, Unavailable
from wegent_api.http.state import FromState
from wegent_api.server.logs import request_id
from wegent_crds.former_tasks import former_uids
from wegent_crds.moments import moment
from wegent_crds.runners import ADDRESS_ANNOTATION, AUDIENCE, LEASE_PREFIX
from wegent_kube import KubeClient, KubeError
from wegent_kube.informer import Informer, Name
from wegent_kube.resources import LEASES, SERVICE_ACCOUNTS

logger = logging.getLogger(__name__)

TOKEN_LIFETIME_S: Final = 3600
TOKEN_RENEWED_AFTER: Final = 0.8
"""Share of a token's lifetime after which the next one is requested."""
TOKEN_MIN_AGE_S: Final = 10.0
"""Seconds for which a new token is kept even if a runner refuses it. So a runner that refuses every
token does not cost a request for a new one each time."""
STALE_S: Final = 120.0
"""Age in seconds of a renewal after which a Lease that is seen for the first time counts as that of
a dead runner, until it is renewed. The clocks of nodes may differ by some of it."""
REQUEST_ID: Final = "X-Request-Id"
CONNECT_TIMEOUT_S: Final = 3.0
SILENCE_S: Final = 45.0
"""Seconds without a byte after which a runner counts as gone. It sends a heartbeat each 15 s."""
RETRY_AFTER_S: Final = 5
TEST_TIMEOUT_S: Final = 40.0
"""Seconds for the test of a Model, over all runners that are asked. A runner takes at most 30."""


class NotHere(Exception):  # noqa: N818 - names the answer
    """The runner doesn't run the Task, and has no ended run of it."""


@dataclass(frozen=True, slots=True)
class _Known:
    address: str
    renewed: str
    until: float


class Runners:
    """The live runners, and a client for them. An async context manager.

    Args:
        own_api: the proxy's client.
        namespace: namespace of the Leases and of the proxy's ServiceAccount.
        service_account: name of the proxy's ServiceAccount.
        clock: returns seconds.
    """

    def __init__(
        self,
        own_api: KubeClient,
        namespace: str,
        service_account: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._own_api = own_api
        self._clock = clock
        self._token_path = SERVICE_ACCOUNTS.path(namespace, service_account, "token")
        self._informer = Informer(own_api, LEASES.path(namespace), self)
        self._known: dict[str, _Known] = {}
        self._token = ""
        self._token_at = self._token_due = self._token_ends = -math.inf
        self._renewing: asyncio.Task[None] | None = None
        self._informing: asyncio.Task[None] | None = None
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=SILENCE_S
            ),
        )

    async def __aenter__(self) -> Self:
        self._informing = asyncio.create_task(self._informer.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in (self._informing, self._renewing):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError, Problem):
                    await task
        await self._session.close()

    def changed(self, body: Mapping[str, Any]) -> None:
        """Handle a Lease of the list or the watch."""
        name = body["metadata"]["name"]
        spec = body.get("spec") or {}
        address = (body["metadata"].get("annotations") or {}).get(ADDRESS_ANNOTATION)
        if not name.startswith(LEASE_PREFIX) or not address:
            return
        renewed = spec.get("renewTime") or ""
        known = self._known.get(name)
        if known is None or (known.renewed, known.address) != (renewed, address):
            # Without a renewal that this process has seen, the writer's clock is all there is.
            alive = known is not None or _age_s(renewed) <= STALE_S
            lasts_s = float(spec.get("leaseDurationSeconds") or 0)
            until = self._clock() + lasts_s if alive else -math.inf
            self._known[name] = _Known(address, renewed, until)

    def deleted(self, name: Name) -> None:
        """Handle the end of a Lease."""
        self._known.pop(name[1], None)

    def listed(self, names: AbstractSet[Name]) -> None:
        """Handle a complete list."""
        for name in self._known.keys() - {name for _, name in names}:
            del self._known[name]

    def failed(self, error: Exception) -> None:
        """Keep what is known. Leases that are not seen renewed expire."""

    def addresses(self, holder: str | None = None) -> list[str]:
        """Return the address of a runner, or of all live ones in random order; empty if none lives.

        A runner that was killed counts as live until its Lease has expired.
        """
        now = self._clock()
        alive = {name: it.address for name, it in self._known.items() if now <= it.until}
        if holder is not None:
            return [alive[holder]] if holder in alive else []
        return random.sample(list(alive.values()), len(alive))

    @asynccontextmanager
    async def open(
        self,
        address: str,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        method: str = "GET",
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request to a runner, and yield its answer before the body is read.

        Raises:
            NotHere: the runner has nothing of the Task.
            Unavailable: the runner gave no answer, or broke off while the body was read.
        """
        try:
            async with await self._request(method, address + path, params) as response:
                if response.status in {404, 409}:
                    raise NotHere
                if response.status != 200:
                    raise Unavailable(f"the runner answered {response.status}")
                yield response
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable("the runner gave no answer", retry_after_s=RETRY_AFTER_S) from error

    async def read(self, task: Mapping[str, Any], params: Mapping[str, str] | None = None) -> Any:
        """Return the transcript of a Task, from the first live runner that has it.

        ``params`` are further parameters of the request.

        Raises:
            NotFound: the runners that answered have none.
            Unavailable: no runner is alive, or none gave an answer.
        """
        failure: Problem = Unavailable("no runner is running", retry_after_s=RETRY_AFTER_S)
        path = f"/v1/runs/{task['metadata']['uid']}/transcript"
        asked = {**former_life(task), **(params or {})}
        for address in self.addresses():
            try:
                async with self.open(address, path, asked) as response:
                    return await response.json()
            except NotHere:
                failure = NotFound("there is no transcript: no runner of Wegent has begun the Task")
            except Unavailable as error:
                failure = failure if isinstance(failure, NotFound) else error
        raise failure

    async def test_model(self, namespace: str, name: str) -> Any:
        """Have a live runner try a Model, and return the result.

        Raises:
            NotFound: the runner finds no such Model.
            Unavailable: no runner is alive, or none gave an answer in time.
        """
        failure: Problem = Unavailable(
            "no runner is running, and only a runner calls Models", retry_after_s=RETRY_AFTER_S
        )
        path = f"/v1/models/{quote(namespace, safe='')}/{quote(name, safe='')}/test"
        try:
            async with asyncio.timeout(TEST_TIMEOUT_S):
                for address in self.addresses():
                    try:
                        async with self.open(address, path, method="POST") as response:
                            return await response.json()
                    except Unavailable as error:
                        failure = error
        except NotHere as error:
            raise NotFound(f'models "{name}" not found by the runner') from error
        except TimeoutError as error:
            raise Unavailable("the runner gave no answer", retry_after_s=RETRY_AFTER_S) from error
        raise failure

    async def _request(
        self, method: str, url: str, params: Mapping[str, str] | None
    ) -> aiohttp.ClientResponse:
        """Send a request with a token that the runner accepts, if there is one."""
        token = await self._current_token()
        response = await self._send(method, url, params, token)
        if response.status == HTTPStatus.UNAUTHORIZED and self._refused(token):
            response.release()
            response = await self._send(method, url, params, await self._current_token())
        return response

    async def _send(
        self, method: str, url: str, params: Mapping[str, str] | None, token: str
    ) -> aiohttp.ClientResponse:
        return await self._session.request(
            method,
            url,
            params=params,
            headers={
                "Authorization": f"Bearer {token}",
                **({REQUEST_ID: id_} if (id_ := request_id.get()) else {}),
            },
            allow_redirects=False,
        )

    def _refused(self, token: str) -> bool:
        """Forget a token that a runner refused. Return whether another one is worth a try."""
        if token != self._token:
            return True  # another request has got a new one
        if self._clock() - self._token_at < TOKEN_MIN_AGE_S:
            return False
        self._token_due = self._token_ends = -math.inf
        return True

    async def _current_token(self) -> str:
        """Return a token that is valid.

        While the next one is requested, the current one is used until it ends. All that wait for
        the next one share one request: the API server may take long to answer.
        """
        now = self._clock()
        if now >= self._token_due and self._renewing is None:
            self._renewing = asyncio.create_task(self._renew())
            self._renewing.add_done_callback(self._renewed)
        if now >= self._token_ends and self._renewing is not None:
            await asyncio.shield(self._renewing)
        return self._token

    async def _renew(self) -> None:
        try:
            answer = await self._own_api.request(
                "POST",
                self._token_path,
                body={
                    "apiVersion": "authentication.k8s.io/v1",
                    "kind": "TokenRequest",
                    "spec": {"audiences": [AUDIENCE], "expirationSeconds": TOKEN_LIFETIME_S},
                },
            )
        except KubeError as error:
            raise Unavailable("no token for the runner: try again") from error
        lifetime_s = _lifetime_s(answer)
        self._token = answer["status"]["token"]
        self._token_at = self._clock()
        self._token_due = self._token_at + TOKEN_RENEWED_AFTER * lifetime_s
        self._token_ends = self._token_at + lifetime_s

    def _renewed(self, renewing: asyncio.Task[None]) -> None:
        self._renewing = None
        if not renewing.cancelled() and isinstance(error := renewing.exception(), Unavailable):
            logger.warning("%s", error.__cause__)


def _age_s(renewed: str) -> float:
    """Return the seconds between a renewal and now, on either side; infinite for no time at all."""
    at = moment(renewed)
    return abs((datetime.now(UTC) - at).total_seconds()) if at else math.inf


def _lifetime_s(answer: Mapping[str, Any]) -> float:
    """Return the lifetime of a new token. The API server may grant less than was requested."""
    expires = moment(answer["status"].get("expirationTimestamp"))
    left = (expires - datetime.now(UTC)).total_seconds() if expires else TOKEN_LIFETIME_S
    return min(max(left, TOKEN_MIN_AGE_S), TOKEN_LIFETIME_S)


def former_life(task: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters by which a runner finds the transcript of a restored Task.

    It is stored under a UID that the Task had before it was deleted.
    """
    metadata = task["metadata"]
    if not (former := former_uids(metadata)):
        return {}
    return {
        "formerUids": ",".join(former),
        "namespace": metadata["namespace"],
        "name": metadata["name"],
    }


RunnersDep = Annotated[Runners, Depends(FromState("runners"))]
"""Parameter type of a route that reads runs."""
