"""Applies manifests: over ``POST /api/v1/apply``, or by server-side apply object by object."""

from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from wegent_crds.registry import BY_KIND, KINDS
from wegent_crds.schema.custom_resource import CustomResource
from wegent_sdk.errors import Malformed, NotFound, NotWegent, Refused, WegentError, refusal
from wegent_sdk.objects import body_of, encoded, name_of, namespace_of
from wegent_sdk.raw import Body
from wegent_sdk.targets import FIELD_MANAGER
from wegent_sdk.watches import Operations
from wegent_sdk.wire import Request

OBJECTS_MAX: Final = 256
"""Objects in one request."""
BODY_MAX_BYTES: Final = 1 << 20
"""Bytes in one request, unless a single object is larger. The REST API takes 1.5 MiB."""
ANSWER_WITHIN_S: Final = 120.0
APPLY_PATCH: Final = "application/apply-patch+yaml"
REFERENTS_FIRST: Final = ("Skill", "Ghost", "Model", "Shell", "Bot", "Team", "Task")
SERVERS_OWN: Final = frozenset(
    {
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "generation",
        "managedFields",
        "resourceVersion",
        "selfLink",
        "uid",
    }
)
"""Metadata that the REST API drops from applied objects too, so that a read one can be applied."""
Result = Literal["created", "configured", "unchanged", "failed"]


@dataclass(frozen=True, slots=True)
class Applied:
    """The result for one object.

    Attributes:
        index: place among the given objects, from 0.
        kind: its kind.
        namespace: its namespace; None if the server has chosen it.
        name: its name.
        result: the change.
        warnings: warnings of the API server.
        error: the reason of a failure; None if it didn't fail.
    """

    index: int
    kind: str
    namespace: str | None
    name: str
    result: Result
    warnings: tuple[str, ...] = ()
    error: WegentError | None = None


class ApplyOperations(Operations):
    """Applies objects."""

    async def apply(
        self,
        items: Iterable[CustomResource | Mapping[str, Any]],
        *,
        namespace: str | None = None,
        force: bool = False,
        validate_refs: bool = True,
        dry_run: bool = False,
        field_manager: str = FIELD_MANAGER,
    ) -> Sequence[Applied]:
        """Apply objects, in an order in which referents come first, and return their results.

        An object that fails doesn't stop the others; look at ``result`` of each. More than 256
        objects, or than a MiB, are applied by several requests.

        Args:
            items: objects, or manifests as dictionaries.
            namespace: of objects that name none.
            force: True to take over fields of other managers.
            validate_refs: True to refuse objects whose referents don't exist. Only the REST API
                does.
            dry_run: True to store nothing.
            field_manager: name under which the fields are owned.

        Raises:
            Malformed: an item is no object of Wegent's kinds. Nothing is applied.
            WegentError: the server is down, or refuses all. If that happens after a part is
                applied, `apply_each` has the results so far.
        """
        done = self.apply_each(
            items,
            namespace=namespace,
            force=force,
            validate_refs=validate_refs,
            dry_run=dry_run,
            field_manager=field_manager,
        )
        return sorted([it async for it in done], key=lambda it: it.index)

    async def apply_each(
        self,
        items: Iterable[CustomResource | Mapping[str, Any]],
        *,
        namespace: str | None = None,
        force: bool = False,
        validate_refs: bool = True,
        dry_run: bool = False,
        field_manager: str = FIELD_MANAGER,
    ) -> AsyncGenerator[Applied, None]:
        """Apply objects as `apply` does, and yield each result as it comes, referents first.

        Args:
            items: as for `apply`.
            namespace: as for `apply`.
            force: as for `apply`.
            validate_refs: as for `apply`.
            dry_run: as for `apply`.
            field_manager: as for `apply`.

        Raises:
            Malformed: an item is no object of Wegent's kinds. Nothing is applied.
            WegentError: the server is down, or refuses all that has no result yet.
        """
        bodies = list(enumerate(_named(body_of(item)) for item in items))
        bodies.sort(key=lambda it: _rank(it[1]))
        options = {
            "fieldManager": field_manager,
            **({"force": "true"} if force else {}),
            **self._raw.target.writing(validate_refs=validate_refs, dry_run=dry_run),
        }
        options["fieldManager"] = field_manager
        if self._raw.target.is_rest:
            for batch in _batches(bodies):
                for applied in await self._apply_batch(batch, namespace, options):
                    yield applied
        else:
            for index, body in bodies:
                yield await self._apply_one(index, body, namespace, options)

    async def _apply_batch(
        self, batch: Sequence[tuple[int, Body]], namespace: str | None, options: Mapping[str, str]
    ) -> list[Applied]:
        listed = {"apiVersion": "v1", "kind": "List", "items": [body for _, body in batch]}
        params = {**self._raw.target.params(namespace), **options}
        request = Request(
            "POST",
            "/api/v1/apply",
            params,
            encoded(listed),
            repeatable=True,
            answer_within_s=ANSWER_WITHIN_S,
        )
        answer = await self._raw.api.object(request)
        results = answer.get("items")
        if not isinstance(results, list) or len(results) != len(batch):
            raise NotWegent(
                f"{self._raw.api.url} answers without a result for each object; check the address",
                url=self._raw.api.url,
            )
        return [
            _applied(index, body, result, self._raw.api.url)
            for (index, body), result in zip(batch, results, strict=True)
        ]

    async def _apply_one(
        self, index: int, body: Body, namespace: str | None, options: Mapping[str, str]
    ) -> Applied:
        row, where = BY_KIND[body["kind"]], namespace_of(body) or namespace
        name, metadata = name_of(body), body["metadata"]
        written = {key: value for key, value in metadata.items() if key not in SERVERS_OWN}
        body = {**body, "metadata": written}
        path = self._raw.target.path(row, where, name)
        request = Request(
            "PATCH", path, options, encoded(body), APPLY_PATCH, repeatable="dryRun" not in options
        )
        try:
            try:
                before = await self._raw.get(row, name, where)
            except NotFound:
                before = None
            after = await self._raw.api.object(request)
        except Refused as error:
            return Applied(index, row.kind, where, name, "failed", error=error)
        result: Result = "created"
        if before is not None:
            result = "unchanged" if _content(before) == _content(after) else "configured"
        return Applied(index, row.kind, namespace_of(after), name, result)


def _named(body: Body) -> Body:
    """Return an object that has a name.

    Raises:
        Malformed: it has none.
    """
    metadata = body.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    if not isinstance(name, str) or not name:
        raise Malformed(f"metadata.name of a {body['kind']} is missing, or is no text")
    return body


def _rank(body: Body) -> int:
    kind = body["kind"]
    return REFERENTS_FIRST.index(kind) if kind in REFERENTS_FIRST else len(KINDS)


def _batches(bodies: Sequence[tuple[int, Body]]) -> Iterator[list[tuple[int, Body]]]:
    batch: list[tuple[int, Body]] = []
    size = 0
    for index, body in bodies:
        its = len(encoded(body)) + 1
        if batch and (len(batch) == OBJECTS_MAX or size + its > BODY_MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append((index, body))
        size += its
    if batch:
        yield batch


def _applied(index: int, body: Body, result: Any, url: str) -> Applied:
    found = result if isinstance(result, dict) else {}
    status, warnings = found.get("status"), found.get("warnings")
    error = None
    if found.get("result") not in {"created", "configured", "unchanged"}:
        told = status if isinstance(status, dict) else {}
        code = told.get("code")
        error = refusal(code if isinstance(code, int) else 500, told, {}, url)
    return Applied(
        index,
        str(found.get("kind") or body["kind"]),
        found.get("namespace") or namespace_of(body),
        str(found.get("name") or body.get("metadata", {}).get("name")),
        "failed" if error else found["result"],
        tuple(map(str, warnings)) if isinstance(warnings, list) else (),
        error,
    )


def _content(body: Body) -> tuple[Any, ...]:
    metadata = body["metadata"]
    return (
        body.get("spec"),
        *(metadata.get(field) for field in ("labels", "annotations", "ownerReferences")),
    )
