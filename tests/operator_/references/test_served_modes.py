"""A cluster whose runners serve some modes alone: the others are told, on a real cluster."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.operator_.references.test_conditions import create, settled
from tests.support.api import Api, condition
from tests.support.operator import OperatorProcess
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("operator_of_some_modes")


@pytest.fixture(scope="module")
def operator_of_some_modes(
    operator_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    log = tmp_path_factory.mktemp("operator") / "log"
    process = OperatorProcess(operator_kubeconfig, log, served_modes="solo,pipeline")
    process.start()
    process.settle()
    yield
    assert process.stop() == 0, process.tail()


async def test_a_mode_that_no_runner_serves_is_told_until_the_mode_changes(
    api: Api, namespace: str
) -> None:
    await create(api, namespace, "ghosts", "models", "shells", "bots")
    await api.create(
        "teams", namespace, "t", {"bots": [{"name": "b"}], "collaborationMode": "route"}
    )
    await create(api, namespace, "tasks")
    await settled(api, namespace, "tasks")
    mode, said = "spec.collaborationMode", "no runner serves the mode route; choose a mode"
    through = f"(in {mode} of Team {namespace}/t, through spec.teamRef)"
    for plural, name, begin, end in (
        ("teams", "t", f"{mode}: {said}", ""),
        ("tasks", "k", said, through),
    ):
        body = await api.get(plural, namespace, name)
        assert body is not None
        served = condition(body, "Served")
        assert (served["status"], served["reason"]) == ("False", "ModeNotServed")
        assert served["message"].startswith(begin)
        assert served["message"].endswith(end)
        assert condition(body, "Ready")["status"] == "True"
    await api.merge("teams", namespace, "t", {"spec": {"collaborationMode": "solo"}})

    async def probe() -> bool:
        body = await api.get("tasks", namespace, "k")
        assert body is not None
        assert condition(body, "Served")["status"] == "True", condition(body, "Served")
        return True

    await eventually(probe, within_s=30, what="the Task to be served")
