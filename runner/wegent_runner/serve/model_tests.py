"""Answers the API proxy's requests to try a Model."""

import logging
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from aiohttp import web

from wegent_kube import KubeError
from wegent_kube.encoding import encode_json

logger = logging.getLogger(__name__)

MAX_AT_ONCE: Final = 8
"""Tests at once in one runner. They take no slot of a Task."""
RETRY_AFTER_S: Final = "5"
REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")

TestModel = Callable[[str, str, str], Awaitable[Mapping[str, Any] | None]]
"""Tries the Model of a namespace and name, with a request id; returns None for no such Model."""


class ModelTests:
    """Serves ``POST /v1/models/{namespace}/{name}/test``.

    Args:
        test: tries a Model.
    """

    def __init__(self, test: TestModel) -> None:
        self._test = test
        self._running = 0

    async def answer(self, request: web.Request) -> web.Response:
        """Try the Model in the request's path.

        Raises:
            HTTPNotFound: there is no such Model.
            HTTPServiceUnavailable: too many tests are running, or the Model can't be read now.
        """
        if self._running >= MAX_AT_ONCE:
            raise web.HTTPServiceUnavailable(
                text="too many tests of Models", headers={"Retry-After": RETRY_AFTER_S}
            )
        id_ = request.headers.get("X-Request-Id", "")
        id_ = id_ if REQUEST_ID.fullmatch(id_) else uuid.uuid4().hex
        self._running += 1
        try:
            place = request.match_info
            result = await self._test(place["namespace"], place["name"], id_)
        except KubeError as error:
            logger.warning("test of a Model: %s", error)
            raise web.HTTPServiceUnavailable(text="the Model can't be read now") from error
        finally:
            self._running -= 1
        if result is None:
            raise web.HTTPNotFound(text="no such Model")
        return web.Response(body=encode_json(result), content_type="application/json")
