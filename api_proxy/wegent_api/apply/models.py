"""Answers of ``/api/v1/apply``."""

from typing import Any, Literal

from wegent_api.accounts.models import Answer


class ApplyResult(Answer):
    """The result for one object of the body."""

    index: int
    """Index in the body, from 0. Objects of a list count separately, empty documents do not."""
    kind: str | None = None
    namespace: str | None = None
    name: str | None = None
    result: Literal["created", "configured", "unchanged", "failed"]
    warnings: list[str] | None = None
    """Warnings of the API server, for people."""
    status: dict[str, Any] | None = None
    """Reason of a failure: the Kubernetes Status that a request for this object alone would get."""


class ApplyResults(Answer):
    """The results for all objects of the body, in its order."""

    items: list[ApplyResult]
    failed: int
    """Number of failed objects."""
