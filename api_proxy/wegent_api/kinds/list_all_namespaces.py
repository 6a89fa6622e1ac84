"""The lists of several namespaces as one list with pages and ``continue`` tokens.

A ``continue`` token holds a version, a namespace and the API server's own token in that namespace.
It is neither signed nor secret. A forged token gives no access: each request reads with its
caller's own token, in namespaces that the proxy looks up again.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from wegent_api.http.bearer import Caller
from wegent_api.http.errors import BadRequest, Cause, UpstreamStatus
from wegent_api.http.preconditions import is_version
from wegent_api.names import is_dns_label
from wegent_api.upstream.client import UserApi
from wegent_api.upstream.identity import identity
from wegent_api.upstream.role_bindings import Bindings
from wegent_kube.encoding import encode_json
from wegent_kube.paging import PageLimit
from wegent_kube.resources import Resource

PREFIX: Final = "namespaces."
"""Prefix of the proxy's own tokens. The API server's are base64, without a dot."""
PAGE_BYTES: Final = 4 << 20
"""Size at which a page ends. A page is held in memory, and (de)coding it delays other requests."""
AT_ONCE: Final = 50
"""Limit of objects for one upstream request.

A request asks for fewer objects where they are large. A Ghost takes 384 KiB with a prompt of full
length in Chinese, so that one request may return more than `PAGE_BYTES`.
"""


@dataclass(frozen=True, slots=True)
class ContinueToken:
    """The position at which a list continues."""

    version: str
    """The resourceVersion at which all pages are read."""
    namespace: str
    continue_: str | None = None
    """The API server's token in that namespace. None is its beginning."""

    @staticmethod
    def is_one(token: str | None) -> bool:
        """Return whether this is a token of the proxy, and not of the API server."""
        return token is not None and token.startswith(PREFIX)

    def encode(self) -> str:
        """Return the position as a token."""
        raw = encode_json([self.version, self.namespace, self.continue_])
        return PREFIX + base64.urlsafe_b64encode(raw).decode().rstrip("=")

    @classmethod
    def decode(cls, token: str) -> Self:
        """Return the position in a token.

        Raises:
            BadRequest: the token is not valid.
        """
        text = token.removeprefix(PREFIX)
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            version, namespace, continue_ = json.loads(raw)
        except (binascii.Error, ValueError, TypeError, RecursionError):
            version = namespace = continue_ = None
        known = continue_ is None or (isinstance(continue_, str) and continue_)
        if not (is_version(version) and is_dns_label(namespace) and known):
            message = "must be a token from a list of all namespaces"
            raise BadRequest.of([Cause("FieldValueInvalid", "continue", message)])
        return cls(version, namespace, continue_)


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list."""

    items: list[Any]
    version: str
    next: ContinueToken | None
    """The position of the next page. None after the last page."""
    size: int = 0
    """Size in bytes, as sent by the API server."""


async def namespaces_of(user_api: UserApi, bindings: Bindings, caller: Caller) -> list[str]:
    """Return the namespaces in which ``caller`` may have rights, sorted.

    Raises:
        UpstreamStatus: the token is not accepted.
        Forbidden: the proxy may not look up the namespaces.
        Unavailable: the API server can't be reached.
    """
    return await bindings.namespaces(await identity(user_api, caller))


class MultiNamespaceList:
    """A list over the namespaces in which one caller may have rights."""

    def __init__(
        self,
        user_api: UserApi,
        caller: Caller,
        resource: Resource,
        query: Mapping[str, str],
        namespaces: list[str],
    ) -> None:
        self._user_api = user_api
        self._caller = caller
        self._resource = resource
        self._query = query
        self._namespaces = namespaces

    async def page(self, limit: int, start: ContinueToken | None = None) -> Page | None:
        """Return up to ``limit`` items from ``start`` on, or None if the caller may list nowhere.

        A page that reaches `PAGE_BYTES` first has fewer items.

        Raises:
            UpstreamStatus: the version is too old, or the token is no longer accepted.
            Unavailable: the API server can't be reached.
        """
        version = start.version if start else None
        items: list[Any] = []
        size = 0
        fitting = PageLimit(AT_ONCE)
        for namespace in self._namespaces:
            if start and namespace < start.namespace:
                continue
            here = start.continue_ if start and namespace == start.namespace else None
            while True:
                if version and (len(items) >= limit or size >= PAGE_BYTES):
                    return Page(items, version, ContinueToken(version, namespace, here), size)
                more = min(limit - len(items), fitting.objects)
                raw = await self._list(namespace, more, version, here)
                if raw is None:
                    break
                found = json.loads(raw)
                size += len(raw)
                fitting.adapt(len(found["items"]), len(raw))
                items += found["items"]
                version = version or found["metadata"]["resourceVersion"]
                here = found["metadata"].get("continue")
                if not here:
                    break
        return Page(items, version, None, size) if version else None

    async def _list(
        self, namespace: str, limit: int, version: str | None, continue_: str | None
    ) -> bytes | None:
        params = {**self._query, "limit": str(limit)}
        if continue_:
            params["continue"] = continue_
        elif version:
            params |= {"resourceVersion": version, "resourceVersionMatch": "Exact"}
        path = self._resource.path(namespace)
        try:
            return (await self._user_api.request(self._caller, "GET", path, params=params)).body
        except UpstreamStatus as refused:
            if refused.is_forbidden or refused.is_not_found:  # of the namespace
                return None
            # The API server has waited some seconds for a version that it has not reached.
            if version and refused.is_timeout:
                message = "has a version that the API server does not know; restart the list"
                raise BadRequest.of([Cause("FieldValueInvalid", "continue", message)]) from None
            raise _without_token(refused) from None


def _without_token(refused: UpstreamStatus) -> UpstreamStatus:
    """Return a refusal without the API server's ``continue``, which covers only one namespace."""
    return UpstreamStatus({**refused.status, "metadata": {}}, refused.code, refused.headers)
