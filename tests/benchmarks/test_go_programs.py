"""The plain controller that the operator is measured against, and the load, on a real API server.

They are built before the first test, if this machine has not built them yet.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster.controlplane import ControlPlane
from tests.benchmarks.operator_speed.programs import Built, GoController, Load
from tests.support.api import Api, condition

COUNT = 24
"""Two Ghosts with ten Bots each, and a third with one."""


@pytest.fixture
def controller(
    go_programs: Built, operator_kubeconfig: Path, tmp_path: Path
) -> Iterator[GoController]:
    """The controller with the operator's rights, as in the benchmark."""
    process = GoController(go_programs.controller, operator_kubeconfig, tmp_path / "log")
    process.start()
    yield process
    assert process.stop() == 0


@pytest.fixture
def load(go_programs: Built, control_plane: ControlPlane, operator_kubeconfig: Path) -> Load:
    """The load, with as many requests at once as in the benchmark."""
    return Load(go_programs.load, control_plane.kubeconfig, operator_kubeconfig, at_once=16)


@pytest.mark.usefixtures("controller")
async def test_bot_is_ready_while_its_ghost_exists(api: Api, namespace: str) -> None:
    await api.create("models", namespace, "m", {"provider": "openai", "model": "gpt-4"})
    await api.create("shells", namespace, "s", {"type": "Chat"})
    refs = {"ghostRef": {"name": "g"}, "modelRef": {"name": "m"}, "shellRef": {"name": "s"}}
    await api.create("bots", namespace, "b", refs)
    bot = await api.settled("bots", namespace, "b", "RefNotFound")
    assert bot["status"]["ready"] == "False"
    for type_ in ("Ready", "ResolvedRefs"):
        found = condition(bot, type_)
        assert (found["status"], found["reason"]) == ("False", "RefNotFound")
        assert found["message"] == 'spec.ghostRef: there is no Ghost "g"'
    await api.create("ghosts", namespace, "g", {"systemPrompt": "You help."})
    bot = await api.settled("bots", namespace, "b")
    assert bot["status"]["ready"] == "True"
    await api.delete("ghosts", namespace, "g")
    await api.settled("bots", namespace, "b", "RefNotFound")


@pytest.mark.usefixtures("controller")
def test_load_sees_the_verdicts_on_new_objects_and_on_changes(load: Load) -> None:
    for mode, count in (("ready", COUNT), ("one", 3), ("change", 5)):
        done = load.run(mode, count, mode)
        assert done.objects == count, mode
        assert 0 < done.p50_ms <= done.p99_ms or mode == "change"


def test_load_writes_the_statuses_of_the_bound_itself(load: Load) -> None:
    for mode in ("create", "raw"):
        assert load.run(mode, COUNT, mode).objects == COUNT, mode
