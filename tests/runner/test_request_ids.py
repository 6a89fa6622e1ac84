"""The id of a request goes from the client over the Task to the provider."""

from typing import Any

import pytest

from tests.runner.conftest import MakeTask
from tests.support.api import Api
from tests.support.provider import Provider
from tests.support.proxy import Client
from wegent_crds.well_known import REQUEST_ID
from wegent_runner.plan.plan import request_id_of

pytestmark = pytest.mark.usefixtures("operator", "runner")


async def test_the_id_of_a_post_reaches_the_provider(
    client: Client, namespace: str, bot: str, provider: Provider, ended: MakeTask
) -> None:
    answer = await client.post(
        f"/api/v1/kinds/tasks?namespace={namespace}",
        {"metadata": {"name": "t"}, "spec": {"botRef": {"name": bot}, "prompt": "Hi."}},
        headers={"X-Request-Id": "find-me-1"},
    )
    answer.expect(201)
    task = await ended()
    assert task["metadata"]["annotations"][REQUEST_ID] == "find-me-1"
    assert [call.headers["X-Request-Id"] for call in provider.calls] == ["find-me-1"]


async def test_the_id_of_a_request_in_openais_form_reaches_the_provider(
    api: Api, client: Client, namespace: str, bot: str, provider: Provider
) -> None:
    await api.create("teams", namespace, "team", {"bots": [{"name": bot}]})
    answer = await client.post(
        "/v1/responses",
        {"model": f"{namespace}/team", "input": "Hi."},
        headers={"X-Request-Id": "find-me-2"},
    )
    answer.expect(200)
    assert [call.headers["X-Request-Id"] for call in provider.calls] == ["find-me-2"]


async def test_a_task_of_kubectl_bears_its_uid(
    provider: Provider, make_task: MakeTask, ended: MakeTask
) -> None:
    task = await make_task()
    await ended()
    assert provider.calls[0].headers["X-Request-Id"] == task["metadata"]["uid"]


@pytest.mark.parametrize("value", ["", "a b", "a\r\nX-Key: b", "a\n", "é", "x" * 65])
def test_a_value_that_is_no_id_does_not_become_a_header(value: str) -> None:
    metadata: dict[str, Any] = {"uid": "u", "annotations": {REQUEST_ID: value}}
    assert request_id_of({"metadata": metadata}) == "u"
