"""Applies the objects of one body together, as the caller, in the order of their references.

An object's referents are applied before it, whatever their order in the body. So they exist when
the object's references are checked, and the operator never sees a reference that dangles for a
moment. An object whose apply fails doesn't count as existing, unless it existed before.
"""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import groupby
from typing import Any, Final

from wegent_api.http.errors import Invalid, Problem, UpstreamStatus
from wegent_api.http.manifests import Manifest
from wegent_api.http.patches import without_quoted_object
from wegent_api.http.query import ApplyParameters
from wegent_api.kinds.object_writer import ObjectWriter
from wegent_api.kinds.reference_check import bounded, missing_of, targets_of, unresolved
from wegent_api.kinds.take_over import OwnershipTransfer
from wegent_api.upstream.client import Answer
from wegent_api.upstream.metadata import metadata_of, version_of
from wegent_crds.references import ObjectKey, Reference, references_of
from wegent_crds.registry import BY_PLURAL, Kind
from wegent_kube.errors import get_or_none
from wegent_kube.resources import resource_of

AT_ONCE: Final = 8
"""Limit of objects applied at the same time. Above 8, the API server's throughput stays the same.
"""
MAX_OUTSIDE: Final = 1024
"""Limit of distinct objects outside of the body that it refers to. Each costs one request."""

_WARNING: Final = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Applied:
    """An object that was applied, or was already as desired."""

    how: str
    """``created``, ``configured`` or ``unchanged``."""
    warnings: tuple[str, ...]
    """Warnings of the API server, for people."""


Outcome = Applied | Problem


class Apply:
    """Applies the objects of one body on behalf of one caller."""

    def __init__(self, writer: ObjectWriter, parameters: ApplyParameters) -> None:
        self._writer = writer
        self._user_api = writer.user_api
        self._caller = writer.caller
        self._parameters = parameters
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._outcomes: dict[ObjectKey, Outcome] = {}
        self._end: Problem | None = None

    async def run(self, manifests: Sequence[Manifest]) -> Mapping[ObjectKey, Outcome]:
        """Apply all of ``manifests``, which must be distinct objects.

        Raises:
            Invalid: the manifests have too many references. Nothing is applied.
        """
        if self._parameters.validate_refs:
            bound_lookups(manifests)
        in_order = sorted(manifests, key=lambda it: level_of(it.kind))
        for _, wave in groupby(in_order, key=lambda it: level_of(it.kind)):
            await self._apply_wave(list(wave))
        return self._outcomes

    async def _apply_wave(self, wave: Sequence[Manifest]) -> None:
        async with asyncio.TaskGroup() as group:
            for manifest in await self._resolved(wave):
                group.create_task(self._apply(manifest))

    async def _resolved(self, wave: Sequence[Manifest]) -> Sequence[Manifest]:
        """Return the manifests without dangling references. Record a failure for the rest."""
        if not self._parameters.validate_refs:
            return wave
        found: list[tuple[Manifest, list[Reference]]] = []
        targets: set[ObjectKey] = set()
        for manifest in wave:
            try:
                references = bounded(
                    references_of(manifest.kind, manifest.key.namespace, manifest.body)
                )
            except Problem as problem:
                self._outcomes[manifest.key] = problem
            else:
                targets |= targets_of(references)
                found.append((manifest, references))
        # Objects of a kind are applied at once, also those that refer to each other.
        missing = await self._missing(targets - {manifest.key for manifest in wave})
        resolved = []
        for manifest, references in found:
            refusal = unresolved(manifest.kind, references, manifest.body, missing)
            if refusal is None:
                resolved.append(manifest)
            else:
                self._outcomes[manifest.key] = refusal
        return resolved

    async def _missing(self, targets: set[ObjectKey]) -> frozenset[ObjectKey]:
        if self._end:
            return frozenset()
        known = {key for key, it in self._outcomes.items() if isinstance(it, Applied)}
        try:
            return await missing_of(self._user_api, self._caller, targets - known)
        except Problem as problem:
            self._end = problem
            return frozenset()

    async def _apply(self, manifest: Manifest) -> None:
        async with self._slots:
            try:
                if self._end:
                    raise self._end
                self._outcomes[manifest.key] = await self._send(manifest)
            except Problem as problem:
                if ends_all(problem):
                    self._end = problem
                self._outcomes[manifest.key] = problem

    async def _send(self, manifest: Manifest) -> Applied:
        path = resource_of(manifest.kind).path(manifest.key.namespace, manifest.key.name)
        target = self._writer.target(path)
        before = await self._before(path)
        namespace = manifest.key.namespace
        body = await self._writer.annotate(manifest.body, namespace, target)
        try:
            seen = None if before is None else version_of(metadata_of(before))
            transfer = OwnershipTransfer(self._writer.field_managers, target, self._parameters)
            answer = await transfer.run(body, seen=seen)
        except UpstreamStatus as refused:
            raise without_quoted_object(refused) from None
        return Applied(_how(before, answer), tuple(warnings_of(answer.headers)))

    async def _before(self, path: str) -> bytes | None:
        """Return the current object, or None if it doesn't exist or the caller may not read it."""
        try:
            there = await get_or_none(self._user_api.request(self._caller, "GET", path))
        except UpstreamStatus as refused:
            if refused.is_forbidden:
                return None
            raise
        return None if there is None else there.body


def ends_all(problem: Problem) -> bool:
    """Return whether a refusal concerns the whole request, so that all objects would get it."""
    return (
        problem.is_unauthorized
        or problem.is_too_many_requests
        or problem.is_service_unavailable
        or problem.code == HTTPStatus.BAD_GATEWAY
    )


def bound_lookups(manifests: Sequence[Manifest]) -> None:
    """Refuse manifests that would need too many lookups in one request.

    Raises:
        Invalid: ``manifests`` refer to more than `MAX_OUTSIDE` distinct objects besides themselves.
    """
    inside = {manifest.key for manifest in manifests}
    outside: set[ObjectKey] = set()
    for manifest in manifests:
        for reference in references_of(manifest.kind, manifest.key.namespace, manifest.body):
            if reference.target not in inside:
                outside.add(reference.target)
        if len(outside) > MAX_OUTSIDE:
            message = f"too many references to objects outside the body: the limit is {MAX_OUTSIDE}"
            raise Invalid(f"{message}; split the body, or use ?validateRefs=false")


def level_of(kind: Kind) -> int:
    """Return the longest chain of kinds that an object of ``kind`` may depend on.

    References within a kind don't count: they have no order, as two Models may name each other.
    """
    others = (BY_PLURAL[it.to] for it in kind.references if it.to != kind.plural)
    return max((level_of(other) + 1 for other in others), default=0)


def warnings_of(headers: Mapping[str, str]) -> Iterator[str]:
    """Yield the texts of ``Warning``, with code 299. RFC 9111 obsoletes it, Kubernetes uses it."""
    header = headers.get("Warning", "").encode("latin-1").decode("utf-8", "replace")
    for found in _WARNING.finditer(header):
        yield re.sub(r"\\(.)", r"\1", found[1])


def _how(before: bytes | None, answer: Answer) -> str:
    if answer.status == 201:
        return "created"
    same = before is not None and _applicable(before) == _applicable(answer.body)
    return "unchanged" if same else "configured"


def _applicable(body: bytes) -> Any:
    """Return the part of an object that an apply can change, without status and resourceVersion."""
    value = json.loads(body)
    metadata = dict(value["metadata"])
    metadata.pop("resourceVersion", None)
    metadata["managedFields"] = [
        entry for entry in metadata.get("managedFields") or () if "subresource" not in entry
    ]
    return {**value, "metadata": metadata, "status": None}
