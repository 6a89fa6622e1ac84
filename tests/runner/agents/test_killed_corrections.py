"""A runner is killed while an LLM corrects its answer: the wrong one is not asked for again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runner.agents.test_results import GOOD, SCHEMA
from tests.runner.conftest import MakeTask
from tests.support.provider import Call, Provider, Script, texts
from tests.support.runner import RunnerProcess
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("operator")


@pytest.fixture
def process(runner_kubeconfig: Path, tmp_path: Path) -> Iterator[RunnerProcess]:
    process = RunnerProcess(
        runner_kubeconfig,
        tmp_path / "runner.log",
        lease_s="5",
        store_url=f"sqlite:///{tmp_path}/store.db",
    )
    process.start()
    yield process
    if process.running():
        assert process.stop() == 0, process.tail()


async def test_a_killed_correction_goes_on_from_the_stored_answers(
    provider: Provider, make_task: MakeTask, ended: MakeTask, process: RunnerProcess
) -> None:
    def script(call: Call) -> Script:
        if call.number == 0:
            return texts("Four.")
        return Script(["{", "}"], hang_after=1) if call.number == 1 else texts(GOOD)

    provider.script = script
    await make_task(outputSchema=SCHEMA)
    await eventually(lambda: len(provider.calls) == 2, within_s=30, what="the correction")
    process.kill()
    process.start()
    status = (await ended(within_s=60))["status"]
    assert status.get("result") == GOOD, status
    assert status["attempts"] == 2
    told = [call.messages[1:] for call in provider.calls]
    assert len(told) == 3, told
    _, cut, repeated = provider.calls
    assert cut.messages == repeated.messages, "the same correction, and nothing before it again"
    assert "it is not JSON" in repeated.messages[-1][1]
