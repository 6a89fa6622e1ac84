"""Objects as plain dictionaries: what the server sends, and nothing less.

The typed operations stand on these. A kind is named by its row of the table, or by its plural.
"""

from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final

from wegent_crds.registry import BY_PLURAL, Kind
from wegent_sdk.api import Api
from wegent_sdk.errors import ConfigurationError, NotWegent
from wegent_sdk.objects import encoded, name_of, namespace_of
from wegent_sdk.targets import Kubernetes, Rest, selecting
from wegent_sdk.wire import Request

PAGE: Final = 100
"""Objects of one page."""
MERGE_PATCH: Final = "application/merge-patch+json"
Body = dict[str, Any]


def row_of(kind: Kind | str) -> Kind:
    """Return the row of a kind.

    Raises:
        ConfigurationError: there is no such kind.
    """
    if isinstance(kind, Kind):
        return kind
    if kind not in BY_PLURAL:
        raise ConfigurationError(f"{kind!r} is none of the kinds: {', '.join(BY_PLURAL)}")
    return BY_PLURAL[kind]


class RawOperations:
    """Requests for objects as dictionaries.

    Args:
        api: the server.
        target: its paths.
    """

    def __init__(self, api: Api, target: Rest | Kubernetes) -> None:
        self.api = api
        self.target = target

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Any:
        """Send any request, and return the JSON of its answer; None for an empty one.

        Args:
            method: the method; a ``GET`` is repeated if it fails.
            path: path below the server's address, such as ``/api/v1/auth/me``.
            params: parameters of the query.
            body: JSON of the body.
            content_type: its media type.

        Raises:
            WegentError: the request failed.
        """
        return await self.api.request(
            Request(
                method,
                path,
                params or {},
                None if body is None else encoded(body),
                content_type,
                repeatable=method == "GET",
            )
        )

    async def get(self, kind: Kind | str, name: str, namespace: str | None = None) -> Body:
        """Return an object.

        Raises:
            NotFound: there is none.
            WegentError: the request failed.
        """
        row = row_of(kind)
        path, params = self.target.path(row, namespace, name), self.target.params(namespace)
        return await self._object(row, Request("GET", path, params, repeatable=True))

    async def list(
        self,
        kind: Kind | str,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        page_size: int = PAGE,
    ) -> AsyncGenerator[Body, None]:
        """Yield the objects of a namespace, or with ``*`` of all that the user may list.

        Args:
            kind: the kind.
            namespace: the namespace; ``*`` for all.
            label_selector: as kubectl's ``--selector``.
            field_selector: as kubectl's ``--field-selector``.
            page_size: number of objects in one request.

        Raises:
            Expired: the list took so long that its version is gone; begin again.
            WegentError: a request failed.
        """
        selectors = selecting(label_selector, field_selector)
        async for page in self.pages(kind, namespace, selectors, page_size):
            for item in page["items"]:
                yield item

    async def pages(
        self,
        kind: Kind | str,
        namespace: str | None,
        selectors: Mapping[str, str],
        page_size: int = PAGE,
    ) -> AsyncGenerator[Body, None]:
        """Yield the pages of a list. Each item has its ``apiVersion`` and ``kind``.

        Raises:
            WegentError: a request failed.
        """
        row = row_of(kind)
        path = self.target.path(row, namespace)
        params = {**self.target.params(namespace), **selectors, "limit": str(page_size)}
        while True:
            page = await self.api.object(Request("GET", path, params, repeatable=True))
            metadata, items = page.get("metadata"), page.get("items")
            if not isinstance(metadata, dict) or not isinstance(items, list):
                raise NotWegent(
                    f"{self.api.url} answers {path} with something else than a list; check the"
                    " address",
                    url=self.api.url,
                )
            head = {"apiVersion": page.get("apiVersion"), "kind": row.kind}
            with self.api.reading():
                page["items"] = [self.checked(row, head | item) for item in items]
            yield page
            if not (further := metadata.get("continue")):
                return
            params = {**params, "continue": str(further)}

    async def create(
        self,
        kind: Kind | str,
        body: Body,
        *,
        namespace: str | None = None,
        validate_refs: bool = True,
        dry_run: bool = False,
    ) -> Body:
        """Create an object and return it. The request is not repeated.

        Raises:
            AlreadyExists: the name is taken.
            Invalid: the object is not valid, or with ``validate_refs`` a referent doesn't exist.
            WegentError: the request failed.
        """
        return await self._write(
            "POST", row_of(kind), None, body, namespace, validate_refs, dry_run
        )

    async def replace(
        self,
        kind: Kind | str,
        body: Body,
        *,
        namespace: str | None = None,
        validate_refs: bool = True,
        dry_run: bool = False,
    ) -> Body:
        """Replace an object, in the version that the body names, and return it.

        Raises:
            Conflict: it has another version now.
            WegentError: the request failed.
        """
        row, name = row_of(kind), name_of(body)
        return await self._write("PUT", row, name, body, namespace, validate_refs, dry_run)

    async def patch(
        self,
        kind: Kind | str,
        name: str,
        patch: Mapping[str, Any],
        namespace: str | None = None,
        *,
        dry_run: bool = False,
    ) -> Body:
        """Change the fields that a merge patch (RFC 7386) has, and return the object.

        Raises:
            WegentError: the request failed.
        """
        row = row_of(kind)
        path, params = self._place(row, namespace, name, dry_run=dry_run)
        request = Request(
            "PATCH", path, params, encoded(patch), MERGE_PATCH, repeatable=_is_plain(patch)
        )
        return await self._object(row, request)

    async def delete(
        self, kind: Kind | str, name: str, namespace: str | None = None, *, dry_run: bool = False
    ) -> None:
        """Delete an object. It may still be there for a moment, until it is in the trash.

        Raises:
            NotFound: there is none.
            WegentError: the request failed.
        """
        row = row_of(kind)
        params = {**self.target.params(namespace), **({"dryRun": "All"} if dry_run else {})}
        await self.api.delete(Request("DELETE", self.target.path(row, namespace, name), params))

    async def _write(
        self,
        method: str,
        row: Kind,
        name: str | None,
        body: Body,
        namespace: str | None,
        validate_refs: bool,  # noqa: FBT001 - as the caller has it
        dry_run: bool,  # noqa: FBT001
    ) -> Body:
        path, params = self._place(
            row,
            namespace or namespace_of(body),
            name,
            validate_refs=validate_refs,
            dry_run=dry_run,
        )
        return await self._object(row, Request(method, path, params, encoded(body)))

    async def _object(self, row: Kind, request: Request) -> Body:
        body = await self.api.object(request)
        return self.checked(row, body)

    def checked(self, row: Kind, body: Body) -> Body:
        """Return an object of a kind.

        Raises:
            NotWegent: it is none.
        """
        with self.api.reading():
            if body["kind"] != row.kind or not body["metadata"]["name"]:
                raise ValueError(row.kind)
        return body

    def _place(
        self,
        row: Kind,
        namespace: str | None,
        name: str | None,
        *,
        validate_refs: bool = True,
        dry_run: bool,
    ) -> tuple[str, dict[str, str]]:
        written = self.target.writing(validate_refs=validate_refs, dry_run=dry_run)
        return self.target.path(row, namespace, name), self.target.params(namespace) | written


def _is_plain(patch: Mapping[str, Any]) -> bool:
    """Return whether a patch can be repeated: it names no version, which changes with it."""
    metadata = patch.get("metadata")
    return not (isinstance(metadata, Mapping) and "resourceVersion" in metadata)
