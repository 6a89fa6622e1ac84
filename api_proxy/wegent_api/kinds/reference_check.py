"""Checks that the references of an object exist, as far as its author may see.

The operator evaluates references later in any case. This check tells the author at once. It reads
with the author's own rights, so that it reveals nothing about objects that the author may not read.
A reference that the author may not look up passes.
"""

import asyncio
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Final

from wegent_api.http.bearer import Caller
from wegent_api.http.errors import MAX_CAUSES, Cause, Invalid, UpstreamStatus
from wegent_api.names import is_dns_label, is_dns_subdomain
from wegent_api.upstream.client import UserApi
from wegent_crds.references import ObjectKey, Reference, references_of
from wegent_crds.registry import BY_PLURAL, GROUP, Kind
from wegent_kube.content_types import METADATA_OBJECT
from wegent_kube.errors import get_or_none
from wegent_kube.resources import resource_of

LOOKUPS_AT_ONCE: Final = 8
MAX_TARGETS: Final = 256
"""Limit of references in one object: more than the lists of any kind hold."""


async def check_references(
    user_api: UserApi, caller: Caller, kind: Kind, namespace: str, body: Mapping[str, Any]
) -> None:
    """Look up all references of ``body``, which is to be written to ``namespace``.

    Raises:
        Invalid: a referenced object doesn't exist. There is a cause for each such reference.
        UpstreamStatus, Unavailable: the API server did not answer.
    """
    found = bounded(references_of(kind, namespace, body))
    missing = await missing_of(user_api, caller, targets_of(found))
    if problem := unresolved(kind, found, body, missing):
        raise problem


def bounded(references: Iterable[Reference]) -> list[Reference]:
    """Return ``references`` as a list. Their number depends on the body, which a client sends.

    Raises:
        Invalid: there are more references than any kind has.
    """
    found = list(islice(references, MAX_TARGETS + 1))
    if len(found) > MAX_TARGETS:
        message = f"too many references to check: the limit is {MAX_TARGETS}"
        raise Invalid(f"{message}; use ?validateRefs=false to skip the check")
    return found


def targets_of(references: Iterable[Reference]) -> set[ObjectKey]:
    """Return the objects that ``references`` point to, without names that no object can have."""
    return {reference.target for reference in references if _wrong_name(reference) is None}


def unresolved(
    kind: Kind,
    references: Iterable[Reference],
    body: Mapping[str, Any],
    missing: frozenset[ObjectKey],
) -> Invalid | None:
    """Return the refusal of ``body`` with a cause for each dangling reference, or None."""
    all_causes = (_cause(reference, missing) for reference in references)
    causes = list(islice(filter(None, all_causes), MAX_CAUSES + 1))
    return Invalid.of(causes, what=f'{kind.kind}.{GROUP} "{_name(body)}"') if causes else None


async def missing_of(
    user_api: UserApi, caller: Caller, targets: Iterable[ObjectKey]
) -> frozenset[ObjectKey]:
    """Return the ``targets`` that don't exist, among those that the caller may read.

    Raises:
        UpstreamStatus, Unavailable: the API server did not answer.
    """
    seen = await look_up(user_api, caller, targets)
    return frozenset(target for target, there in seen.items() if there is False)


async def look_up(
    user_api: UserApi, caller: Caller, targets: Iterable[ObjectKey]
) -> Mapping[ObjectKey, bool | None]:
    """Return for each target whether it exists, or None if the caller may not read it.

    Raises:
        UpstreamStatus, Unavailable: the API server did not answer.
    """
    slots = asyncio.Semaphore(LOOKUPS_AT_ONCE)

    async def one(target: ObjectKey) -> bool | None:
        async with slots:
            return await _is_there(user_api, caller, target)

    try:
        async with asyncio.TaskGroup() as group:
            lookups = {target: group.create_task(one(target)) for target in targets}
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None  # one answer; the first failure ended the others
    return {target: lookup.result() for target, lookup in lookups.items()}


async def _is_there(user_api: UserApi, caller: Caller, target: ObjectKey) -> bool | None:
    path = resource_of(BY_PLURAL[target.plural]).path(target.namespace, target.name)
    reading = user_api.request(caller, "GET", path, accept=METADATA_OBJECT)
    try:
        return await get_or_none(reading) is not None
    except UpstreamStatus as refused:
        if refused.is_forbidden:
            return None
        raise


def _name(body: Mapping[str, Any]) -> Any:
    metadata = body.get("metadata")
    return metadata.get("name", "") if isinstance(metadata, Mapping) else ""


def _cause(reference: Reference, missing: frozenset[ObjectKey]) -> Cause | None:
    if wrong := _wrong_name(reference):
        field, message = wrong
        return Cause("FieldValueInvalid", field, message)
    if reference.target not in missing:
        return None
    target = reference.target
    return Cause(
        "FieldValueNotFound",
        reference.field,
        f"{BY_PLURAL[target.plural].kind} {target.name} not found in namespace {target.namespace};"
        " create it first, or use ?validateRefs=false to skip this check",
    )


def _wrong_name(reference: Reference) -> tuple[str, str] | None:
    """Return the field and the message if the reference's name can't be an object's name."""
    if not is_dns_subdomain(reference.target.name):
        return f"{reference.field}.name", "must be a DNS-1123 subdomain"
    if not is_dns_label(reference.target.namespace):
        return f"{reference.field}.namespace", "must be a DNS-1123 label"
    return None
