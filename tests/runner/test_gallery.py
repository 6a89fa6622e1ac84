"""The scenarios of ``examples/gallery`` run as their pages say, on a scripted provider."""

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from devcluster.checkout import CHECKOUT
from devcluster.controlplane import ControlPlane
from devcluster.ports import free_ports
from tests.runner.conftest import MakeTask
from tests.support.api import Api
from tests.support.identity import token_for
from tests.support.kubectl import Kubectl
from tests.support.provider import Call, Provider, Script, calling, texts
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("operator", "runner")

FOLDER = CHECKOUT / "examples" / "gallery"
Body = dict[str, Any]
Apply = Callable[..., Awaitable[dict[str, str]]]


def manifests(file: Path) -> list[Body]:
    return list(yaml.safe_load_all(file.read_text(encoding="utf-8")))


@pytest.fixture
def apply(api: Api, kubectl: Kubectl, namespace: str, provider: Provider) -> Apply:
    """Applies a scenario, and returns the names of its Ghosts by their prompts.

    Its Model is on the scripted provider, in place of the demo model.
    """

    async def scenario(name: str, change: Callable[[Body], None] = lambda _: None) -> Any:
        found = [
            *(
                it
                for it in manifests(CHECKOUT / "examples" / "demo" / "assistant.yaml")
                if it["kind"] in {"Model", "Shell"}
            ),
            *manifests(FOLDER / name / f"{name}.yaml"),
        ]
        for manifest in found:
            manifest["metadata"]["namespace"] = namespace
            if manifest["kind"] == "Model":
                manifest["spec"]["baseUrl"] = provider.url
            change(manifest)
        items = {"apiVersion": "v1", "kind": "List", "items": found}
        kubectl.run("apply", "-f", "-", stdin=items).ok()
        for team in (it for it in found if it["kind"] == "Team"):
            await api.settled("teams", namespace, team["metadata"]["name"])
        return {
            it["spec"]["systemPrompt"]: it["metadata"]["name"]
            for it in found
            if it["kind"] == "Ghost"
        }

    return scenario


def prompt_of(call: Call) -> str:
    """Return the last text of the user."""
    return [text for role, text in call.messages if role == "user"][-1]


def ghost_of(call: Call, ghosts: dict[str, str]) -> str:
    """Return the Ghost whose prompt a call has."""
    system = "\n".join(text for role, text in call.messages if role == "system")
    [name] = [name for prompt, name in ghosts.items() if prompt.strip() in system]
    return name


def test_each_scenario_has_a_page_and_a_manifest() -> None:
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    folders = [it.name for it in sorted(FOLDER.iterdir()) if it.is_dir()]
    assert folders == ["chat", "extraction", "report", "research", "review", "router"]
    for name in folders:
        assert f"]({name}/README.md)" in index
        page = (FOLDER / name / "README.md").read_text(encoding="utf-8")
        assert f"kubectl apply -f examples/gallery/{name}/{name}.yaml" in page


async def test_a_chat_goes_on(provider: Provider, apply: Apply, ended: MakeTask) -> None:
    provider.script = lambda call: texts(f"answer {len(call.messages)}")
    await apply("chat")
    assert (await ended("why-seasons"))["status"]["result"] == "answer 2"
    again = await ended("why-seasons-again")
    assert again["status"]["phase"] == "Completed"
    assert provider.calls[1].messages[1:] == [
        ("user", "Why are there seasons?"),
        ("assistant", "answer 2"),
        ("user", "Say that again, for a child."),
    ]


async def test_a_review_waits_for_a_person(
    api: Api,
    kubectl: Kubectl,
    namespace: str,
    provider: Provider,
    apply: Apply,
    ended: MakeTask,
) -> None:
    ghosts: dict[str, str] = {}
    provider.script = lambda call: texts(f"by {ghost_of(call, ghosts)}")
    ghosts |= await apply("review")
    here = f"--namespace={namespace}"
    waits = ("wait", "task/review-a-change", here, "--for=jsonpath={.status.phase}=Waiting")
    # In a thread: the runner is in this one.
    waited = await asyncio.to_thread(kubectl.run, *waits, "--timeout=50s")
    waited.ok()
    assert len(provider.calls) == 2
    assert "by find-faults" in prompt_of(provider.calls[1])
    assert "def average" in prompt_of(provider.calls[1])
    task = await api.get("tasks", namespace, "review-a-change")
    assert task is not None
    [question] = task["status"]["waitingFor"]
    patch = {"spec": {"answers": [{"id": question["id"], "decision": "approve"}]}}
    kubectl.run(
        "patch", "task", "review-a-change", here, "--type=merge", "-p", json.dumps(patch)
    ).ok()
    status = (await ended("review-a-change"))["status"]
    assert status["result"] == "by write-review"
    assert prompt_of(provider.calls[2]) == "by check-faults"


async def test_a_request_goes_to_the_desk_that_fits(
    provider: Provider, apply: Apply, ended: MakeTask
) -> None:
    ghosts: dict[str, str] = {}

    def script(call: Call) -> Script:
        if ghost_of(call, ghosts) == "front-desk":
            return calling(("hand_over", {"member": "it-desk"}))
        return texts(f"by {ghost_of(call, ghosts)}")

    provider.script = script
    ghosts |= await apply("router")
    assert (await ended("no-network"))["status"]["result"] == "by it-desk"
    offered = provider.calls[0].body["tools"][0]["function"]
    assert "Business trips, bookings and expenses" in offered["description"]


INVOICE: Body = {
    "number": "2026-0417",
    "date": "2026-11-03",
    "currency": "EUR",
    "total": 419.0,
    "items": [
        {"name": "chair", "quantity": 2, "price": 89.5},
        {"name": "desk", "quantity": 1, "price": 240.0},
    ],
}


async def test_an_invoice_becomes_json(provider: Provider, apply: Apply, ended: MakeTask) -> None:
    wrong = json.dumps({**INVOICE, "total": "419.00 EUR"})
    provider.script = lambda call: texts(wrong if call.number == 0 else json.dumps(INVOICE))
    await apply("extraction")
    status = (await ended("read-an-invoice"))["status"]
    assert status["phase"] == "Completed", status
    assert json.loads(status["result"]) == INVOICE
    assert len(provider.calls) == 2, "the first answer is not valid"


@contextmanager
def library(folder: Path) -> Iterator[int]:
    """Run the example's MCP server. Yield its port."""
    [port] = free_ports(1)
    program = str(FOLDER / "research" / "pages_server.py")
    server = subprocess.Popen([sys.executable, program, str(folder), str(port)])
    try:
        yield port
    finally:
        server.kill()
        server.wait()


def listens(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


async def test_research_reads_the_pages_of_a_server(
    provider: Provider, apply: Apply, ended: MakeTask
) -> None:
    def script(call: Call) -> Script:
        if not call.results:
            return calling(("search", {"words": "WEGENT_RUNNER_LEASE_S"}))
        if len(call.results) == 1:
            return calling(("read_page", {"name": call.results[0].partition(":")[0]}))
        return texts(call.results[-1].splitlines()[0])

    provider.script = script
    with library(CHECKOUT / "docs") as port:
        await eventually(lambda: listens(port), within_s=30, what="the MCP server")

        def move(manifest: Body) -> None:
            for server in manifest["spec"].get("mcpServers", {}).values():
                server["url"] = f"http://127.0.0.1:{port}/mcp"

        await apply("research", move)
        status = (await ended("look-it-up", within_s=60))["status"]
    assert status["phase"] == "Completed", status
    assert status["result"] == "# Runner"
    assert sorted(provider.calls[0].tools) == ["read_page", "search"]
    assert status["usage"]["toolCalls"] == 2


async def test_research_without_its_server_fails_and_says_so(apply: Apply, ended: MakeTask) -> None:
    [port] = free_ports(1)

    def move(manifest: Body) -> None:
        for server in manifest["spec"].get("mcpServers", {}).values():
            server["url"] = f"http://127.0.0.1:{port}/mcp"

    await apply("research", move)
    status = (await ended("look-it-up", within_s=60))["status"]
    assert status["phase"] == "Failed"
    assert "pages" in status["message"]


def run_program(program: Path, environment: dict[str, str]) -> None:
    subprocess.run([sys.executable, str(program)], env=environment, check=True, timeout=60)


async def test_a_cron_job_reports_on_failed_tasks(
    api: Api,
    control_plane: ControlPlane,
    kubectl: Kubectl,
    namespace: str,
    provider: Provider,
    apply: Apply,
    ended: MakeTask,
    tmp_path: Path,
) -> None:
    """The Pod's program, with the rights of its ServiceAccount; no Pod runs in these tests."""
    await apply("report")
    job = json.loads(
        kubectl.run("get", "cronjob/daily-report", f"--namespace={namespace}", "-ojson").ok().stdout
    )
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    config = json.loads(
        kubectl.run("get", "configmap/daily-report", f"--namespace={namespace}", "-ojson")
        .ok()
        .stdout
    )
    program = tmp_path / "report.py"
    program.write_text(config["data"]["report.py"], encoding="utf-8")
    assert container["command"] == ["python", "/report/report.py"]

    refused = Script(status=400, body={"error": {"message": "this model is retired"}})
    provider.script = lambda call: (
        refused if prompt_of(call) == "Hi" else texts("Look at the Model first.")
    )
    broken = {"botRef": {"name": "reporter"}, "modelRef": {"name": "smollm2"}, "prompt": "Hi"}
    await api.create("tasks", namespace, "broken", broken)
    assert (await ended("broken"))["status"]["phase"] == "Failed"
    account = tmp_path / "account"
    account.mkdir()
    (account / "namespace").write_text(namespace)
    (account / "token").write_text(token_for(kubectl, namespace, pod["serviceAccountName"]))
    (account / "ca.crt").write_bytes(control_plane.ca_file.read_bytes())
    environment = {it["name"]: it["value"] for it in container["env"]} | {
        "SERVER": control_plane.server,
        "ACCOUNT": str(account),
    }

    async def report() -> Body:
        run_program(program, environment)
        return await ended(f"report-{datetime.now(UTC):%Y-%m-%d}")

    task = await report()
    assert task["status"]["result"] == "Look at the Model first."
    assert "- broken: " in prompt_of(provider.calls[-1])
    assert "this model is retired" in prompt_of(provider.calls[-1])
    assert task["metadata"]["annotations"]["agent.wecode.io/created-by"].endswith(":daily-report")
    assert (await report())["metadata"]["uid"] == task["metadata"]["uid"], "one a day"
