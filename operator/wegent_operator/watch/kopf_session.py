"""The HTTP session for Kopf's lists and watches. It never returns an error to Kopf.

Kopf ends the whole operator if a single watch fails: with 404 after its CRD was deleted, with
403 after a right was removed, or with a line that isn't JSON. This session waits and tries
again. It reports the failure to Kopf as a version that is too old, and Kopf begins with a list
again. docs/adr/0016 has the reasons.

- The session answers discovery itself, because the resources are known. A CRD that is missing
  at the start then causes a refused list, like a CRD that is deleted later.
- The session answers a list with an empty list at the API server's current version, and
  requests a resync of the resource. Kopf never has whole lists in memory.
- The session passes on the lines of the API server's watch.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import aiohttp
import yarl

from wegent_crds.registry import GROUP
from wegent_kube import ApiError, KubeClient, KubeError
from wegent_kube.backoff import Backoff
from wegent_kube.content_types import METADATA_LIST, METADATA_OBJECT
from wegent_kube.informer import STEADY_S
from wegent_kube.resources import CLUSTER_ROLE_BINDINGS, CRDS, NAMESPACES, Resource
from wegent_operator.runtime.visibility import Visibility
from wegent_operator.watch.kopf_settings import WATCH_GRACE_S

logger = logging.getLogger(__name__)

TOO_OLD: Final = b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}\n'
"""A watch event after which Kopf begins with a list again."""
SELECTORS: Final = frozenset({"labelSelector", "fieldSelector"})


class KopfSession:
    """The part of ``aiohttp.ClientSession`` that Kopf uses.

    Args:
        client: sends the lists and watches. It is closed with the session.
        resources: all resources that Kopf watches.
        visibility: records the successes and failures of lists and watches.
        on_list: is called with the plural of a resource whose watch begins from a new version.
        lasts_s: seconds that a watch lasts.
    """

    def __init__(
        self,
        client: KubeClient,
        resources: tuple[Resource, ...],
        visibility: Visibility,
        on_list: Callable[[str], None],
        lasts_s: int,
    ) -> None:
        self.closed = False
        self.headers: dict[str, str] = {}
        self._client = client
        self._resources = {resource.path(): resource for resource in resources}
        self._backoffs = {path: Backoff() for path in self._resources}
        self._visibility = visibility
        self._on_list = on_list
        self._lasts_s = lasts_s
        self._discovery = _discovery(resources)

    async def request(self, *, method: str, url: str, **_: Any) -> "Reply":
        """Return the reply to one of Kopf's requests.

        Raises:
            NotImplementedError: Kopf sent a request that its settings should prevent.
        """
        asked = yarl.URL(url)
        path, query = asked.path, dict(asked.query)
        if method.lower() == "get" and path in self._discovery:
            return Reply(self._discovery[path])
        resource = self._resources.get(path)
        if method.lower() != "get" or resource is None:
            raise NotImplementedError(f"Kopf requests {method} {path}")
        if query.pop("watch", "") == "true":
            query.pop("timeoutSeconds", None)
            return Reply({}, Stream(self._events(resource, query)))
        return Reply(await self._list(resource, query))

    async def close(self) -> None:
        """Close the connections."""
        self.closed = True
        await self._client.close()

    async def _list(self, resource: Resource, query: Mapping[str, str]) -> dict[str, Any]:
        """Return an empty list at the API server's current version; wait until it gives one."""
        selected = {key: it for key, it in query.items() if key in SELECTORS}
        while True:
            try:
                page = await self._client.request(
                    "GET", resource.path(), params={**selected, "limit": "1"}, accept=METADATA_LIST
                )
                version = page["metadata"]["resourceVersion"]
            except Exception as error:  # noqa: BLE001 - Kopf would end at any of them
                await self._failed(resource, error)
            else:
                self._visibility.relisting(resource.plural)
                self._on_list(resource.plural)
                return {"metadata": {"resourceVersion": version}, "items": []}

    async def _events(
        self, resource: Resource, query: Mapping[str, str]
    ) -> AsyncGenerator[bytes, None]:
        """Yield the lines of one watch."""
        backoff = self._backoffs[resource.path()]
        began = time.monotonic()
        failure: Exception | None = None
        lines = self._client.watch_lines(
            resource.path(),
            params=query,
            lasts_s=self._lasts_s,
            quiet_s=WATCH_GRACE_S,
            opened=lambda: self._visibility.opened(resource.plural),
        )
        try:
            async for line, _ in lines:
                yield line + b"\n"
        except Exception as error:  # noqa: BLE001 - as above
            failure = error
        steady = time.monotonic() - began >= min(STEADY_S, self._lasts_s / 2)
        if steady:
            backoff.reset()
        if isinstance(failure, ApiError) and failure.is_resource_expired and steady:
            logger.info("%s: the version is too old; listing it again", resource.plural)
            yield TOO_OLD
        elif failure is not None:
            await self._failed(resource, failure)
            yield TOO_OLD
        elif not steady:
            await backoff.wait()

    async def _failed(self, resource: Resource, error: Exception) -> None:
        missing = isinstance(error, ApiError) and error.is_not_found
        gone = missing and resource.group == GROUP and await self._has_no_crd(resource)
        self._visibility.refused(resource.plural, error, silent=_is_silence(error), gone=gone)
        pause_s = self._backoffs[resource.path()].next_s()
        logger.warning(
            "%s: retrying the watch in %.1f s: %s",
            resource.plural,
            pause_s,
            error,
            exc_info=not isinstance(error, KubeError),
        )
        await asyncio.sleep(pause_s)

    async def _has_no_crd(self, resource: Resource) -> bool:
        """Return whether the API server says that the CustomResourceDefinition doesn't exist."""
        name = f"{resource.plural}.{resource.group}"
        try:
            await self._client.request("GET", CRDS.path(name=name), accept=METADATA_OBJECT)
        except ApiError as error:
            return error.is_not_found and error.details.get("name") == name
        except Exception as error:  # noqa: BLE001 - as above
            logger.info("Lookup of CRD %s failed: %s", name, error)
        return False


@dataclass
class Stream:
    """The body of a watch; it replaces ``aiohttp.StreamReader``."""

    lines: AsyncGenerator[bytes, None]

    def iter_chunked(self, _: int) -> AsyncGenerator[bytes, None]:
        """Yield the body, a line at a time."""
        return self.lines


class Reply:
    """The part of ``aiohttp.ClientResponse`` that Kopf uses."""

    status = 200
    closed = False

    def __init__(self, body: Mapping[str, Any], content: Stream | None = None) -> None:
        self._body = body
        self.content = content
        self.headers: Mapping[str, str] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.content is not None:
            await self.content.lines.aclose()

    async def json(self) -> Mapping[str, Any]:
        """Return the decoded body."""
        return self._body

    def close(self) -> None:
        """Do nothing: ``__aexit__`` closes the body."""


def _is_silence(error: Exception) -> bool:
    """Return whether the API server didn't react at all; a refused connection is a reaction."""
    if isinstance(error, ApiError):
        return False
    cause = error.__cause__
    return not (
        isinstance(cause, aiohttp.ClientConnectorError)
        and isinstance(cause.os_error, ConnectionRefusedError)
    )


def _discovery(resources: tuple[Resource, ...]) -> dict[str, dict[str, Any]]:
    """Return discovery documents that contain only these resources."""
    documents: dict[str, dict[str, Any]] = {"/api": {"versions": ["v1"]}, "/apis": {"groups": []}}
    for group, version in sorted({(it.group, it.version) for it in resources}):
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        documents[path] = {
            "resources": [
                _described(it) for it in resources if (it.group, it.version) == (group, version)
            ]
        }
        if group:
            served = {"groupVersion": f"{group}/{version}", "version": version}
            documents["/apis"]["groups"].append(
                {"name": group, "versions": [served], "preferredVersion": served}
            )
    return documents


def _described(resource: Resource) -> dict[str, Any]:
    singular = resource.plural.removesuffix("s")
    return {
        "name": resource.plural,
        "singularName": singular,
        "kind": singular.capitalize(),  # unused: Kopf selects handlers by the plural
        "namespaced": resource not in (NAMESPACES, CLUSTER_ROLE_BINDINGS),
        "verbs": ["list", "watch"],
    }
