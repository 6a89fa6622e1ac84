"""Writes to one version of an object, which distinguish stale versions from refusals.

The API server answers 409 for a stale version and 404 for an absent object. A third party's
webhook may answer with the same codes. The object is read once more to distinguish the two, so
that a refused write never counts as a late one.
"""

from enum import Enum, auto
from typing import Any, Unpack

from wegent_kube import ApiError, KubeClient, get_or_none
from wegent_kube.content_types import METADATA_OBJECT
from wegent_kube.options import RequestOptions


class Missed(Enum):
    """Cause for which a guarded write did not apply."""

    GONE = auto()
    """The object no longer exists."""
    CHANGED = auto()
    """The object has another version. The event of that change will arrive."""


class Guarded:
    """Sends writes that apply only to the given version of an object."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def send(
        self,
        method: str,
        path: str,
        body: Any,
        *,
        uid: str,
        version: str | None = None,
        subresource: str = "",
        **options: Unpack[RequestOptions],
    ) -> Any:
        """Send a write and return the answer; `Missed` if the object is gone or has changed.

        Args:
            method: the HTTP method.
            path: path of the object.
            body: contains the guard: a merge patch's resourceVersion, or preconditions.
            uid: uid of the object in the cache.
            version: the resourceVersion that the body names; None if it names only the uid.
            subresource: a subresource such as status.
            options: further options of the request.

        Raises:
            KubeError: the request failed.
        """
        try:
            answer = await self._client.request(
                method,
                f"{path}/{subresource}" if subresource else path,
                body=body,
                **options,
            )
        except ApiError as error:
            # Another uid makes the object invalid. With a version in the body, that is a refusal.
            other_uid = version is None and error.is_invalid
            late = error.is_not_found or error.is_conflict or other_uid
            if late and (missed := await self._missed(path, uid, version)):
                return missed
            raise
        return answer or {}

    async def _missed(self, path: str, uid: str, version: str | None) -> Missed | None:
        """Return the difference to the known object; None if there is none."""
        there = await get_or_none(self._client.request("GET", path, accept=METADATA_OBJECT))
        if there is None or there["metadata"]["uid"] != uid:
            return Missed.GONE
        metadata = there["metadata"]
        return None if version in {None, metadata["resourceVersion"]} else Missed.CHANGED
