"""Lists of one namespace, or of all namespaces that the caller may list.

For a caller who may list the whole cluster, one request suffices. For other callers, the proxy
lists the namespaces in which they may have rights one after the other, with their own token. The
namespaces are sorted by name, as in the API server's own list of a cluster. All of them are read at
the version of the first, so that all pages show the same moment.
"""

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Final

from fastapi import Depends, Response
from fastapi.responses import StreamingResponse

from wegent_api.http.bearer import Caller
from wegent_api.http.errors import UpstreamStatus
from wegent_api.http.query import ListParameters
from wegent_api.http.state import FromState
from wegent_api.kinds.list_all_namespaces import (
    ContinueToken,
    MultiNamespaceList,
    Page,
    namespaces_of,
)
from wegent_api.upstream.client import UserApi
from wegent_api.upstream.long_answers import LongAnswers
from wegent_api.upstream.role_bindings import Bindings
from wegent_crds.registry import API_VERSION, Kind
from wegent_kube.content_types import JSON
from wegent_kube.encoding import encode_json
from wegent_kube.paging import PAGE_SIZE
from wegent_kube.resources import resource_of

PAGING: Final = frozenset({"limit", "continue"})


class Lister:
    """Answers lists.

    Args:
        user_api: the API server, called as the caller.
        bindings: index of the namespaces in which a caller may have rights.
        long_answers: limits the answers that take a while to read.
    """

    def __init__(self, user_api: UserApi, bindings: Bindings, long_answers: LongAnswers) -> None:
        self._user_api = user_api
        self._bindings = bindings
        self._long_answers = long_answers

    async def list(self, caller: Caller, kind: Kind, parameters: ListParameters) -> Response:
        """Return the answer to a list.

        Raises:
            BadRequest: ``continue`` is not a token of such a list.
            UpstreamStatus: the caller may not list in this namespace, or in any.
            Forbidden: the proxy may not look up the caller's namespaces.
            Unavailable: the API server can't be reached.
        """
        resource, query = resource_of(kind), parameters.upstream()
        start, refusal = None, None
        if parameters.everywhere and ContinueToken.is_one(parameters.continue_):
            start = ContinueToken.decode(str(parameters.continue_))
        else:
            path = resource.path(None if parameters.everywhere else parameters.namespace)
            try:
                admit = partial(self._long_answers.admit, caller)
                return await self._user_api.stream(caller, "GET", path, params=query, admit=admit)
            except UpstreamStatus as refused:
                if not (parameters.everywhere and refused.is_forbidden) or parameters.continue_:
                    raise
                refusal = refused
        query = {key: value for key, value in query.items() if key not in PAGING}
        namespaces = await namespaces_of(self._user_api, self._bindings, caller)
        merged = MultiNamespaceList(self._user_api, caller, resource, query, namespaces)
        page = await merged.page(min(parameters.limit or PAGE_SIZE, PAGE_SIZE), start)
        if page is None:
            if refusal:
                raise refusal
            page = Page([], start.version if start else "", None)
        if parameters.limit or page.next is None:
            chunks = [_opening(kind), encode_json(page.items), _end(page)]
            return Response(b"".join(chunks), media_type=JSON)
        await self._long_answers.admit(caller)
        return StreamingResponse(_all(kind, merged, page), media_type=JSON)


ListerDep = Annotated[Lister, Depends(FromState("lister"))]
"""Parameter type of a route that lists objects."""


async def _all(kind: Kind, merged: MultiNamespaceList, page: Page) -> AsyncIterator[bytes]:
    """Yield a list of all pages. If a page fails, the answer breaks off."""
    yield _opening(kind)
    yield b"["
    separator = b""
    while True:
        if page.items:
            yield separator + encode_json(page.items)[1:-1]
            separator = b","
        more = await merged.page(PAGE_SIZE, page.next) if page.next else None
        if more is None:
            break
        page = more
    yield b"]" + _end(Page([], page.version, None))


def _opening(kind: Kind) -> bytes:
    return f'{{"apiVersion":"{API_VERSION}","kind":"{kind.kind}List","items":'.encode()


def _end(page: Page) -> bytes:
    metadata = {"resourceVersion": page.version}
    if page.next:
        metadata["continue"] = page.next.encode()
    return b',"metadata":' + encode_json(metadata) + b"}\n"
