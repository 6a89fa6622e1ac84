"""Gives routes the objects that the lifespan opens.

Starlette copies the lifespan's state into each request. A route names the objects that it works
with as parameters, whose types stand beside the classes::

    UserApiDep = Annotated[UserApi, Depends(FromState("user_api"))]

``wiring.State`` lists the names.
"""

from typing import Annotated, Any

from fastapi import Depends
from starlette.requests import HTTPConnection

from wegent_api.settings import Settings


class FromState:
    """FastAPI dependency that returns one object of the lifespan's state.

    It is async, because FastAPI runs each synchronous dependency in a thread.

    Args:
        name: key of the object in ``wiring.State``.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    async def __call__(self, connection: HTTPConnection) -> Any:
        """Return the object of the application that serves a request or a WebSocket."""
        return getattr(connection.state, self.name)


SettingsDep = Annotated[Settings, Depends(FromState("settings"))]
"""Parameter type of a route that depends on the configuration."""
