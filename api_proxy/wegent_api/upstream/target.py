"""One object on behalf of one caller, and writes that are tied to one version of it.

``If-Match`` becomes what the API server itself compares when it writes, so that nothing
can come between the comparison and the write. Whether a refusal came of that
comparison is told by looking at the object once more: the API server's words for it
are those for other refusals too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from wegent_api.http.bearer import Caller
from wegent_api.http.error_responses import JSON
from wegent_api.http.errors import PreconditionFailed, UpstreamStatus
from wegent_api.http.preconditions import IF_MATCH, IF_NONE_MATCH, EntityTags, entity_tag
from wegent_api.upstream.client import METADATA_ONLY, Answer, UserApi
from wegent_api.upstream.metadata import Metadata, metadata_of, version_of

AMBIGUOUS: Final = frozenset({409, 422})
"""What the API server answers to a stale version: a conflict, or a JSON patch's failed test."""


@dataclass(frozen=True, slots=True)
class Target:
    """An object that may be there."""

    user_api: UserApi
    caller: Caller
    path: str

    async def look(self) -> Metadata:
        """Return its metadata.

        Raises:
            UpstreamStatus: the caller may not look at it, or it isn't there.
        """
        answer = await self.user_api.request(self.caller, "GET", self.path, accept=METADATA_ONLY)
        return metadata_of(answer.body)

    async def look_if_there(self) -> Metadata | None:
        """Return its metadata, None where it isn't there.

        Raises:
            UpstreamStatus: the caller may not look at it.
        """
        try:
            return await self.look()
        except UpstreamStatus as refused:
            if refused.code != 404:
                raise
            return None

    async def required_version(self, tags: EntityTags | None) -> str | None:
        """Return the version that ``If-Match`` asks for; None where any will do.

        Whether the object still has that version is left to the write.

        Raises:
            PreconditionFailed: it has none of those.
            UpstreamStatus: it had to be looked at, and isn't there.
        """
        if tags is None or tags.any:
            return None
        return tags.only or required(await self.look(), tags)

    async def must_not_be(self, tags: EntityTags | None) -> None:
        """Compare the object that is there with ``If-None-Match``.

        Raises:
            PreconditionFailed: it is one of those.
            UpstreamStatus: the caller may not look at it.
        """
        if tags is None:
            return
        version = version_of(await self.look_if_there() or {})
        if version is not None and tags.name(version):
            raise PreconditionFailed(f"{IF_NONE_MATCH}: the object is at {entity_tag(version)}")

    async def write(
        self,
        method: str,
        body: bytes | None,
        *,
        params: Mapping[str, str] | None = None,
        content_type: str = JSON,
        guard: str | None = None,
    ) -> Answer:
        """Send a write that ``guard``, a version, is part of.

        Raises:
            PreconditionFailed: the object has another version, or is gone.
            UpstreamStatus: the API server refused it for something else.
        """
        try:
            return await self.user_api.request(
                self.caller, method, self.path, params=params, body=body, content_type=content_type
            )
        except UpstreamStatus as refused:
            if guard is None or refused.code not in AMBIGUOUS:
                raise
            try:
                current = version_of(await self.look_if_there() or {})
            except UpstreamStatus:
                raise refused from None
            if current == guard:
                raise
            raise failed(current) from refused


def required(there: Metadata | None, tags: EntityTags) -> str:
    """Return the version that is there if ``If-Match`` names it.

    Raises:
        PreconditionFailed: it doesn't.
    """
    version = version_of(there or {})
    if version is None or not (tags.any or version in tags.strong):
        if tags.weak and (version in tags.weak or not tags.strong):
            raise weak(version)
        raise failed(version)
    return version


def weak(current: str | None) -> PreconditionFailed:
    """Return the answer to an ``If-Match`` with weak entity tags, which match nothing.

    Reading the object again doesn't help where something on the way makes its tag weak.
    """
    now = "" if current is None else f", which is {entity_tag(current)} now"
    return PreconditionFailed(
        f'{IF_MATCH}: a weak entity tag (W/"...") never matches (RFC 9110, section 13.1.1);'
        f" send the strong one{now}. Where answers arrive with weak ones, a gateway on the way,"
        " such as one that compresses, has changed them"
    )


def failed(current: str | None) -> PreconditionFailed:
    """Return the answer to an ``If-Match`` that names another version than the current one."""
    now = "isn't there" if current is None else f"is at {entity_tag(current)} now"
    return PreconditionFailed(
        f"{IF_MATCH}: the object {now}; read it again and decide whether the change still holds"
    )
