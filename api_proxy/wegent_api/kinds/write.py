"""POST, PUT and PATCH of one object.

The API server checks schema, RBAC, policies and versions. The proxy adds the conventions of REST: a
body may omit its identity, a dangling reference is refused at once, and versions travel in HTTP's
own headers.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import Depends, Query, Response

from wegent_api.http.bodies import json_object
from wegent_api.http.errors import BadRequest, Cause, PreconditionFailed, Problem, UpstreamStatus
from wegent_api.http.manifests import as_wanted
from wegent_api.http.patches import PatchDep, with_metadata, without_quoted_object
from wegent_api.http.preconditions import EntityTags, IfMatch, IfNoneMatch
from wegent_api.http.query import Name, PatchParameters, WriteParameters, namespace_of
from wegent_api.http.wegent_form import hinted
from wegent_api.kinds.object_writer import ObjectWriter, ObjectWriterDep
from wegent_api.kinds.reference_check import check_references
from wegent_api.kinds.request_ids import with_request_id
from wegent_api.kinds.take_over import OwnershipTransfer
from wegent_api.upstream.client import Answer
from wegent_api.upstream.etag import tagged
from wegent_api.upstream.metadata import metadata_of, version_of
from wegent_api.upstream.target import Target, required
from wegent_crds.registry import API_VERSION, TASK, Kind
from wegent_kube.encoding import encode_json
from wegent_kube.resources import resource_of

REPLACE_ATTEMPTS: Final = 5
"""Attempts of a PUT that names no version, each with the object's current version."""

Body = Annotated[dict[str, Any], Depends(json_object)]


class Writes:
    """The routes of one kind that write one object."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.resource = resource_of(kind)

    async def create(
        self,
        writer: ObjectWriterDep,
        parameters: Annotated[WriteParameters, Query()],
        body: Body,
    ) -> Response:
        """Create an object. `apiVersion` and `kind` may be left out."""
        try:
            return await self._create(writer, parameters, self.completed(body))
        except Problem as problem:
            raise hinted(problem, body) from None

    async def replace(
        self,
        writer: ObjectWriterDep,
        name: Name,
        parameters: Annotated[WriteParameters, Query()],
        if_match: IfMatch,
        if_none_match: IfNoneMatch,
        body: Body,
    ) -> Response:
        """Replace a whole object.

        `apiVersion`, `kind` and `metadata.name` may be left out. `If-Match`, or
        `metadata.resourceVersion` in the body, requires the version to replace. Without either, the
        request replaces any version. `If-None-Match: *` creates the object, and replaces nothing.
        """
        named = with_metadata(self.completed(body), name=name)
        if if_none_match is None:
            return await self._replace(writer, parameters, if_match, named)
        if not if_none_match.any:
            place = namespace_of(parameters.namespace, named)
            path = self.resource.path(place, name)
            await writer.target(path).check_if_none_match(if_none_match)
            return await self._replace(writer, parameters, if_match, named)
        if if_match is not None:
            raise PreconditionFailed(
                "If-Match and If-None-Match: * exclude each other; send only one of them"
            )
        try:
            return await self._create(writer, parameters, named)
        except UpstreamStatus as refused:
            if not refused.is_already_exists:
                raise
            raise PreconditionFailed(f"If-None-Match: {refused.message}") from refused

    async def patch(
        self,
        writer: ObjectWriterDep,
        name: Name,
        parameters: Annotated[PatchParameters, Query()],
        if_match: IfMatch,
        if_none_match: IfNoneMatch,
        patch: PatchDep,
    ) -> Response:
        """Change a part of an object.

        The body is a merge patch (RFC 7386), a JSON patch (RFC 6902), or a manifest for server-side
        apply. Server-side apply creates the object if it doesn't exist. Only an apply checks
        references, because the two others don't contain the resulting object.

        A JSON patch is a list of the operations of RFC 6902, with `Content-Type:
        application/json-patch+json`. The body below has no schema for it, because some generated
        clients fail on a body that is either a list or an object.
        """
        completed = self.completed(patch.object)
        namespace = namespace_of(parameters.namespace, completed)
        target = writer.target(self.resource.path(namespace, name))
        await target.check_if_none_match(if_none_match)
        if patch.applies:
            # Version and uid stay: in a request for one object they are conditions.
            wanted = as_wanted(completed, keep=frozenset({"resourceVersion", "uid"}))
            applied = with_metadata(wanted, name=name)
            if parameters.validate_refs:
                await check_references(
                    writer.user_api, writer.caller, self.kind, namespace, applied
                )
            annotated = await writer.annotate(applied, namespace, target)
            version, tied = await _tied(target, if_match, annotated)
            try:
                answer = await OwnershipTransfer(
                    writer.field_managers, target, parameters, version
                ).run(tied)
            except UpstreamStatus as refused:
                raise without_quoted_object(refused) from None
        else:
            version = await target.required_version(if_match)
            body = patch.tied_to(version)
            params = await writer.update(parameters.upstream())
            answer = await _send(target, patch.content_type, params, body, version)
        return self.answered(answer, stored=not parameters.dry_run)

    async def _create(
        self,
        writer: ObjectWriter,
        parameters: WriteParameters,
        body: Mapping[str, Any],
    ) -> Response:
        namespace = namespace_of(parameters.namespace, body)
        if parameters.validate_refs:
            await check_references(writer.user_api, writer.caller, self.kind, namespace, body)
        collection = writer.target(self.resource.path(namespace))
        noted = with_request_id(body) if self.kind is TASK else body
        annotated = await writer.annotate(noted, namespace)
        params = await writer.update(parameters.upstream())
        answer = await collection.write("POST", encode_json(annotated), params=params)
        return self.answered(answer, stored=not parameters.dry_run)

    async def _replace(
        self,
        writer: ObjectWriter,
        parameters: WriteParameters,
        if_match: EntityTags | None,
        body: Mapping[str, Any],
    ) -> Response:
        namespace = namespace_of(parameters.namespace, body)
        if parameters.validate_refs:
            await check_references(writer.user_api, writer.caller, self.kind, namespace, body)
        path = self.resource.path(namespace, body["metadata"]["name"])
        target = writer.target(path)
        version = await target.required_version(if_match)
        annotated = await writer.annotate(body, namespace, target)
        if version is not None:
            annotated = with_metadata(annotated, resourceVersion=version)
        params = await writer.update(parameters.upstream())
        if version_of(annotated["metadata"]) is None:
            answer = await _replace_any(target, annotated, params)
        else:
            answer = await target.write("PUT", encode_json(annotated), params=params, guard=version)
        return self.answered(answer, stored=not parameters.dry_run)

    def answered(self, answer: Answer, *, stored: bool) -> Response:
        """Return the response with a written object. For a new object it has the ``Location``."""
        response = tagged(answer, stored=stored)
        if stored and answer.status == HTTPStatus.CREATED:
            metadata = metadata_of(answer.body)
            path = f"/api/v1/kinds/{self.kind.plural}/{metadata['name']}"
            response.headers["Location"] = f"{path}?namespace={metadata['namespace']}"
        return response

    def completed(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return ``body`` with ``apiVersion`` and ``kind``.

        Raises:
            BadRequest: the body names another version or kind.
        """
        identity = {"apiVersion": API_VERSION, "kind": self.kind.kind}
        causes = [
            Cause("FieldValueInvalid", field, f"must be {value} or omitted")
            for field, value in identity.items()
            if body.get(field, value) != value
        ]
        if causes:
            raise BadRequest.of(causes)
        return {**identity, **body}


async def _replace_any(
    target: Target, body: Mapping[str, Any], params: Mapping[str, str]
) -> Answer:
    """Replace any version of the object. As with `kubectl replace`, the last write wins."""
    attempts = REPLACE_ATTEMPTS
    while True:
        there = version_of(await target.look()) or ""
        attempts -= 1
        try:
            current = encode_json(with_metadata(body, resourceVersion=there))
            return await target.write("PUT", current, params=params)
        except UpstreamStatus as refused:
            if not refused.is_conflict or not attempts:
                raise


async def _tied(
    target: Target, if_match: EntityTags | None, applied: Mapping[str, Any]
) -> tuple[str | None, Mapping[str, Any]]:
    """Return the version that ``If-Match`` requires, and the body that requires it as well.

    A resourceVersion doesn't keep an apply from creating an object that is gone, but a uid does.
    """
    if if_match is None:
        return None, applied
    there = await target.look_if_there()
    version = required(there, if_match)
    tied = with_metadata(applied, uid=str((there or {}).get("uid", "")))
    if if_match.any:
        return None, tied
    return version, with_metadata(tied, resourceVersion=version)


async def _send(
    target: Target,
    content_type: str,
    params: Mapping[str, str],
    body: bytes,
    version: str | None,
) -> Answer:
    try:
        return await target.write(
            "PATCH", body, params=params, content_type=content_type, guard=version
        )
    except UpstreamStatus as refused:
        raise without_quoted_object(refused) from None
