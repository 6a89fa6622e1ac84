"""A runner without work: it claims Tasks, renews its claims and finishes them.

The protocol is that of docs/adr/0007-claiming-a-task.md; every write is guarded by the last
resource version that the runner has seen.
"""

from datetime import UTC, datetime
from typing import Any

from tests.support.api import is_ready
from wegent_crds.registry import TASK
from wegent_kube import ApiError, KubeClient
from wegent_kube.content_types import MERGE_PATCH
from wegent_kube.resources import resource_of

TASKS = resource_of(TASK)


def claimable(task: dict[str, Any]) -> bool:
    """Return whether a runner may try to claim a Task."""
    status = task["status"]
    stopped = task["spec"]["cancel"] or "deletionTimestamp" in task["metadata"]
    return status["phase"] == "Pending" and is_ready(task) and not stopped


class ClaimLost(Exception):  # noqa: N818 - what happened, in one word
    """The Task is no longer this runner's: it must stop working on it."""


class Claimant:
    """One runner, with one Task at a time."""

    def __init__(self, client: KubeClient, holder: str, lease_s: int = 60) -> None:
        self.holder = holder
        self._client = client
        self._lease_s = lease_s
        self._task: dict[str, Any] = {}

    async def claim(self, task: dict[str, Any]) -> bool:
        """Try to claim a Task as it was read; return True if this runner has the claim."""
        if not claimable(task):
            return False
        self._task = task
        status = {
            "phase": "Running",
            "attempts": task["status"]["attempts"] + 1,
            "startTime": _now(),
            "claim": self._claim(),
            "message": None,
        }
        try:
            await self._write(status)
        except ClaimLost:
            return False
        return True

    async def renew(self) -> None:
        """Renew the claim.

        Raises:
            ClaimLost: another runner has the Task, or the Task is to stop.
        """
        await self._write({"claim": self._claim()})

    async def finish(self, phase: str = "Completed", **status: Any) -> None:
        """Write the Task's result.

        Raises:
            ClaimLost: this runner has lost the Task; its result is discarded.
        """
        end = {"phase": phase, "claim": None, "completionTime": _now()}
        generation = self._task["metadata"]["generation"]
        await self._write({**end, "observedGeneration": generation, **status})

    async def ask(self, *questions: dict[str, Any]) -> None:
        """Let go of the Task until people have answered.

        Raises:
            ClaimLost: this runner has lost the Task.
        """
        generation = self._task["metadata"]["generation"]
        await self._write(
            {
                "phase": "Waiting",
                "claim": None,
                "startTime": None,
                "waitingFor": list(questions),
                "waitingSince": _now(),
                "releases": self._task["status"].get("releases", 0) + 1,
                "observedGeneration": generation,
            }
        )

    async def look_again(self) -> dict[str, Any]:
        """Read the Task again, as after an event: another client has written it.

        Raises:
            ClaimLost: this runner has lost the Task.
        """
        metadata = self._task["metadata"]
        body: dict[str, Any] = await self._client.request(
            "GET", TASKS.path(metadata["namespace"], metadata["name"])
        )
        mine = (self.holder, self._task["status"]["attempts"])
        status = body["status"]
        now = (status.get("claim", {}).get("holder"), status["attempts"])
        if now != mine or "deletionTimestamp" in body["metadata"]:
            raise ClaimLost(status)
        self._task = body
        return body

    def _claim(self) -> dict[str, Any]:
        return {"holder": self.holder, "leaseSeconds": self._lease_s, "renewedAt": _now()}

    async def _write(self, status: dict[str, Any]) -> None:
        metadata = self._task["metadata"]
        guard = {"resourceVersion": metadata["resourceVersion"]}
        try:
            self._task = await self._client.request(
                "PATCH",
                TASKS.path(metadata["namespace"], metadata["name"], "status"),
                body={"metadata": guard, "status": status},
                content_type=MERGE_PATCH,
            )
        except ApiError as error:
            if error.is_not_found or error.is_conflict:
                raise ClaimLost(str(error)) from error
            raise


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
