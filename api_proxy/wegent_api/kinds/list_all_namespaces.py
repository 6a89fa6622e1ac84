"""The lists of several namespaces as one: its pages, and where each goes on.

A ``continue`` token says a version, a namespace and the API server's own token in there.
It is neither signed nor secret: whoever makes one up reads with their own token all the
same, in namespaces that are found anew, and gets no more than by asking for them.
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
from wegent_kube.paging import PageLimit
from wegent_kube.resources import Resource

PREFIX: Final = "namespaces."
"""Of our own tokens; the API server's are base64, without a dot."""
PAGE_BYTES: Final = 4 << 20
"""A page ends once it has so much: it is held whole, and others wait while it is (de)coded."""
AT_ONCE: Final = 50
"""Objects of one request, at most. It asks for fewer where they are large: a Ghost has 384 KiB
with a prompt of full length in Chinese, and more may be held than `PAGE_BYTES` by one request."""
NOT_HERE: Final = frozenset({403, 404})
"""Answers of a namespace that has nothing for the caller, or isn't there any more."""
NOT_YET: Final = 504
"""The API server's answer, after some seconds, to a version that is still to come."""


@dataclass(frozen=True, slots=True)
class ContinueToken:
    """Where a list goes on."""

    version: str
    """The resourceVersion at which all of it is read."""
    namespace: str
    continue_: str | None = None
    """The API server's token in that namespace; None: its beginning."""

    @staticmethod
    def is_one(token: str | None) -> bool:
        """Tell whether this is one of our tokens, and not the API server's."""
        return token is not None and token.startswith(PREFIX)

    def encode(self) -> str:
        """Return it as a token."""
        raw = json.dumps([self.version, self.namespace, self.continue_], separators=(",", ":"))
        return PREFIX + base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, token: str) -> Self:
        """Return what a token says.

        Raises:
            BadRequest: it is none.
        """
        text = token.removeprefix(PREFIX)
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            version, namespace, continue_ = json.loads(raw)
        except (binascii.Error, ValueError, TypeError, RecursionError):
            version = namespace = continue_ = None
        known = continue_ is None or (isinstance(continue_, str) and continue_)
        if not (is_version(version) and is_dns_label(namespace) and known):
            message = "must be what a list of all namespaces has given"
            raise BadRequest.of([Cause("FieldValueInvalid", "continue", message)])
        return cls(version, namespace, continue_)


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list."""

    items: list[Any]
    version: str
    next: ContinueToken | None
    """Where it goes on; None: nowhere."""
    size: int = 0
    """Bytes in which the API server sent it."""


async def namespaces_of(user_api: UserApi, bindings: Bindings, caller: Caller) -> list[str]:
    """Return the namespaces in which ``caller`` may have rights, in order.

    Raises:
        UpstreamStatus: the token isn't taken.
        Forbidden: the proxy may not find out.
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
        """Return up to ``limit`` items from ``start`` on; None: the caller may list nowhere.

        It is fewer where the page has `PAGE_BYTES` before.

        Raises:
            UpstreamStatus: the version is too old, or the token isn't taken any more.
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
            if refused.code in NOT_HERE:
                return None
            if version and refused.code == NOT_YET:
                message = "is of a version that the API server doesn't have; begin again"
                raise BadRequest.of([Cause("FieldValueInvalid", "continue", message)]) from None
            raise _without_token(refused) from None


def _without_token(refused: UpstreamStatus) -> UpstreamStatus:
    """Return a refusal without the API server's offer to go on, which is for one namespace."""
    return UpstreamStatus({**refused.status, "metadata": {}}, refused.code, refused.headers)
