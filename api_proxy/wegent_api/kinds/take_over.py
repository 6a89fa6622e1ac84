"""Server-side apply that takes over the caller's own updates.

In the API server an update and an apply always have two field managers. A field that both set to
different values is a conflict. A person who creates an object over REST and then applies it
conflicts with nobody else. So an apply takes over fields that only the caller's own updates own.
Every other conflict remains, with the remedy in its message.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from wegent_api.http.errors import UpstreamStatus
from wegent_api.http.patches import with_metadata
from wegent_api.http.query import FIELD_MANAGER, PatchParameters
from wegent_api.kinds.field_managers import FieldManagers
from wegent_api.upstream.client import Answer
from wegent_api.upstream.metadata import version_of
from wegent_api.upstream.target import Target
from wegent_kube.content_types import APPLY_PATCH
from wegent_kube.encoding import encode_yaml

CONFLICT: Final = "FieldManagerConflict"
"""Reason of the causes in the API server's refusal of an apply."""
ATTEMPTS: Final = 5
"""Attempts of an apply that takes fields over, each at the object's current version."""
REMEDY: Final = (
    "Leave these fields out of the body to keep the other manager's values, or take them over"
    " with ?force=true"
)

_MANAGER: Final = re.compile(r'conflict with "([^"]*)" using \S+(?: at \S+)?')
"""The API server's phrase for a manager that owns a field by an update of the main resource.

Owners by an apply or through a subresource have another phrase. A manager with a quote in its name
doesn't match.
"""


@dataclass(frozen=True, slots=True)
class OwnershipTransfer:
    """The apply of one request to one object."""

    managers: FieldManagers
    target: Target
    parameters: PatchParameters
    """Parameters of the request. Only the default manager takes fields over."""
    guard: str | None = None
    """The version that the body requires because the request does."""

    async def run(self, body: Mapping[str, Any], *, seen: str | None = None) -> Answer:
        """Apply ``body``, and take over the caller's own updates.

        ``seen`` is a version of the object that was read before this call.

        Raises:
            PreconditionFailed: the object isn't at ``guard``.
            UpstreamStatus: the API server refused. A conflict has the remedy in its message.
        """
        try:
            return await self._send(body)
        except UpstreamStatus as refused:
            await self._require_own(refused)
        metadata = body.get("metadata")
        given = version_of(metadata) if isinstance(metadata, Mapping) else None
        if given or seen:
            try:
                return await self._take_over(body, str(given or seen))
            except UpstreamStatus as refused:
                if given or not _is_stale(refused):
                    raise
        for _ in range(ATTEMPTS - 1):
            with suppress(_Stale):
                return await self._at_current_version(body)
        return await self._send(body)

    async def _at_current_version(self, body: Mapping[str, Any]) -> Answer:
        # Only conflicts at one known version count. They are read after that version, and the
        # forced apply requires the same version.
        version = str(version_of(await self.target.look()))
        try:
            return await self._send(with_metadata(body, resourceVersion=version))
        except UpstreamStatus as refused:
            if _is_stale(refused):
                raise _Stale from None
            await self._require_own(refused)
        try:
            return await self._take_over(body, version)
        except UpstreamStatus as refused:
            if _is_stale(refused):
                raise _Stale from None
            raise

    async def _take_over(self, body: Mapping[str, Any], version: str) -> Answer:
        return await self._send(with_metadata(body, resourceVersion=version), force=True)

    async def _send(self, body: Mapping[str, Any], *, force: bool = False) -> Answer:
        forced = {"force": "true"} if force else {}
        return await self.target.write(
            "PATCH",
            encode_yaml(body),
            params=self.parameters.upstream() | forced,
            content_type=APPLY_PATCH,
            guard=self.guard,
        )

    async def _require_own(self, refused: UpstreamStatus) -> None:
        """Raise ``refused``, unless it is a conflict with the caller's own updates alone."""
        if not _is_field_conflict(refused):
            raise refused
        owners = conflicting(refused)
        if not owners or not self.parameters.takes_over_own:
            raise with_remedy(refused)
        if owners != {await self.managers.of(self.target.caller)} - {FIELD_MANAGER}:
            raise with_remedy(refused)


class _Stale(Exception):  # noqa: N818 - names an event
    """The object has changed since it was read."""


def conflicting(refused: UpstreamStatus) -> set[str]:
    """Return the managers of a conflict that own by updates, or an empty set for other owners."""
    found = [_MANAGER.fullmatch(str(cause.get("message"))) for cause in refused.status_causes]
    return {match[1] for match in found if match} if all(found) else set()


def with_remedy(refused: UpstreamStatus) -> UpstreamStatus:
    """Return a conflict with the remedy in its message."""
    message = f"{refused.message.rstrip('.')}. {REMEDY}."
    return UpstreamStatus({**refused.status, "message": message}, refused.code, refused.headers)


def _is_field_conflict(refused: UpstreamStatus) -> bool:
    return refused.is_conflict and refused.has_cause(CONFLICT)


def _is_stale(refused: UpstreamStatus) -> bool:
    return refused.is_conflict and not _is_field_conflict(refused)
