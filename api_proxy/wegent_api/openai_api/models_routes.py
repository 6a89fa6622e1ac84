"""``/v1/models``: the Teams that the caller may list, as OpenAI's models."""

from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Response

from wegent_api.http.bearer import Caller, CallerDep
from wegent_api.http.errors import UpstreamStatus
from wegent_api.http.query import no_repeats
from wegent_api.kinds.list_all_namespaces import MultiNamespaceList, namespaces_of
from wegent_api.openai_api.openapi import documented
from wegent_api.openai_api.response_object import unix_time
from wegent_api.openai_api.tasks import TEAMS, ConversationsDep
from wegent_api.upstream.client import UserApi, UserApiDep
from wegent_api.upstream.role_bindings import Bindings, BindingsDep
from wegent_kube.content_types import JSON, METADATA_LIST
from wegent_kube.encoding import encode_json
from wegent_kube.paging import PAGE_SIZE

router: Final = APIRouter(
    prefix="/v1/models",
    tags=["openai"],
    dependencies=[Depends(no_repeats)],
)


@router.get(
    "",
    operation_id="listOpenaiModels",
    summary="List the models",
    response_class=Response,
    responses=documented("ModelList", 400, 410, 429),
)
async def list_models(user_api: UserApiDep, bindings: BindingsDep, caller: CallerDep) -> Response:
    """List the Teams of all namespaces in which the caller may list Teams."""
    models = [_model(it["metadata"]) async for it in _teams(user_api, bindings, caller)]
    return Response(encode_json({"object": "list", "data": models}), media_type=JSON)


@router.get(
    "/{namespace}/{name}",
    operation_id="getOpenaiModel",
    summary="Get a model",
    response_class=Response,
    responses=documented("Model", 400, 404),
)
async def get_model(
    conversations: ConversationsDep,
    namespace: Annotated[str, Path(description="Namespace of the Team.")],
    name: Annotated[str, Path(description="Name of the Team.")],
) -> Response:
    """Get a Team as a model."""
    team = await conversations.team(f"{namespace}/{name}", must_be_ready=False)
    return Response(encode_json(_model(team["metadata"])), media_type=JSON)


@router.get(
    "/{name}",
    operation_id="getDefaultOpenaiModel",
    summary="Get a model of the default namespace",
    response_class=Response,
    responses=documented("Model", 400, 404),
)
async def get_default_model(
    conversations: ConversationsDep,
    name: Annotated[str, Path(description="Name of the Team.")],
) -> Response:
    """Get a Team of the default namespace as a model."""
    team = await conversations.team(name, must_be_ready=False)
    return Response(encode_json(_model(team["metadata"])), media_type=JSON)


async def _teams(
    user_api: UserApi, bindings: Bindings, caller: Caller
) -> AsyncIterator[Mapping[str, Any]]:
    """Yield the Teams: those of the cluster, or else those of each namespace of the caller."""
    params = {"limit": str(PAGE_SIZE)}
    try:
        page = await user_api.request_json(
            caller, "GET", TEAMS.path(), params=params, accept=METADATA_LIST
        )
    except UpstreamStatus as refused:
        if not refused.is_forbidden:
            raise
        async for team in _of_namespaces(user_api, bindings, caller):
            yield team
        return
    while True:
        for team in page["items"] or ():  # null in an empty metadata-only list
            yield team
        if not (more := page["metadata"].get("continue")):
            return
        params["continue"] = more
        page = await user_api.request_json(
            caller, "GET", TEAMS.path(), params=params, accept=METADATA_LIST
        )


async def _of_namespaces(
    user_api: UserApi, bindings: Bindings, caller: Caller
) -> AsyncIterator[Mapping[str, Any]]:
    """Yield the Teams of the namespaces in which the caller may list. There may be none."""
    namespaces = await namespaces_of(user_api, bindings, caller)
    merged = MultiNamespaceList(user_api, caller, TEAMS, {}, namespaces)
    page = await merged.page(PAGE_SIZE)
    while page is not None:
        for team in page.items:
            yield team
        page = await merged.page(PAGE_SIZE, page.next) if page.next else None


def _model(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": f"{metadata['namespace']}/{metadata['name']}",
        "object": "model",
        "created": unix_time(metadata["creationTimestamp"]),
        "owned_by": metadata["namespace"],
    }
