"""Answers of ``/api/v1/kinds/{kind}/{name}/references`` and ``/referrers``."""

from typing import Annotated, Any

from pydantic import Field

from wegent_api.accounts.models import Answer


class ResolvedRefs(Answer):
    """The operator's verdict on all references of an object: its condition `ResolvedRefs`."""

    status: str
    """`True`, `False` or `Unknown`."""
    reason: str
    message: str
    current: bool
    """True if the verdict is about the object's current generation."""


class FoundReference(Answer):
    """One reference of an object, and the part of its state that the caller may see."""

    field: str
    """Path of the field, such as `spec.bots[0]`."""
    kind: str
    namespace: str
    name: str
    found: bool | None = None
    """True if the referenced object exists. Omitted if the caller may not read it."""
    permitted: bool | None = None
    """True if the reference is permitted. Omitted if the operator's verdict doesn't tell."""


class ReferenceList(Answer):
    """The references of an object."""

    items: list[FoundReference]
    """In the order of the object's fields."""
    resolved_refs: ResolvedRefs | None = None
    """Omitted until the operator has written its first verdict."""


class Referrer(Answer):
    """An object that refers to another."""

    kind: str
    metadata: dict[str, Any]
    """Metadata of the object, without managedFields."""
    fields: list[str]
    """Paths of the referring fields, such as `spec.bots[0]`."""


class ReferrerList(Answer):
    """The objects that refer to an object, in all namespaces that the caller may list."""

    items: list[Referrer]
    continue_: Annotated[str | None, Field(alias="continue")] = None
    """Set if there may be more items, even if this page has none."""
