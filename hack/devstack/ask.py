"""A question to the demo's Team over REST, and its answer as it is written."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import httpx

from devcluster.errors import ClusterError
from devcluster.progress import say

NAMESPACE: Final = "default"
TEAM: Final = "assistant"
TASK: Final[Mapping[str, Any]] = {
    "apiVersion": "agent.wecode.io/v1",
    "kind": "Task",
    "metadata": {"generateName": "ask-", "namespace": NAMESPACE},
    "spec": {"teamRef": {"name": TEAM}, "ttlSecondsAfterFinished": 86400},
}
SILENCE_S: Final = 60.0
"""Seconds without a byte after which the stream counts as dead. It has a heartbeat each 15 s."""


def answer(api: str, token: str, prompt: str) -> Iterator[str]:
    """Create a Task and yield the pieces of its answer.

    Args:
        api: the base URL of the API proxy.
        token: of the user that asks.
        prompt: the question.

    Raises:
        ClusterError: the proxy refused it, or the Task failed.
    """
    headers = {"Authorization": f"Bearer {token}"}
    tasks = f"{api}/api/v1/kinds/tasks"
    body = {**TASK, "spec": {**TASK["spec"], "prompt": prompt}}
    try:
        with httpx.Client(headers=headers, timeout=SILENCE_S, trust_env=False) as client:
            name = _checked(client.post(tasks, json=body)).json()["metadata"]["name"]
            say(f"Task {name}:")
            url = f"{tasks}/{name}/events"
            with client.stream("GET", url, params={"namespace": NAMESPACE}) as response:
                if not response.is_success:
                    response.read()
                yield from texts_of(events_of(_checked(response).iter_lines()))
    except httpx.HTTPError as error:
        raise ClusterError(f"{api}: {str(error) or type(error).__name__}; `make status`") from error


def _checked(response: httpx.Response) -> httpx.Response:
    if response.is_success:
        return response
    try:
        said = response.json()["message"]  # of the Status
    except (ValueError, KeyError, TypeError):
        said = response.text
    raise ClusterError(f"the API answered {response.status_code}: {said}")


def events_of(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield the data of each event. The proxy writes it on one line, with its type inside."""
    for line in lines:
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


def texts_of(events: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield the texts of a run as they come; at its end the result, if there was no text before.

    Raises:
        ClusterError: the run waits for good, has failed, or can't be followed.
    """
    wrote = False
    for event in events:
        match event.get("type"):
            case "response.output_text.delta":
                wrote = True
                yield event["delta"]
            case "run.restarted":
                yield "\n(The run starts again.)\n"
            case "run.waiting":
                if event["ready"] == "False" or event.get("waitingFor"):
                    raise ClusterError(f"the Task waits: {event['reason']}: {event['message']}")
            case "run.ended":
                if event["phase"] != "Completed":
                    message = event.get("message", "")
                    raise ClusterError(f"the Task ended as {event['phase']}: {message}")
                if not wrote:  # it ran on a runner without streams
                    yield event.get("result", "")
                return
            case _:
                if event.get("kind") == "Status":
                    raise ClusterError(str(event["message"]))
    raise ClusterError("the stream ended before the run")
