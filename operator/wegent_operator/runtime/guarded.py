"""Writes to one version of an object, and whether a refusal came of another version.

A stale version is 409 and an absent object 404; so may be the answer of a third party's
webhook. The object is looked at once more to tell the two apart: a write that was refused is
never taken for one that came too late.
"""

from enum import Enum, auto
from typing import Any

from wegent_kube import ApiError, KubeClient
from wegent_kube.client import METADATA_OBJECT


class Missed(Enum):
    """Why a guarded write found nothing to write to."""

    GONE = auto()
    """There is no such object any more."""
    CHANGED = auto()
    """It has another version: the event of that change is on its way."""


class Guarded:
    """Sends writes that are valid for the object as it is known, and for no other."""

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
        **request: Any,
    ) -> Any:
        """Return the answer; `Missed` where the object is gone or not as known.

        Args:
            method: the HTTP method.
            path: the object's.
            body: carries the guard: a merge patch's resourceVersion, or preconditions.
            uid: the object's, as it is known.
            version: the resourceVersion that the body names; None where it names the uid alone.
            subresource: such as status.
            request: further arguments of `KubeClient.request`.

        Raises:
            KubeError: the API server did not take it.
        """
        try:
            answer = await self._client.request(
                method,
                f"{path}/{subresource}" if subresource else path,
                body=body,
                **request,
            )
        except ApiError as error:
            # Another uid is 422. With a version in the body, 422 is a refusal alone.
            misses = {404, 409} if version is not None else {404, 409, 422}
            if error.code in misses and (missed := await self._missed(path, uid, version)):
                return missed
            raise
        return answer or {}

    async def _missed(self, path: str, uid: str, version: str | None) -> Missed | None:
        """Return why the object is not as known; None if it is."""
        try:
            there = await self._client.request("GET", path, accept=METADATA_OBJECT)
        except ApiError as error:
            if error.code == 404:
                return Missed.GONE
            raise
        metadata = there["metadata"]
        if metadata["uid"] != uid:
            return Missed.GONE
        return None if version in {None, metadata["resourceVersion"]} else Missed.CHANGED
