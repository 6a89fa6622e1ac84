"""The trash: deleted objects, and how they come back."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from wegent_crds.conditions import Reason, conditions_of, find_condition
from wegent_crds.kinds.tombstone import Tombstone
from wegent_crds.models import MODELS
from wegent_crds.registry import BY_KIND, TOMBSTONE
from wegent_crds.schema.custom_resource import CustomResource
from wegent_sdk.errors import AlreadyExists, NotFound
from wegent_sdk.objects import read
from wegent_sdk.raw import Body
from wegent_sdk.watches import Operations
from wegent_sdk.wire import Request

LOOKS: Final = 25
LOOK_PAUSE_S: Final = 0.2
"""The operator restores an object in some hundredths of a second."""


class TrashOperations(Operations):
    """Requests for Tombstones."""

    async def list(
        self,
        namespace: str | None = None,
        *,
        kind: type[CustomResource] | None = None,
        name: str | None = None,
    ) -> AsyncGenerator[Tombstone, None]:
        """Yield the Tombstones of a namespace; ``spec.object`` has the deleted object.

        Args:
            namespace: the namespace; ``*`` for all.
            kind: only objects of this kind.
            name: only objects of this name.

        Raises:
            WegentError: a request failed.
        """
        selected = {"spec.kind": kind.__name__ if kind else None, "spec.name": name}
        selector = ",".join(f"{path}={value}" for path, value in selected.items() if value)
        found = self._raw.list(TOMBSTONE, namespace, field_selector=selector or None)
        async with aclosing(found) as bodies:
            async for body in bodies:
                yield read(Tombstone, body)

    async def restore(
        self, tombstone: Tombstone | str, namespace: str | None = None
    ) -> CustomResource | None:
        """Restore an object and return it; None if the operator is still at it.

        Args:
            tombstone: the Tombstone, or its name.
            namespace: its namespace.

        Raises:
            Conflict: the name of the object is taken.
            NotFound: there is no such Tombstone.
            WegentError: the request failed.
        """
        if isinstance(tombstone, Tombstone):
            name, namespace = str(tombstone.metadata.name), tombstone.metadata.namespace
        else:
            name = tombstone
        target = self._raw.target
        if not target.is_rest:
            return await self._restore_by_spec(name, namespace)
        path = f"{target.path(TOMBSTONE, namespace, name)}/restore"
        answer = await self._raw.api.send(Request("POST", path, target.params(namespace)))
        body = self._raw.api.json(answer)
        with self._raw.api.reading():
            return _object_of(body) if answer.status == 200 else None

    async def _restore_by_spec(self, name: str, namespace: str | None) -> CustomResource | None:
        before = await self._raw.patch(TOMBSTONE, name, {"spec": {"restore": True}}, namespace)
        with self._raw.api.reading():
            row, restored = BY_KIND[before["spec"]["kind"]], str(before["spec"]["name"])
        for _ in range(LOOKS):
            try:
                now = await self._raw.get(TOMBSTONE, name, namespace)
            except NotFound:
                return _object_of(await self._raw.get(row, restored, namespace))
            ready = find_condition(conditions_of(now), "Ready")
            if ready and ready.is_false and ready.reason == Reason.NAME_TAKEN:
                raise AlreadyExists(ready.message, status=409, reason=ready.reason)
            await self._raw.api.wire.http.sleep(LOOK_PAUSE_S)
        return None


def _object_of(body: Body) -> CustomResource:
    return read(MODELS[BY_KIND[body["kind"]].plural], body)
