"""Two users: neither has a stream, a transcript, an answer or a runner's page of the other's."""

from collections.abc import AsyncIterator

import pytest
from openai import APIStatusError, AsyncOpenAI

from tests.runner.conftest import MakeTask, sdk_of
from tests.support.api import Api
from tests.support.identity import token_for
from tests.support.kubectl import Kubectl
from tests.support.provider import Provider, Script
from tests.support.proxy import Client
from tests.support.rights import create_member
from wegent_crds.well_known import RESTORED_FROM
from wegent_kube import ApiError
from wegent_kube.resources import LEASES

pytestmark = pytest.mark.usefixtures("operator", "runner")

ANSWER = "for alice's eyes alone"


@pytest.fixture
async def bobs(api: Api, namespace: str) -> str:
    """Bob's namespace."""
    name = f"{namespace}-bob"
    await api.create_namespace(name)
    return name


@pytest.fixture
async def bob(api: Api, client: Client, bobs: str) -> Client:
    return client.as_(await create_member(api, bobs, "bob"))


@pytest.fixture
async def bobs_sdk(bob: Client) -> AsyncIterator[AsyncOpenAI]:
    async with sdk_of(bob) as sdk:
        yield sdk


async def test_a_run_is_of_those_who_may_read_its_task(
    client: Client,
    bob: Client,
    namespace: str,
    provider: Provider,
    make_task: MakeTask,
    ended: MakeTask,
) -> None:
    provider.script = lambda _: Script(pieces=[ANSWER])
    await make_task()
    await ended()
    task = f"/api/v1/kinds/tasks/t{{}}?namespace={namespace}"
    for page in ("", "/events", "/transcript"):
        assert ANSWER in (await client.get(task.format(page))).content.decode()
        (await bob.get(task.format(page))).refused(403, "Forbidden")
    (await bob.post(task.format("/cancel"))).refused(403, "Forbidden")
    for page in ("/events", "/transcript"):
        (await client.as_(None).get(task.format(page))).refused(401, "Unauthorized")


async def test_a_response_is_of_those_who_may_read_its_task(
    sdk: AsyncOpenAI, bobs_sdk: AsyncOpenAI, bobs: str, model: str, provider: Provider
) -> None:
    provider.script = lambda _: Script(pieces=[ANSWER])
    response = await sdk.responses.create(model=model, input="Hi")
    assert response.output_text == ANSWER
    calls = len(provider.calls)
    attempts = (
        bobs_sdk.responses.retrieve(response.id),
        bobs_sdk.responses.retrieve(response.id, stream=True),
        bobs_sdk.responses.cancel(response.id),
        bobs_sdk.responses.create(model=model, input="Hi"),
        bobs_sdk.responses.create(
            model=f"{bobs}/own", input="Go on.", previous_response_id=response.id
        ),
    )
    for attempt in attempts:
        with pytest.raises(APIStatusError) as refused:
            await attempt
        assert refused.value.status_code in {400, 403, 404}
        assert ANSWER not in str(refused.value)
    assert model not in [it.id async for it in bobs_sdk.models.list()]
    assert len(provider.calls) == calls


async def test_a_runner_answers_the_proxy_alone(
    api: Api,
    client: Client,
    bob: Client,
    bobs: str,
    kubectl: Kubectl,
    namespace: str,
    make_task: MakeTask,
    ended: MakeTask,
) -> None:
    await make_task()
    task = await ended()
    leases = await api.client.request("GET", LEASES.path("wegent-system"))
    annotation = "agent.wecode.io/address"
    addresses = [it["metadata"].get("annotations", {}).get(annotation) for it in leases["items"]]
    live = []
    for address in filter(None, addresses):
        direct = Client(client.session, address)
        for page in ("events", "transcript"):
            path = f"/v1/runs/{task['metadata']['uid']}/{page}"
            for token in (
                None,
                "forged",
                bob.token,
                client.token,  # who may read the Task, and not from the runner
                token_for(kubectl, bobs, "bob", audience="wegent-runner"),
                token_for(kubectl, namespace, "editor", audience="wegent-runner"),
                token_for(kubectl, "wegent-system", "wegent-api"),  # for the API server
            ):
                try:
                    answer = await direct.as_(token).get(path)
                except OSError:  # the Lease of a runner of an earlier test
                    break
                assert answer.status == 401, (page, token)
                live.append(address)
    assert live


async def test_a_forged_former_life_gives_no_transcript(
    api: Api,
    bob: Client,
    bobs: str,
    provider: Provider,
    make_task: MakeTask,
    ended: MakeTask,
) -> None:
    """Bob's Task says that it was restored from the Tombstone of alice's."""
    provider.script = lambda _: Script(pieces=[ANSWER])
    await make_task()
    uid = (await ended())["metadata"]["uid"]
    body = {
        "metadata": {"name": "t", "namespace": bobs, "annotations": {RESTORED_FROM: f"task-{uid}"}},
        "spec": {"botRef": {"name": "b"}, "prompt": "Mine."},
    }
    made = (await bob.post("/api/v1/kinds/tasks?validateRefs=false", body)).expect(201)
    assert RESTORED_FROM not in made["metadata"]["annotations"]
    got = await bob.get(f"/api/v1/kinds/tasks/t/transcript?namespace={bobs}")
    got.refused(404, "NotFound")
    await api.create("tasks", bobs, "t2", body["spec"])
    forged = {"metadata": {"annotations": {RESTORED_FROM: f"task-{uid}"}}}
    with pytest.raises(ApiError, match="only Wegent's operator sets"):  # nor the administrator
        await api.merge("tasks", bobs, "t2", forged)
