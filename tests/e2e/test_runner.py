"""Tasks that a runner's Pod runs, with an LLM in another Pod."""

import json
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from imagebuild.images import IMAGES
from imagebuild.release import Release as Checkout
from tests.e2e.release import Release
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(400)
HOME = "default"
LLM = Path(__file__).with_name("llm.py")
PORT = 8000
STARTED_WITHIN_S = 120.0


@pytest.fixture(scope="module")
def llm(own_release: Release) -> Iterator[str]:
    """The address of an LLM that says hello: a Pod with the runner's image, which has aiohttp."""
    own_release.ensure()
    kubectl = own_release.kubectl
    container = {
        "name": "llm",
        "image": f"localhost/{IMAGES['runner']}:{Checkout.of_the_checkout().version}",
        "imagePullPolicy": "Never",
        "command": ["python3", "-c", LLM.read_text(encoding="utf-8"), str(PORT)],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "llm", "namespace": HOME},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
    }
    kubectl.run("apply", "-f", "-", stdin=pod).ok()
    kubectl.run("wait", "pod/llm", "-n", HOME, "--for=condition=Ready", "--timeout=60s").ok()
    address = ("get", "pod", "llm", "-n", HOME, "-o=jsonpath={.status.podIP}")
    yield kubectl.run(*address).ok().stdout
    kubectl.run("delete", "pod", "llm", "-n", HOME).ok()


def objects(llm: str) -> dict[str, Any]:
    """Return a Bot on the LLM at an address, and a Task for it."""
    name = "runner-e2e"
    specs: dict[str, dict[str, Any]] = {
        "Ghost": {"systemPrompt": "You help."},
        "Shell": {"type": "Chat"},
        "Model": {
            "provider": "openai",
            "model": "hello",
            "baseUrl": f"http://{f'[{llm}]' if ':' in llm else llm}:{PORT}/v1",
            "allowInsecureBaseUrl": True,
        },
        "Bot": {f"{kind}Ref": {"name": name} for kind in ("ghost", "shell", "model")},
        "Task": {"botRef": {"name": name}, "prompt": "Say hello."},
    }
    items = [
        {
            "apiVersion": "agent.wecode.io/v1",
            "kind": kind,
            "metadata": {"name": name, "namespace": HOME},
            "spec": spec,
        }
        for kind, spec in specs.items()
    ]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def end_of_the_task(release: Release, llm: str) -> dict[str, Any]:
    """Create the Task anew and return its status at its end."""
    kubectl = release.kubectl
    kubectl.run("delete", "task", "runner-e2e", "-n", HOME, "--ignore-not-found").ok()
    kubectl.run("apply", "-f", "-", stdin=objects(llm)).ok()
    end = ("wait", "task/runner-e2e", "-n", HOME, "--for=jsonpath={.status.completionTime}")
    kubectl.run(*end, "--timeout=90s").ok()
    found = kubectl.run("get", "task", "runner-e2e", "-n", HOME, "-o", "json").ok().json
    status: dict[str, Any] = found["status"]
    return status


async def test_a_task_is_answered_and_the_proxy_streams_it(release: Release, llm: str) -> None:
    release.upgrade(f"runner.egressAllow={{{ip_network(ip_address(llm))}}}")
    await release.runner.are_ready(1, STARTED_WITHIN_S)
    status = end_of_the_task(release, llm)
    assert (status["phase"], status.get("result")) == ("Completed", "Hello, world."), status
    admin = release.admin()
    events = await eventually(
        lambda: admin.call("GET", f"kinds/tasks/runner-e2e/events?namespace={HOME}").expect(200),
        within_s=60,
        what="the events",
    )
    data = [
        json.loads(line.removeprefix("data: "))
        for line in events.text.splitlines()
        if line.startswith("data: ")
    ]
    deltas = [it["delta"] for it in data if it["type"] == "response.output_text.delta"]
    assert "".join(deltas) == "Hello, world."
    assert data[-1]["type"] == "run.ended"
    path = f"kinds/tasks/runner-e2e/transcript?namespace={HOME}"
    assert "Hello, world." in admin.call("GET", path).expect(200).text


async def test_a_private_network_is_refused_unless_a_value_allows_it(
    release: Release, llm: str
) -> None:
    release.reset()
    await release.runner.are_ready(1, STARTED_WITHIN_S)
    status = end_of_the_task(release, llm)
    assert status["phase"] == "Failed"
    assert (
        "is not a public address; the runner's setting egressAllow can allow it"
        in (status["message"])
    )
