"""/healthz fails when a watch has stopped; resyncs correct the cache."""

import uuid
from pathlib import Path

from devcluster.controlplane import ControlPlane
from tests.support.api import VERDICT_WITHIN_S, Api
from tests.support.operator import OperatorProcess
from tests.support.waiting import eventually
from wegent_kube import ApiError, KubeClient, load_connection


async def test_healthz_fails_when_the_watching_stops_and_recovers(
    control_plane: ControlPlane, operator_kubeconfig: Path, api: Api, namespace: str
) -> None:
    process = OperatorProcess(
        operator_kubeconfig, operator_kubeconfig.with_name("health.log"), watch_timeout_s="1"
    )
    with process:
        assert process.get("/healthz") == (200, "ok\n")
        control_plane.pause_apiserver()
        try:

            async def sick() -> bool:
                code, text = process.get("/healthz")
                assert (code, "ghosts" in text) == (503, True), (code, text)
                return True

            await eventually(sick, within_s=60, what="/healthz to say that nothing is watched")
        finally:
            control_plane.resume_apiserver()

        async def well() -> bool:
            answer = process.get("/healthz")
            assert answer == (200, "ok\n"), answer
            return True

        await eventually(well, within_s=60, what="/healthz to be well again")
        name = f"g{uuid.uuid4().hex[:6]}"
        await api.create("ghosts", namespace, name, {"systemPrompt": "You help."})
        # Lease, watches and writes come back one after the other, each after a pause of at most
        # 10 s.
        await api.settled("ghosts", namespace, name, within_s=60)
        assert process.stop() == 0, process.tail()


async def test_an_api_server_that_restarts_is_survived(
    control_plane: ControlPlane, operator: OperatorProcess, api: Api, namespace: str
) -> None:
    bot = {"ghostRef": {"name": "g"}, "modelRef": {"name": "m"}, "shellRef": {"name": "s"}}
    await api.create("bots", namespace, "b", bot)
    await api.settled("bots", namespace, "b", "RefNotFound")
    control_plane.stop_apiserver()
    control_plane.start_apiserver()
    # A client of its own: the pooled connections of the other one died with the server.
    async with KubeClient(load_connection(control_plane.kubeconfig)) as client:
        anew = Api(client)

        async def created() -> bool:
            # Until its policies know the kinds again, the server answers 503.
            try:
                await anew.create("ghosts", namespace, "g", {"systemPrompt": "You help."})
            except ApiError as error:
                if error.is_service_unavailable:
                    return False
                raise
            return True

        await eventually(created, within_s=60, what="objects to be creatable again")
        await anew.create("models", namespace, "m", {"provider": "openai", "model": "gpt-4"})
        await anew.create("shells", namespace, "s", {"type": "Chat"})
        await anew.settled("bots", namespace, "b", within_s=60)

    async def well() -> bool:
        return operator.get("/healthz")[0] == 200

    await eventually(well, within_s=VERDICT_WITHIN_S, what="/healthz to be well")
