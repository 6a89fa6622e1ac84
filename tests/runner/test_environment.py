"""The environment of the runner is its administrator's: nothing of it goes to a user's host."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runner.conftest import MakeTask
from tests.runner.test_model_stream import FORMATS, STREAMS
from tests.support.api import Api
from tests.support.provider import Provider, Script
from tests.support.runner import RunnerProcess
from wegent_runner.plan.plan import ApiFormat

SECRET = "the-administrators-secret"
NOWHERE = "http://127.0.0.1:9"
VARIABLES = {
    "ANTHROPIC_API_KEY": SECRET,
    "ANTHROPIC_AUTH_TOKEN": SECRET,
    "ANTHROPIC_BASE_URL": NOWHERE,
    "ANTHROPIC_CUSTOM_HEADERS": f"X-Gateway: {SECRET}",
    "OPENAI_API_KEY": SECRET,
    "OPENAI_BASE_URL": NOWHERE,
    "OPENAI_CUSTOM_HEADERS": f"X-Gateway: {SECRET}",
    "OPENAI_ORG_ID": SECRET,
    "OPENAI_PROJECT_ID": SECRET,
    **dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"), NOWHERE),
}
NETRC = f"default login me password {SECRET}\n"


@pytest.fixture
def process(runner_kubeconfig: Path, tmp_path: Path) -> Iterator[RunnerProcess]:
    process = RunnerProcess(
        runner_kubeconfig,
        tmp_path / "runner.log",
        store_url=f"sqlite:///{tmp_path}/store.db",
        drain_s="0",
    )
    netrc = tmp_path / "netrc"
    netrc.write_text(NETRC)
    process.env |= VARIABLES | {"NETRC": str(netrc), "NO_PROXY": "", "no_proxy": ""}
    process.start()
    yield process
    assert process.stop() == 0, process.tail()


@pytest.mark.parametrize("api_format", FORMATS)
@pytest.mark.usefixtures("operator", "process")
async def test_nothing_of_the_environment_is_sent(
    api: Api,
    namespace: str,
    provider: Provider,
    make_task: MakeTask,
    ended: MakeTask,
    bot: str,
    api_format: ApiFormat,
) -> None:
    provider.script = lambda _: Script(raw=b"".join(STREAMS[api_format]("Hello", "whole")))
    await api.merge("models", namespace, "m", {"spec": {"apiFormat": api_format}})
    await api.settled("bots", namespace, bot)
    await make_task()
    assert (await ended())["status"]["phase"] == "Completed"
    [call] = provider.calls
    assert SECRET not in str(call.headers)
    assert "Bearer none" in call.headers["Authorization"]
