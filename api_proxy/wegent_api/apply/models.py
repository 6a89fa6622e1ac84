"""Answers of ``/api/v1/apply``."""

from typing import Any, Literal

from wegent_api.accounts.models import Answer


class ApplyResult(Answer):
    """What became of one object of the body."""

    index: int
    """Its place in the body, from 0; objects of a list count one by one, empty documents not."""
    kind: str | None = None
    namespace: str | None = None
    name: str | None = None
    result: Literal["created", "configured", "unchanged", "failed"]
    warnings: list[str] | None = None
    """What the API server warns of, for people."""
    status: dict[str, Any] | None = None
    """Of what failed, why: a Kubernetes Status, as a request for this object alone would get."""


class ApplyResults(Answer):
    """What became of each object of the body, in its order."""

    items: list[ApplyResult]
    failed: int
    """How many failed."""
