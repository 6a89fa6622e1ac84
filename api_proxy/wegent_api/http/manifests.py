"""The objects in one body: YAML documents, JSON, or lists of either.

An object may come from a GET. Fields that only the API server writes are then removed, because a
manifest describes the desired object and not one version of it.

Each object is checked separately. An error in one is reported for that one, and the others are
still accepted.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from wegent_api.http.errors import BadRequest, Cause
from wegent_api.http.wegent_form import fields_of
from wegent_api.names import is_dns_label, is_dns_subdomain
from wegent_crds.references import ObjectKey
from wegent_crds.registry import API_VERSION, BY_KIND, KINDS, Kind

MAX_MANIFESTS: Final = 256
"""Limit of objects in one body: four times as many as the largest Team refers to."""
LIST: Final = ("v1", "List")
"""The type that kubectl returns for several objects."""
WRITTEN_BY_THE_SERVER: Final = frozenset(
    {
        *("creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation"),
        *("managedFields", "resourceVersion", "selfLink", "uid"),
    }
)
"""Metadata of a stored object that an apply refuses or ignores."""
SERVED: Final = tuple(kind.kind for kind in KINDS if kind.user_facing)


@dataclass(frozen=True, slots=True)
class Manifest:
    """One desired object."""

    kind: Kind
    key: ObjectKey
    body: Mapping[str, Any]
    foreign_fields: tuple[str, ...] = ()
    """Fields of the document that only the original Wegent has."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """A value that is not a valid object, with the identity that it claims."""

    problem: BadRequest
    kind: str | None = None
    namespace: str | None = None
    name: str | None = None
    foreign_fields: tuple[str, ...] = ()


def manifests_of(documents: Sequence[Any], namespace: str) -> list[Manifest | Unusable]:
    """Return the objects of ``documents`` in order, with lists expanded.

    An object without a namespace goes into ``namespace``.

    Raises:
        BadRequest: there are no objects, or too many.
    """
    values = [value for document in documents for value in _items(document)]
    if not values:
        raise BadRequest("the body has no objects")
    if len(values) > MAX_MANIFESTS:
        raise BadRequest(f"the body has {len(values)} objects: the limit is {MAX_MANIFESTS}")
    found = [_manifest(value, namespace) for value in values]
    times = Counter(it.key for it in found if isinstance(it, Manifest))
    return [_once(it) if isinstance(it, Manifest) and times[it.key] > 1 else it for it in found]


def as_wanted(body: Mapping[str, Any], *, keep: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return an object without its status and the metadata that only the API server writes.

    ``keep`` names metadata that stays.
    """
    wanted = {key: value for key, value in body.items() if key != "status"}
    metadata = body.get("metadata")
    if isinstance(metadata, Mapping):
        dropped = WRITTEN_BY_THE_SERVER - keep
        wanted["metadata"] = {key: it for key, it in metadata.items() if key not in dropped}
    return wanted


def _items(document: Any) -> Iterator[Any]:
    """Yield the objects of a document. Nested lists are expanded, as in kubectl."""
    pending = [document]
    while pending:
        value = pending.pop()
        items = _items_of_list(value)
        if items is None:
            yield value
        else:
            pending.extend(reversed(items))


def _items_of_list(value: Any) -> list[Any] | None:
    """Return the items of a list, or None if ``value`` is not a list."""
    if isinstance(value, list):
        return value
    if not isinstance(value, Mapping):
        return None
    identity = (value.get("apiVersion"), value.get("kind"))
    items = value.get("items")
    if not isinstance(items, list | None):
        return None
    if identity == LIST:
        return items or []
    for kind in SERVED:
        if identity == (API_VERSION, f"{kind}List"):
            # Items of a typed list may omit fields that the list implies.
            implied = {"apiVersion": API_VERSION, "kind": kind}
            return [{**implied, **it} if isinstance(it, Mapping) else it for it in items or []]
    return None


def _manifest(value: Any, namespace: str) -> Manifest | Unusable:
    if not isinstance(value, Mapping):
        return Unusable(BadRequest("the document must be an object"))
    metadata = value.get("metadata")
    if not isinstance(metadata, Mapping):
        metadata = {}
    name, place = metadata.get("name"), metadata.get("namespace") or namespace
    kind = BY_KIND.get(str(value.get("kind")))
    causes = [*_wrong_kind(value, kind), *_wrong_place(name, place)]
    foreign = tuple(fields_of(value))
    if causes or kind is None:
        shown = [_shown(it) for it in (value.get("kind"), place, name)]
        return Unusable(BadRequest.of(causes), shown[0], shown[1], shown[2], foreign)
    body = as_wanted({**value, "metadata": {**metadata, "namespace": place}})
    return Manifest(kind, ObjectKey(kind.plural, place, str(name)), body, foreign)


def _wrong_kind(value: Mapping[str, Any], kind: Kind | None) -> Iterator[Cause]:
    if kind is None or not kind.user_facing:
        message = f"must be one of {', '.join(SERVED)}; apply other kinds with kubectl"
        yield Cause("FieldValueNotSupported", "kind", message)
    elif value.get("apiVersion") != API_VERSION:
        yield Cause("FieldValueNotSupported", "apiVersion", f"must be {API_VERSION}")


def _wrong_place(name: object, namespace: object) -> Iterator[Cause]:
    if name in (None, ""):
        message = "is required; generateName is not supported for an apply"
        yield Cause("FieldValueRequired", "metadata.name", message)
    elif not is_dns_subdomain(name):
        yield Cause("FieldValueInvalid", "metadata.name", "must be a DNS-1123 subdomain")
    if not is_dns_label(namespace):
        yield Cause("FieldValueInvalid", "metadata.namespace", "must be a DNS-1123 label")


def _once(manifest: Manifest) -> Unusable:
    key = manifest.key
    message = "must be unique: the body has several objects of this kind, namespace and name"
    cause = Cause("FieldValueDuplicate", "metadata.name", message)
    return Unusable(BadRequest.of([cause]), manifest.kind.kind, key.namespace, key.name)


def _shown(value: object) -> str | None:
    return value[:253] if isinstance(value, str) and value else None
