"""In which namespaces a caller may have rights: those whose RoleBindings name them.

An index that a watch keeps, begun when it is first asked for. It decides nothing: what a
RoleBinding gives, the API server judges when the caller's own request comes. It only
saves asking for each namespace of the cluster.
"""

import asyncio
import contextvars
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final, Self

from wegent_api.errors import Forbidden, Problem, Unavailable
from wegent_api.identity import Identity
from wegent_kube import ApiError, KubeClient, KubeError
from wegent_kube.resources import ROLE_BINDINGS

logger = logging.getLogger(__name__)

RETRY_S: Final = 5.0
FIRST_WITHIN_S: Final = 10.0
"""How long whoever asks first waits for the first list."""
EXPIRED: Final = 410

Subject = tuple[str, str]
"""``User`` or ``Group``, and its name."""
Key = tuple[str, str]
"""Namespace and name of a RoleBinding."""


class Bindings:
    """The RoleBindings of the cluster, by whom they name. An async context manager."""

    def __init__(self, kube: KubeClient) -> None:
        self._kube = kube
        self._subjects: dict[Key, frozenset[Subject]] = {}
        self._bound: defaultdict[Subject, set[Key]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None
        self._tried = asyncio.Event()
        self._problem: Problem | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def namespaces(self, identity: Identity) -> list[str]:
        """Return the namespaces in which ``identity`` may have rights, in order.

        Raises:
            Forbidden: the proxy may not know them.
            Unavailable: it doesn't know them yet.
        """
        if self._task is None:
            # It outlives the request that is the first to ask, and isn't part of it.
            self._task = asyncio.create_task(self._run(), context=contextvars.Context())
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_WITHIN_S):
                await self._tried.wait()
        if not self._tried.is_set():
            raise Unavailable("the API server did not say yet who may see which namespaces")
        if self._problem:
            raise self._problem
        subjects = [("User", identity.username), *(("Group", it) for it in identity.groups)]
        return sorted({space for it in subjects for space, _ in self._bound.get(it, ())})

    async def _run(self) -> None:
        while True:
            try:
                version = await self._list()
                self._problem = None
                self._tried.set()
                while True:
                    version = await self._follow(version)
            except ApiError as error:
                if error.code != EXPIRED:
                    await self._failed(error)
            except Exception as error:  # noqa: BLE001 - it is said, and tried again
                await self._failed(error)

    async def _failed(self, error: Exception) -> None:
        """Say so and wait a while; what was known before goes on being told."""
        logger.warning("RoleBindings not followed: %s", error, exc_info=_unforeseen(error))
        if not self._subjects:
            self._problem = _problem(error)
            self._tried.set()
        await asyncio.sleep(RETRY_S)

    async def _list(self) -> str:
        found: dict[Key, frozenset[Subject]] = {}
        version = ""
        async for page in self._kube.pages(ROLE_BINDINGS.path()):
            version = page["metadata"]["resourceVersion"]
            found.update((_key(item), frozenset(_subjects(item))) for item in page["items"])
        for gone in self._subjects.keys() - found.keys():
            self._put(gone, frozenset())
        for key, subjects in found.items():
            self._put(key, subjects)
        return version

    async def _follow(self, version: str) -> str:
        """Follow the changes since ``version`` for the length of a watch; return the last one."""
        params = {"resourceVersion": version, "allowWatchBookmarks": "true"}
        async for event in self._kube.watch(ROLE_BINDINGS.path(), params=params):
            item = event["object"]
            version = item["metadata"]["resourceVersion"]
            if event["type"] == "DELETED":
                self._put(_key(item), frozenset())
            elif event["type"] != "BOOKMARK":
                self._put(_key(item), frozenset(_subjects(item)))
        return version

    def _put(self, key: Key, subjects: frozenset[Subject]) -> None:
        for subject in self._subjects.pop(key, frozenset()) - subjects:
            self._bound[subject].discard(key)
            if not self._bound[subject]:
                del self._bound[subject]
        for subject in subjects:
            self._bound[subject].add(key)
        if subjects:
            self._subjects[key] = subjects


def _key(item: Mapping[str, Any]) -> Key:
    return item["metadata"]["namespace"], item["metadata"]["name"]


def _subjects(item: Mapping[str, Any]) -> Iterator[Subject]:
    for subject in item.get("subjects") or ():
        kind, name = subject["kind"], subject["name"]
        if kind == "ServiceAccount":
            kind, name = "User", f"system:serviceaccount:{subject.get('namespace', '')}:{name}"
        yield kind, name


def _unforeseen(error: Exception) -> bool:
    return not isinstance(error, KubeError)


def _problem(error: Exception) -> Problem:
    if isinstance(error, ApiError) and error.code == 403:
        return Forbidden(
            "namespace=*: only for who may list in the whole cluster, since the proxy may not"
            " look where others have rights; name a namespace"
        )
    return Unavailable("the API server did not say who may see which namespaces")
