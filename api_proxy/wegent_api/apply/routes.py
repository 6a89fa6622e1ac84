"""``POST /api/v1/apply``: `kubectl apply --server-side` of a file, in one request."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response

from wegent_api.apply.apply import Applied, Apply, Outcome, ends_all
from wegent_api.apply.models import ApplyResult, ApplyResults
from wegent_api.apply.openapi import BODY, RESPONSES
from wegent_api.http.bearer import CallerDep
from wegent_api.http.bodies import BodyReaderDep, media_type_of, parse
from wegent_api.http.errors import Problem
from wegent_api.http.manifests import Manifest, Unusable, manifests_of
from wegent_api.http.query import ApplyParameters, no_repeats
from wegent_api.http.wegent_form import with_hint
from wegent_api.http.yaml import YAML, documents_of
from wegent_api.kinds.object_writer import ObjectWriterDep
from wegent_crds.references import ObjectKey
from wegent_kube.content_types import JSON
from wegent_kube.encoding import encode_json

router: Final = APIRouter(prefix="/api/v1/apply", tags=["apply"])


async def read_documents(request: Request, _: CallerDep, reader: BodyReaderDep) -> list[Any]:
    """Return the documents of the body. FastAPI dependency.

    Raises:
        UnsupportedMediaType: the body is neither YAML nor JSON.
        BadRequest: the body is not valid for its type. The message names the line.
    """
    content_type = media_type_of(request, (YAML, JSON))
    raw = await reader.read(request)
    if content_type == JSON:
        return [await reader.parse(raw, parse)]
    documents: list[Any] = await reader.parse(raw, documents_of)
    return documents


@router.post(
    "",
    operation_id="apply",
    summary="Apply several objects",
    responses=RESPONSES,
    openapi_extra=BODY,
    dependencies=[Depends(no_repeats)],
    response_class=Response,
)
async def apply(
    writer: ObjectWriterDep,
    parameters: Annotated[ApplyParameters, Query()],
    documents: Annotated[list[Any], Depends(read_documents)],
) -> Response:
    """Apply each object of the body, server-side, with the caller's rights.

    The body is YAML with any number of documents, or JSON: one object or a `List`. Any order works:
    each object is applied after the objects that it refers to.

    Answers 200 if all objects are applied, else 207 with the number in `failed`. If an object
    fails, only the objects that refer to it fail as well. Repeating the request is harmless.
    """
    found = manifests_of(documents, parameters.namespace)
    usable = [it for it in found if isinstance(it, Manifest)]
    outcomes = await Apply(writer, parameters).run(usable)
    if problem := of_the_whole(list(outcomes.values())):
        raise problem
    items = [_result(index, it, outcomes) for index, it in enumerate(found)]
    failed = sum(it.result == "failed" for it in items)
    results = ApplyResults(items=items, failed=failed)
    return Response(
        encode_json(results.body()) + b"\n",
        207 if failed else 200,
        media_type=JSON,
    )


def of_the_whole(outcomes: list[Outcome]) -> Problem | None:
    """Return the answer to the whole request if its cause is not in any one object.

    Such a cause is a token that is not accepted, at any time. Another is an unavailable API server,
    unless an object has been applied already.
    """
    problems = [it for it in outcomes if isinstance(it, Problem)]
    nothing_done = len(problems) == len(outcomes)
    for problem in problems:
        if problem.is_unauthorized or (nothing_done and ends_all(problem)):
            return problem
    return None


def _result(
    index: int, one: Manifest | Unusable, outcomes: Mapping[ObjectKey, Outcome]
) -> ApplyResult:
    if isinstance(one, Unusable):
        named: dict[str, Any] = {"kind": one.kind, "namespace": one.namespace, "name": one.name}
        outcome: Outcome = one.problem
    else:
        key = one.key
        named = {"kind": one.kind.kind, "namespace": key.namespace, "name": key.name}
        outcome = outcomes[key]
    told: dict[str, Any]
    if isinstance(outcome, Applied):
        told = {"result": outcome.how, "warnings": list(outcome.warnings) or None}
    else:
        told = {"result": "failed", "status": dict(with_hint(outcome.status, one.foreign_fields))}
    return ApplyResult.model_validate({"index": index, **named, **told})
