"""Teams as models."""

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from wegent_api.http.bearer import Caller
from wegent_api.openai_api.errors import Refusal
from wegent_api.openai_api.models_routes import list_models
from wegent_api.openai_api.tasks import Conversations


async def test_a_cluster_without_a_team_has_no_models() -> None:
    class Empty:
        async def request_json(self, *_: Any, **__: Any) -> dict[str, Any]:
            return {"metadata": {}, "items": None}  # as the API server's metadata-only list

    answer = await list_models(cast("Any", Empty()), cast("Any", None), Caller("token"))
    assert json.loads(bytes(answer.body)) == {"object": "list", "data": []}


@pytest.mark.parametrize("type_", ["Ready", "Served"])
async def test_a_team_whose_tasks_would_wait_is_refused(type_: str) -> None:
    condition = {"type": type_, "status": "False", "message": "no runner serves it"}

    class Api:
        async def request_json(self, *_: Any) -> dict[str, Any]:
            return {"metadata": {}, "status": {"conditions": [condition]}}

    writer = SimpleNamespace(user_api=Api(), caller=Caller("token"))
    nothing = cast("Any", None)
    conversations = Conversations(cast("Any", writer), nothing, nothing, nothing)
    with pytest.raises(Refusal, match="no runner serves it") as refused:
        await conversations.team("blue/helpers")
    assert (refused.value.status, refused.value.code) == (400, "model_not_ready")
    assert await conversations.team("blue/helpers", must_be_ready=False)
