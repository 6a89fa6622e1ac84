"""``/api/v1/kinds/models/{name}/test``: one short call of a Model.

The call uses the Model's key and costs its owner money. So it takes two rights in the Model's own
namespace: to read the Model, and to create Tasks. A Task elsewhere may use the Model without them.
The API server decides on both, with the caller's token.
"""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request

from wegent_api.http.bearer import Caller, CallerDep
from wegent_api.http.bodies import no_body
from wegent_api.http.disconnects import unless_left
from wegent_api.http.errors import RequestTimeout
from wegent_api.http.openapi import statuses
from wegent_api.http.query import Name, OneParameters, no_repeats
from wegent_api.http.state import FromState
from wegent_api.model_tests.models import ModelTest
from wegent_api.upstream.client import UserApi, UserApiDep
from wegent_api.upstream.concurrency import ConcurrencyLimiter
from wegent_api.upstream.identity import subject
from wegent_api.upstream.runners import RunnersDep
from wegent_crds.registry import API_VERSION, MODEL, TASK
from wegent_kube.encoding import encode_json
from wegent_kube.resources import resource_of

MODELS: Final = resource_of(MODEL)
TASKS: Final = resource_of(TASK)
LimiterDep = Annotated[ConcurrencyLimiter, Depends(FromState("model_test_limiter"))]

router: Final = APIRouter(
    prefix="/api/v1/kinds/models/{name}/test", tags=["models"], dependencies=[Depends(no_repeats)]
)


@router.post(
    "",
    operation_id="testModel",
    summary="Try a Model",
    response_model_exclude_none=True,
    dependencies=[Depends(no_body)],
    responses=statuses(400, 401, 403, 404, 422, 429, 502, 503),
)
async def test_model(
    request: Request,
    user_api: UserApiDep,
    runners: RunnersDep,
    limiter: LimiterDep,
    caller: CallerDep,
    name: Name,
    parameters: Annotated[OneParameters, Query()],
) -> ModelTest:
    """Call the Model once, with a short prompt and at most 16 tokens of answer, within 30 seconds.

    A failed call is answered with 200 as well: `succeeded` is false then, and `error` says why. The
    right to create Tasks in the Model's namespace is required, and one test at a time is allowed
    for each user. Fallbacks are not called. If the API key is refused, or works again, the
    condition `KeyUsable` of the Model says so afterwards.
    """
    namespace = parameters.namespace
    with limiter.one(await subject(user_api, caller)):
        await user_api.request(caller, "GET", MODELS.path(namespace, name))
        await _check_rights(user_api, caller, namespace, name)
        result = await unless_left(request, runners.test_model(namespace, name))
    if result is None:
        raise RequestTimeout("the client has left")  # nobody reads it
    return ModelTest.model_validate(result)


async def _check_rights(user_api: UserApi, caller: Caller, namespace: str, model: str) -> None:
    """Check that the caller may create a Task with this Model, by a dry run of that.

    Raises:
        UpstreamStatus: the API server refuses it.
    """
    task = {
        "apiVersion": API_VERSION,
        "kind": TASK.kind,
        "metadata": {"generateName": "model-test-", "namespace": namespace},
        "spec": {"botRef": {"name": "any"}, "modelRef": {"name": model}, "prompt": "Say ok."},
    }
    await user_api.request(
        caller, "POST", TASKS.path(namespace), body=encode_json(task), params={"dryRun": "All"}
    )
