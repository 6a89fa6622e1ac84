"""Objects of Wegent's kinds as their models."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, TypeVar

from wegent_crds.schema.custom_resource import CustomResource
from wegent_sdk.changes import WatchEvent
from wegent_sdk.objects import body_of, kind_of, read
from wegent_sdk.raw import PAGE
from wegent_sdk.watches import PATIENCE_S, OnCut, Operations

K = TypeVar("K", bound=CustomResource)


class KindOperations(Operations):
    """Requests for typed objects."""

    async def get(self, kind: type[K], name: str, namespace: str | None = None) -> K:
        """Return an object.

        Raises:
            NotFound: there is none.
            Unreadable: the model can't read it.
            WegentError: the request failed.
        """
        return read(kind, await self._raw.get(kind_of(kind), name, namespace))

    async def list(
        self,
        kind: type[K],
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        page_size: int = PAGE,
    ) -> AsyncGenerator[K, None]:
        """Yield the objects of a namespace, or with ``*`` of all that the user may list.

        Args:
            kind: the model of the kind.
            namespace: the namespace; ``*`` for all.
            label_selector: as kubectl's ``--selector``.
            field_selector: as kubectl's ``--field-selector``.
            page_size: number of objects in one request.

        Raises:
            Unreadable: the model can't read an object.
            Expired: the list took so long that its version is gone; begin again.
            WegentError: a request failed.
        """
        found = self._raw.list(
            kind_of(kind),
            namespace,
            label_selector=label_selector,
            field_selector=field_selector,
            page_size=page_size,
        )
        async with aclosing(found) as bodies:
            async for body in bodies:
                yield read(kind, body)

    async def watch(
        self,
        kind: type[K],
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        patience_s: float = PATIENCE_S,
        on_cut: OnCut | None = None,
    ) -> AsyncGenerator[WatchEvent[K], None]:
        """Yield the existing objects as ADDED, and then each change. It ends only with an error.

        After a cut it goes on where it was.

        Args:
            kind: the model of the kind.
            namespace: the namespace; ``*`` for all, which needs the right to list the cluster.
            label_selector: as kubectl's ``--selector``.
            field_selector: as kubectl's ``--field-selector``.
            patience_s: seconds for which failures in a row are retried.
            on_cut: called with each failure, and the seconds until the next attempt.

        Raises:
            WegentError: the right has ended, or the server failed for ``patience_s``.
        """
        changes = self._raw.watch(
            kind_of(kind),
            namespace,
            label_selector=label_selector,
            field_selector=field_selector,
            patience_s=patience_s,
            on_cut=on_cut,
        )
        async with aclosing(changes) as events:
            async for event in events:
                yield WatchEvent(event.type, read(kind, event.object))

    async def create(self, item: K, *, validate_refs: bool = True, dry_run: bool = False) -> K:
        """Create an object in its namespace, and return it as stored. Not repeated by itself.

        Args:
            item: the object.
            validate_refs: True to refuse it if a referent doesn't exist. Only the REST API does.
            dry_run: True to store nothing.

        Raises:
            AlreadyExists: the name is taken.
            Invalid: it is not valid.
            WegentError: the request failed.
        """
        body = await self._raw.create(
            kind_of(type(item)), body_of(item), validate_refs=validate_refs, dry_run=dry_run
        )
        return read(type(item), body)

    async def replace(self, item: K, *, validate_refs: bool = True, dry_run: bool = False) -> K:
        """Replace an object in the version in which it was read, and return it as stored.

        Raises:
            Conflict: it has another version now.
            NotFound: it does not exist.
            WegentError: the request failed.
        """
        body = await self._raw.replace(
            kind_of(type(item)), body_of(item), validate_refs=validate_refs, dry_run=dry_run
        )
        return read(type(item), body)

    async def patch(
        self,
        kind: type[K],
        name: str,
        patch: Mapping[str, Any],
        namespace: str | None = None,
        *,
        dry_run: bool = False,
    ) -> K:
        """Change the fields that a merge patch (RFC 7386) has, and return the object.

        Raises:
            NotFound: there is no such object.
            WegentError: the request failed.
        """
        row = kind_of(kind)
        return read(kind, await self._raw.patch(row, name, patch, namespace, dry_run=dry_run))

    async def delete(
        self,
        kind: type[CustomResource],
        name: str,
        namespace: str | None = None,
        *,
        dry_run: bool = False,
    ) -> None:
        """Delete an object. It may still be there for a moment, until it is in the trash.

        Raises:
            NotFound: there is none.
            WegentError: the request failed.
        """
        await self._raw.delete(kind_of(kind), name, namespace, dry_run=dry_run)
