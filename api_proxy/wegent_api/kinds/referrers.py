"""Finds the objects that refer to an object, among those that the caller may list.

There is no index that every user may query, because the operator's index covers all users' objects.
So the search reads all objects of the referring kinds with the caller's token. The work of one
request is bounded, so that neither side waits long.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from wegent_api.http.bearer import Caller
from wegent_api.http.errors import BadRequest, Cause, UpstreamStatus
from wegent_api.kinds.list_all_namespaces import ContinueToken, MultiNamespaceList, namespaces_of
from wegent_api.kinds.models import Referrer
from wegent_api.upstream.client import UserApi
from wegent_api.upstream.role_bindings import Bindings
from wegent_crds.references import ObjectKey, references_of
from wegent_crds.registry import BY_PLURAL, Kind, referrers_of
from wegent_kube.paging import PageLimit
from wegent_kube.resources import resource_of

PAGE: Final = 100
"""Limit of objects in one upstream request. It is lower where objects are large."""
SEARCHED: Final = 1000
"""Limit of objects that one request searches."""
SEARCHED_BYTES: Final = 32 << 20
"""The same limit in bytes. Decoding them blocks the event loop for a third of a second in total."""

Found = tuple[list[Any], str | None]
"""Objects, and the token to continue with."""


class Search:
    """Search for the referrers of one object, on behalf of one caller."""

    def __init__(
        self, user_api: UserApi, bindings: Bindings, caller: Caller, target: ObjectKey
    ) -> None:
        self._user_api = user_api
        self._bindings = bindings
        self._caller = caller
        self._target = target
        self._kinds = [kind for kind in referrers_of(BY_PLURAL[target.plural]) if kind.user_facing]
        self._namespaces: list[str] | None = None
        self._fitting = PageLimit(PAGE)
        self._bytes = 0

    async def run(self, token: str | None) -> tuple[list[Referrer], str | None]:
        """Return referrers, and the token to continue with, or None at the end.

        Raises:
            BadRequest: the token is not a token of such a search.
            UpstreamStatus: the caller may list no kind that might refer to the object.
            Forbidden: the proxy may not look up the caller's namespaces.
            Unavailable: the API server can't be reached.
        """
        kinds, rest = self._start(token)
        found: list[Referrer] = []
        searched = 0
        refusals: list[UpstreamStatus] = []
        for kind in kinds:
            while True:
                if searched >= SEARCHED or self._bytes >= SEARCHED_BYTES:
                    return found, f"{kind.plural}.{rest or ''}"
                try:
                    items, rest = await self._page(kind, rest)
                except UpstreamStatus as refused:
                    if not refused.is_forbidden or rest:
                        raise
                    refusals.append(refused)
                    break
                searched += len(items)
                found += self._referrers(kind, items)
                if rest is None:
                    break
        if token is None and len(refusals) == len(self._kinds):
            raise refusals[0]
        return found, None

    def _start(self, token: str | None) -> tuple[list[Kind], str | None]:
        if token is None:
            return self._kinds, None
        plural, _, rest = token.partition(".")
        for index, kind in enumerate(self._kinds):
            if kind.plural == plural:
                return self._kinds[index:], rest or None
        message = "must be a token from a list of referrers"
        raise BadRequest.of([Cause("FieldValueInvalid", "continue", message)])

    async def _page(self, kind: Kind, token: str | None) -> Found:
        if ContinueToken.is_one(token):
            return await self._merged(kind, ContinueToken.decode(str(token)), None)
        params = {"limit": str(self._fitting.objects)} | ({"continue": token} if token else {})
        path = resource_of(kind).path()
        try:
            answer = await self._user_api.request(self._caller, "GET", path, params=params)
        except UpstreamStatus as refused:
            if not refused.is_forbidden or token:
                raise
            return await self._merged(kind, None, refused)
        page = json.loads(answer.body)
        self._take(len(page["items"]), len(answer.body))
        return page["items"], page["metadata"].get("continue") or None

    def _take(self, objects: int, size: int) -> None:
        """Count the objects and bytes of a page."""
        self._bytes += size
        self._fitting.adapt(objects, size)

    async def _merged(
        self, kind: Kind, start: ContinueToken | None, refused: UpstreamStatus | None
    ) -> Found:
        if self._namespaces is None:
            self._namespaces = await namespaces_of(self._user_api, self._bindings, self._caller)
        merged = MultiNamespaceList(
            self._user_api, self._caller, resource_of(kind), {}, self._namespaces
        )
        page = await merged.page(PAGE, start)
        if page is None:
            if refused:
                raise refused
            return [], None
        self._take(len(page.items), page.size)
        return page.items, page.next.encode() if page.next else None

    def _referrers(self, kind: Kind, items: list[Any]) -> Iterator[Referrer]:
        for item in items:
            fields = [
                reference.field
                for reference in references_of(kind, item["metadata"]["namespace"], item)
                if reference.target == self._target
            ]
            if fields:
                yield Referrer(kind=kind.kind, metadata=_shown(item["metadata"]), fields=fields)


def _shown(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in metadata.items() if key != "managedFields"}
