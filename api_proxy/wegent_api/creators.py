"""Who created an object, noted by the proxy where the API server has no policy that does.

Where the mutating policies ``wegent-creator`` and ``wegent-keep-marks`` are in force, nothing
is done here: they hold for every client. Before Kubernetes 1.36 there are none. The
validating policy, which refuses a forged or changed creator, is there all the same.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from wegent_api.callers import Caller
from wegent_api.identity import identity, user_of
from wegent_api.targets import Target
from wegent_api.upstream import CallersApi
from wegent_crds.marks import CREATED_BY, CREATOR
from wegent_kube import ApiError, KubeClient, KubeError
from wegent_kube.resources import Resource

logger = logging.getLogger(__name__)

POLICY: Final = "wegent-creator"
POLICIES: Final = tuple(
    Resource("admissionregistration.k8s.io", "v1", plural).path(None, POLICY)
    for plural in ("mutatingadmissionpolicies", "mutatingadmissionpolicybindings")
)
LOOK_EVERY_S: Final = 60.0
"""A policy that is installed later is found; the two agree, should both note the creator."""
RETRY_S: Final = 5.0
FIRST_WITHIN_S: Final = 5.0
"""How long a request waits for the first look; without an answer, policies are taken for there."""

Body = Mapping[str, Any]


class Creators:
    """Notes creators if nobody else does.

    Args:
        kube: to look for the policy with.
        callers: to ask as whom the API server knows a caller.
        accounts_namespace: of the users who have plain names.
    """

    def __init__(self, kube: KubeClient, callers: CallersApi, accounts_namespace: str) -> None:
        self._kube = kube
        self._callers = callers
        self._accounts_namespace = accounts_namespace
        self._policy: bool | None = None
        self._looked = asyncio.Event()

    async def run(self) -> None:
        """Look for the policy, for ever."""
        while True:
            try:
                there = await self._look()
                if there is not self._policy and not there:
                    logger.warning("no policy %s: the proxy notes creators itself", POLICY)
                self._policy = there
            except KubeError as error:
                logger.warning("not known whether there is a policy %s: %s", POLICY, error)
            self._looked.set()
            await asyncio.sleep(RETRY_S if self._policy is None else LOOK_EVERY_S)

    async def noted(self, caller: Caller, body: Body, target: Target | None = None) -> Body:
        """Return ``body`` as it is to be written, with its creator if that is for us to note.

        What the body itself says of a creator stays, for the API server to judge.

        Args:
            caller: who writes.
            body: what is written.
            target: the object if it may be there already, with a creator that is to stay.

        Raises:
            Refused: the token isn't taken, or the caller may not look.
            Unavailable: the API server can't be reached.
        """
        if not self._looked.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(FIRST_WITHIN_S):
                    await self._looked.wait()
        if self._policy is not False:
            return body
        there = await target.look_if_there() if target else None
        if there is None:
            marks = await self._marks(caller)
        else:
            annotations = there.get("annotations") or {}
            marks = {key: annotations[key] for key in (CREATED_BY, CREATOR) if key in annotations}
        return _annotated(body, marks)

    async def _look(self) -> bool:
        for path in POLICIES:
            try:
                await self._kube.request("GET", path)
            except ApiError as error:
                if error.code != 404:
                    raise
                return False
        return True

    async def _marks(self, caller: Caller) -> dict[str, str]:
        name = (await identity(self._callers, caller)).username
        return {CREATED_BY: name, CREATOR: user_of(name, self._accounts_namespace) or name}


def _annotated(body: Body, marks: Mapping[str, str]) -> Body:
    """Return ``body`` with ``marks``, as far as it has none and is an object's."""
    metadata = body.get("metadata") or {}
    annotations = metadata.get("annotations") or {} if isinstance(metadata, Mapping) else None
    if not isinstance(annotations, Mapping):
        return body
    given = {key: value for key, value in annotations.items() if key not in marks or value != ""}
    return {**body, "metadata": {**metadata, "annotations": {**marks, **given}}}
