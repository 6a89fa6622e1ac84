"""``/api/v1/ws``: follow, create and cancel Tasks on one connection.

The token is in the first message and not in the URL, which servers on the way log. Browsers can't
set a header for a WebSocket. There are no cookies, so a page of another origin has no rights that
it could abuse, and ``Origin`` is not checked.
"""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Response, WebSocket

from wegent_api.http.bodies import BodyReaderDep
from wegent_api.http.error_responses import problem_response
from wegent_api.http.errors import BadRequest, Problem, Unavailable, UpgradeRequired
from wegent_api.http.openapi import statuses
from wegent_api.http.state import SettingsDep
from wegent_api.kinds.creator import CreatorsDep
from wegent_api.kinds.field_managers import FieldManagersDep
from wegent_api.runs.follow import FollowerDep
from wegent_api.runs.routes import StreamLimiterDep
from wegent_api.server.metrics import MetricsDep
from wegent_api.server.readiness import DrainingDep
from wegent_api.server.websocket import PATH
from wegent_api.upstream.client import UserApiDep
from wegent_api.websocket.session import Services, Session

router: Final = APIRouter(tags=["tasks"])


@router.get(
    PATH,
    operation_id="openWebSocket",
    summary="Follow many Tasks on a WebSocket",
    status_code=101,
    response_class=Response,
    responses={
        101: {"description": "The connection is a WebSocket from now on."},
        **statuses(400, 426, 503),
    },
)
async def get() -> Response:
    """Open a WebSocket (RFC 6455). Its first message has the token; docs/websocket.md has all.

    A request that asks for no WebSocket is answered with 426.
    """
    raise UpgradeRequired("the path is for WebSockets: send Upgrade: websocket")


async def _services(
    settings: SettingsDep,
    metrics: MetricsDep,
    draining: DrainingDep,
    body_reader: BodyReaderDep,
    user_api: UserApiDep,
    creators: CreatorsDep,
    field_managers: FieldManagersDep,
    follower: FollowerDep,
    limiter: StreamLimiterDep,
) -> Services:
    return Services(
        settings,
        metrics,
        draining,
        body_reader,
        user_api,
        creators,
        field_managers,
        follower,
        limiter,
    )


@router.websocket(PATH)
async def serve(socket: WebSocket, services: Annotated[Services, Depends(_services)]) -> None:
    """Serve one connection."""
    problem: Problem | None = None
    if services.draining.is_set():
        problem = Unavailable("the proxy is shutting down; connect again")
    elif socket.url.query:
        problem = BadRequest("the URL must have no query: the token is in the first message")
    if problem is not None:
        await socket.send_denial_response(problem_response(problem))
        return
    await socket.accept()
    await Session(socket, services).serve()
