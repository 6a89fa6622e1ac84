"""Answers of ``/api/v1/kinds/{kind}/{name}/references`` and ``/referrers``."""

from typing import Annotated, Any

from pydantic import Field

from wegent_api.accounts.models import Answer


class ResolvedRefs(Answer):
    """The operator's word on all references of an object: its condition `ResolvedRefs`."""

    status: str
    """`True`, `False` or `Unknown`."""
    reason: str
    message: str
    current: bool
    """Whether it is about the object as it is now."""


class FoundReference(Answer):
    """One reference of an object, as far as the caller may see where it leads."""

    field: str
    """Where it is in the object, such as `spec.bots[0]`."""
    kind: str
    namespace: str
    name: str
    found: bool | None = None
    """Whether it is there; left out if the caller may not look."""
    permitted: bool | None = None
    """Whether the object may refer to it; left out where the operator's word doesn't tell."""


class ReferenceList(Answer):
    """What an object refers to."""

    items: list[FoundReference]
    """In the order of the object's fields."""
    resolved_refs: ResolvedRefs | None = None
    """Left out before the operator's first word."""


class Referrer(Answer):
    """An object that refers to another."""

    kind: str
    metadata: dict[str, Any]
    """Its metadata, but for managedFields."""
    fields: list[str]
    """Where it does so, such as `spec.bots[0]`."""


class ReferrerList(Answer):
    """What refers to an object, in as many namespaces as the caller may list."""

    items: list[Referrer]
    continue_: Annotated[str | None, Field(alias="continue")] = None
    """Set where there may be more, also if there are no items."""
