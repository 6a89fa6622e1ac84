"""The list of the models."""

import json
from typing import Any, cast

from wegent_api.http.bearer import Caller
from wegent_api.openai_api.models_routes import list_models


async def test_a_cluster_without_a_team_has_no_models() -> None:
    class Empty:
        async def request_json(self, *_: Any, **__: Any) -> dict[str, Any]:
            return {"metadata": {}, "items": None}  # as the API server's metadata-only list

    answer = await list_models(cast("Any", Empty()), cast("Any", None), Caller("token"))
    assert json.loads(bytes(answer.body)) == {"object": "list", "data": []}
