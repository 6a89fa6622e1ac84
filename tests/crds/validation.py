"""Validation of a body by the API server, without storing it, and by pydantic."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from wegent_crds.models import MODELS
from wegent_crds.registry import BY_PLURAL
from wegent_crds.schema.base import Schema
from wegent_kube import ApiError, KubeClient
from wegent_kube.resources import resource_of

DRY_RUN = {"dryRun": "All", "fieldValidation": "Strict"}
AT_ONCE = 16
"""Requests in flight, at which the API server's throughput stops growing."""

LARGE_BODIES = "ignore:Sending a large body:ResourceWarning"
"""aiohttp's warning of bodies over a megabyte, which the tests of bounds must send."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a validation."""

    accepted: bool
    said: str
    """The reason of a refusal."""
    result: Any = None
    """The accepted body, with its defaults and without its nulls."""


class ApiServer:
    """Validates bodies in one namespace, many at once over pooled connections."""

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self.client = client
        self.namespace = namespace
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def create(self, plural: str, body: Any, *, dry_run: bool = True) -> Verdict:
        """Validate ``body`` as a new object of a kind."""
        path = resource_of(BY_PLURAL[plural]).path(self.namespace)
        return await self._ask("POST", path, body, dry_run=dry_run)

    async def create_all(self, plural: str, bodies: Iterable[Any]) -> list[Verdict]:
        """Validate each of ``bodies``."""
        return await asyncio.gather(*(self.create(plural, body) for body in bodies))

    async def update(self, plural: str, body: Mapping[str, Any]) -> Verdict:
        """Validate ``body`` as a change of the object that has its name."""
        path = resource_of(BY_PLURAL[plural]).path(self.namespace, body["metadata"]["name"])
        return await self._ask("PUT", path, body)

    async def write_statuses(
        self,
        plural: str,
        stored: Mapping[str, Any],
        statuses: Iterable[Any],
        *,
        dry_run: bool = True,
    ) -> list[Verdict]:
        """Validate each of ``statuses`` as the status of the object ``stored``."""
        path = resource_of(BY_PLURAL[plural]).path(
            self.namespace, stored["metadata"]["name"], "status"
        )
        bodies = ({**stored, "status": status} for status in statuses)
        return await asyncio.gather(
            *(self._ask("PUT", path, body, dry_run=dry_run) for body in bodies)
        )

    async def _ask(self, method: str, path: str, body: Any, *, dry_run: bool = True) -> Verdict:
        params = DRY_RUN if dry_run else {"fieldValidation": "Strict"}
        async with self._slots:
            try:
                result = await self.client.request(method, path, body=body, params=params)
            except ApiError as error:
                # For malformed or unknown fields, or invalid ones; other errors are no verdicts.
                if not (error.is_bad_request or error.is_invalid):
                    raise
                return Verdict(accepted=False, said=error.message)
        return Verdict(accepted=True, said="", result=result)


def pydantic_verdict(model: type[BaseModel], body: Any) -> Verdict:
    """Validate ``body`` by the model, as decoded JSON and as text; the results must agree."""
    verdict = _by_pydantic(lambda: model.model_validate(body))
    from_text = _by_pydantic(lambda: model.model_validate_json(json.dumps(body)))
    assert verdict.accepted == from_text.accepted, (body, verdict, from_text)
    return verdict


def by_model(plural: str, body: Any) -> Verdict:
    """Validate ``body`` by the model of a kind."""
    return pydantic_verdict(MODELS[plural], body)


def by_transition(model: type[Schema], before: Any, after: Any) -> Verdict:
    """Validate a change by the model: the new value, and the transition."""
    verdict = pydantic_verdict(model, after)
    if not verdict.accepted:
        return verdict
    was, is_ = model.model_validate(before), model.model_validate(after)
    said = [rule.message for rule in model.transitions if not rule.check(was, is_)]
    return Verdict(accepted=False, said="; ".join(said)) if said else verdict


def _by_pydantic(validate: Any) -> Verdict:
    try:
        return Verdict(accepted=True, said="", result=validate().body())
    except ValidationError as error:
        return Verdict(accepted=False, said=str(error))
