"""One object on behalf of one caller, and writes that require one version of it.

``If-Match`` becomes a condition that the API server itself checks when it writes. So no other write
can come between the check and the write. After a refusal the object is read once more to see
whether its version was the cause. The API server's message doesn't tell, because other refusals use
the same words.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from wegent_api.http.bearer import Caller
from wegent_api.http.errors import PreconditionFailed, UpstreamStatus
from wegent_api.http.preconditions import IF_MATCH, IF_NONE_MATCH, EntityTags, entity_tag
from wegent_api.upstream.client import Answer, UserApi
from wegent_api.upstream.metadata import Metadata, metadata_of, version_of
from wegent_kube.content_types import JSON, METADATA_OBJECT
from wegent_kube.errors import get_or_none


@dataclass(frozen=True, slots=True)
class Target:
    """An object that may or may not exist."""

    user_api: UserApi
    caller: Caller
    path: str

    async def look(self) -> Metadata:
        """Return the object's metadata.

        Raises:
            UpstreamStatus: the caller may not read the object, or it doesn't exist.
        """
        answer = await self.user_api.request(self.caller, "GET", self.path, accept=METADATA_OBJECT)
        return metadata_of(answer.body)

    async def look_if_there(self) -> Metadata | None:
        """Return the object's metadata, or None if it doesn't exist.

        Raises:
            UpstreamStatus: the caller may not read the object.
        """
        return await get_or_none(self.look())

    async def required_version(self, tags: EntityTags | None) -> str | None:
        """Return the version that ``If-Match`` requires, or None if any version will do.

        The write checks that the object still has that version.

        Raises:
            PreconditionFailed: the object has none of the versions in ``If-Match``.
            UpstreamStatus: the object had to be read, and doesn't exist.
        """
        if tags is None or tags.any:
            return None
        return tags.only or required(await self.look(), tags)

    async def check_if_none_match(self, tags: EntityTags | None) -> None:
        """Check the existing object against ``If-None-Match``.

        Raises:
            PreconditionFailed: the object has one of the versions in ``If-None-Match``.
            UpstreamStatus: the caller may not read the object.
        """
        if tags is None:
            return
        version = version_of(await self.look_if_there() or {})
        if version is not None and tags.name(version):
            raise PreconditionFailed(
                f"{IF_NONE_MATCH}: the object has the version {entity_tag(version)}"
            )

    async def write(
        self,
        method: str,
        body: bytes | None,
        *,
        params: Mapping[str, str] | None = None,
        content_type: str = JSON,
        guard: str | None = None,
    ) -> Answer:
        """Send a write whose body or parameters require the version ``guard``.

        Raises:
            PreconditionFailed: the object has another version, or is gone.
            UpstreamStatus: the API server refused the write for another reason.
        """
        try:
            return await self.user_api.request(
                self.caller, method, self.path, params=params, body=body, content_type=content_type
            )
        except UpstreamStatus as refused:
            # A stale version is a conflict, or a failed test of a JSON patch. So are other causes.
            if guard is None or not (refused.is_conflict or refused.is_invalid):
                raise
            try:
                current = version_of(await self.look_if_there() or {})
            except UpstreamStatus:
                raise refused from None
            if current == guard:
                raise
            raise failed(current) from refused


def required(there: Metadata | None, tags: EntityTags) -> str:
    """Return the object's version if ``If-Match`` names it.

    Raises:
        PreconditionFailed: ``If-Match`` names other versions.
    """
    version = version_of(there or {})
    if version is None or not (tags.any or version in tags.strong):
        if tags.weak and (version in tags.weak or not tags.strong):
            raise weak(version)
        raise failed(version)
    return version


def weak(current: str | None) -> PreconditionFailed:
    """Return the answer to an ``If-Match`` with weak entity tags, which never match.

    A client that reads the object again gets a weak tag again if a gateway on the way weakens it.
    """
    now = "" if current is None else f", {entity_tag(current)}"
    return PreconditionFailed(
        f'{IF_MATCH}: a weak entity tag (W/"...") never matches (RFC 9110, section 13.1.1);'
        f" send the strong one{now}. A gateway that changes responses, for example by compression,"
        " makes entity tags weak"
    )


def failed(current: str | None) -> PreconditionFailed:
    """Return the answer to an ``If-Match`` that names another version than the current one."""
    now = "does not exist" if current is None else f"has the version {entity_tag(current)}"
    return PreconditionFailed(
        f"{IF_MATCH}: the object {now}; read it again, and retry if the change still applies"
    )
