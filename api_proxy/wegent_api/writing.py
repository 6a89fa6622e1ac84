"""POST, PUT and PATCH of one object.

The API server judges: schema, RBAC, policies and versions. What is added here is what
a person at the other end of REST expects: identity may be left out of a body, a
reference to nothing is refused at once, and versions travel in HTTP's own headers.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import Depends, Query, Response

from wegent_api.bodies import json_object
from wegent_api.callers import Caller, CallerDep
from wegent_api.errors import BadRequest, Cause, PreconditionFailed, Refused
from wegent_api.heads import version_of
from wegent_api.parameters import Name, PatchParameters, WriteParameters, namespace_of
from wegent_api.patches import Patch, PatchDep, as_yaml, with_metadata, without_quoted_object
from wegent_api.preconditions import EntityTags, IfMatch, IfNoneMatch, tagged
from wegent_api.references import check_references
from wegent_api.services import Services, ServicesDep
from wegent_api.targets import Target, required
from wegent_api.upstream import Answer
from wegent_crds.kinds import API_VERSION, Kind
from wegent_kube.resources import resource_of

REPLACE_ATTEMPTS: Final = 5
"""Of a PUT that names no version, each with the version that is there then."""

Body = Annotated[dict[str, Any], Depends(json_object)]


class Writes:
    """The routes of one kind that write one object."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.resource = resource_of(kind)

    async def create(
        self,
        services: ServicesDep,
        caller: CallerDep,
        parameters: Annotated[WriteParameters, Query()],
        body: Body,
    ) -> Response:
        """Create an object. `apiVersion` and `kind` may be left out."""
        return await self._create(services, caller, parameters, self.completed(body))

    async def replace(
        self,
        services: ServicesDep,
        caller: CallerDep,
        name: Name,
        parameters: Annotated[WriteParameters, Query()],
        if_match: IfMatch,
        if_none_match: IfNoneMatch,
        body: Body,
    ) -> Response:
        """Replace an object as a whole.

        `apiVersion`, `kind` and `metadata.name` may be left out. `If-Match`, or
        `metadata.resourceVersion` in the body, replaces that version and no other; without
        either, whatever version is there. `If-None-Match: *` creates, and replaces nothing.
        """
        named = with_metadata(self.completed(body), name=name)
        if if_none_match is None:
            return await self._replace(services, caller, parameters, if_match, named)
        if if_match is not None or not if_none_match.any:
            raise BadRequest("If-None-Match: a PUT takes * alone, and no If-Match beside it")
        try:
            return await self._create(services, caller, parameters, named)
        except Refused as refused:
            if refused.status.get("reason") != "AlreadyExists":
                raise
            raise PreconditionFailed(f"If-None-Match: {refused.message}") from refused

    async def patch(
        self,
        services: ServicesDep,
        caller: CallerDep,
        name: Name,
        parameters: Annotated[PatchParameters, Query()],
        if_match: IfMatch,
        patch: PatchDep,
    ) -> Response:
        """Change a part of an object.

        By a merge patch (RFC 7386), a JSON patch (RFC 6902), or server-side apply, which
        creates the object if it isn't there. References are looked up on apply alone: the
        other two don't say what the object will be.
        """
        completed = self.completed(patch.object)
        namespace = namespace_of(parameters.namespace, completed)
        target = Target(services.callers, caller, self.resource.path(namespace, name))
        if patch.applies:
            applied = with_metadata(completed, name=name)
            if parameters.validate_refs:
                await check_references(services.callers, caller, self.kind, namespace, applied)
            noted = await services.creators.noted(caller, applied, target)
            version, body = await _tied(target, if_match, noted)
        else:
            version = await target.required_version(if_match)
            body = patch.tied_to(version)
        answer = await _send(target, patch, parameters, body, version)
        return tagged(answer, stored=not parameters.dry_run)

    async def _create(
        self,
        services: Services,
        caller: Caller,
        parameters: WriteParameters,
        body: Mapping[str, Any],
    ) -> Response:
        namespace = namespace_of(parameters.namespace, body)
        if parameters.validate_refs:
            await check_references(services.callers, caller, self.kind, namespace, body)
        collection = Target(services.callers, caller, self.resource.path(namespace))
        noted = await services.creators.noted(caller, body)
        answer = await collection.write("POST", encoded(noted), params=parameters.upstream())
        return tagged(answer, stored=not parameters.dry_run)

    async def _replace(
        self,
        services: Services,
        caller: Caller,
        parameters: WriteParameters,
        if_match: EntityTags | None,
        body: Mapping[str, Any],
    ) -> Response:
        namespace = namespace_of(parameters.namespace, body)
        if parameters.validate_refs:
            await check_references(services.callers, caller, self.kind, namespace, body)
        path = self.resource.path(namespace, body["metadata"]["name"])
        target = Target(services.callers, caller, path)
        version = await target.required_version(if_match)
        noted = await services.creators.noted(caller, body, target)
        if version is not None:
            noted = with_metadata(noted, resourceVersion=version)
        if version_of(noted["metadata"]) is None:
            answer = await _replace_any(target, noted, parameters.upstream())
        else:
            answer = await target.write(
                "PUT", encoded(noted), params=parameters.upstream(), guard=version
            )
        return tagged(answer, stored=not parameters.dry_run)

    def completed(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return ``body`` with ``apiVersion`` and ``kind``.

        Raises:
            BadRequest: it is said to be something else.
        """
        identity = {"apiVersion": API_VERSION, "kind": self.kind.kind}
        causes = [
            Cause("FieldValueInvalid", field, f"must be {value}, or left out")
            for field, value in identity.items()
            if body.get(field, value) != value
        ]
        if causes:
            raise BadRequest.of(causes)
        return {**identity, **body}


def encoded(value: Any) -> bytes:
    """Return ``value`` as compact JSON."""
    return json.dumps(value, separators=(",", ":")).encode()


async def _replace_any(
    target: Target, body: Mapping[str, Any], params: Mapping[str, str]
) -> Answer:
    """Replace whatever version is there, as `kubectl replace` does: the last one wins."""
    attempts = REPLACE_ATTEMPTS
    while True:
        there = version_of(await target.look()) or ""
        attempts -= 1
        try:
            current = encoded(with_metadata(body, resourceVersion=there))
            return await target.write("PUT", current, params=params)
        except Refused as refused:
            if refused.code != 409 or not attempts:
                raise


async def _tied(
    target: Target, if_match: EntityTags | None, applied: Mapping[str, Any]
) -> tuple[str | None, bytes]:
    """Return the version that ``If-Match`` asks for, and the body that applies to it alone.

    A version doesn't keep apply from creating an object that is gone; its uid does.
    """
    if if_match is None:
        return None, as_yaml(applied)
    there = await target.look_if_there()
    version = required(there, if_match)
    tied = with_metadata(applied, uid=str((there or {}).get("uid", "")))
    if if_match.any:
        return None, as_yaml(tied)
    return version, as_yaml(with_metadata(tied, resourceVersion=version))


async def _send(
    target: Target, patch: Patch, parameters: PatchParameters, body: bytes, version: str | None
) -> Answer:
    try:
        return await target.write(
            "PATCH",
            body,
            params=parameters.upstream(),
            content_type=patch.content_type,
            guard=version,
        )
    except Refused as refused:
        raise without_quoted_object(refused) from None
