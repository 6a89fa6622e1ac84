"""``/api/v1/kinds/models/{name}/key``: the API key of a Model, which nobody can read."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Response

from wegent_api.http import examples
from wegent_api.http.bearer import CallerDep
from wegent_api.http.bodies import body_of, no_body
from wegent_api.http.openapi import request_body, statuses
from wegent_api.http.query import Name, OneParameters, no_repeats
from wegent_api.keys.models import ModelKey, ModelKeyChange
from wegent_api.keys.store import ModelKeys
from wegent_api.upstream.client import UserApiDep

router: Final = APIRouter(
    prefix="/api/v1/kinds/models/{name}/key", tags=["models"], dependencies=[Depends(no_repeats)]
)


@router.put(
    "",
    operation_id="putModelKey",
    summary="Set the API key of a Model",
    responses=statuses(400, 401, 403, 404, 409, 413, 415, 422, 503),
    openapi_extra=request_body(ModelKeyChange, examples.MODEL_KEY),
)
async def put_key(
    user_api: UserApiDep,
    caller: CallerDep,
    name: Name,
    parameters: Annotated[OneParameters, Query()],
    body: Annotated[ModelKeyChange, Depends(body_of(ModelKeyChange))],
) -> ModelKey:
    """Store the key in the Secret to which the Model refers, and replace that Secret's data.

    A Model that refers to no Secret is made to refer to `<model>-key`. The key is sent to the
    `hosts` alone. Nobody can read it with the roles of Wegent, and no answer contains it. To change
    the hosts of the same key, delete it first.
    """
    keys = ModelKeys(user_api, caller, parameters.namespace)
    place, hosts = await keys.put(name, body.key.get_secret_value(), body.hosts)
    return ModelKey(secret_key_ref=place, hosts=list(hosts))


@router.delete(
    "",
    operation_id="deleteModelKey",
    status_code=204,
    summary="Delete the API key of a Model",
    dependencies=[Depends(no_body)],
    response_class=Response,
    responses=statuses(400, 401, 403, 404, 503),
)
async def delete_key(
    user_api: UserApiDep,
    caller: CallerDep,
    name: Name,
    parameters: Annotated[OneParameters, Query()],
) -> Response:
    """Delete the Secret to which the Model refers. A runner forgets the key within a minute."""
    await ModelKeys(user_api, caller, parameters.namespace).delete(name)
    return Response(status_code=204)
