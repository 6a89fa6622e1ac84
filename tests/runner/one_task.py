"""An API server of one Task, in memory, whose answers can be lost."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, Literal, cast

from wegent_kube import ApiError, KubeClient, Unreachable

Fault = Literal["", "lost", "refused", "hangs", "hangs after it", "invalid", "too large"]
"""``lost``: the write is done, and the answer is lost. ``refused``: nothing is done. ``hangs``: no
answer comes. ``invalid`` and ``too large``: the API server never takes the write."""
NEVER_TAKEN: Final[Mapping[str, ApiError]] = {
    "invalid": ApiError(422, {"reason": "Invalid", "message": "Task is invalid"}),
    "too large": ApiError(413, {"reason": "RequestEntityTooLarge", "message": "limit is 3 MiB"}),
}


def pending(**spec: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "namespace": "ns",
            "name": "t",
            "uid": "u",
            "generation": 1,
            "resourceVersion": "1",
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {"prompt": "q", **spec},
        "status": {
            "phase": "Pending",
            "conditions": [{"type": "Ready", "status": "True", "observedGeneration": 1}],
        },
    }


class OneTask:
    """The server. ``faults`` are those of the next requests, by method."""

    def __init__(self, task: dict[str, Any]) -> None:
        self.task = task
        self.faults: dict[str, list[Fault]] = {"GET": [], "PATCH": []}
        self.always: Fault = ""
        self.writes: list[Mapping[str, Any]] = []
        self.asked = 0

    @property
    def client(self) -> KubeClient:
        return cast("KubeClient", self)

    @property
    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.task["status"]
        return status

    def change(self, **status: Any) -> None:
        """Change the Task as another writer does."""
        self._merge(self.status, status)
        self._count()

    def cancel(self) -> None:
        self.task["spec"]["cancel"] = True
        self._count()

    async def request(self, method: str, _: str, **options: Any) -> Any:
        self.asked += 1
        faults = self.faults[method]
        fault = self.always or (faults.pop(0) if faults else "")
        if fault == "hangs":
            await asyncio.sleep(3600)
        if fault == "refused":
            raise Unreachable("connection refused")
        if fault in NEVER_TAKEN:
            raise NEVER_TAKEN[fault]
        if method == "PATCH":
            self._patch(options["body"])
        if fault == "hangs after it":
            await asyncio.sleep(3600)
        if fault == "lost":
            raise Unreachable("the answer is lost")
        return _copy(self.task)

    def _patch(self, body: Mapping[str, Any]) -> None:
        if body["metadata"]["resourceVersion"] != self.task["metadata"]["resourceVersion"]:
            raise ApiError(409, {"reason": "Conflict", "message": "the object has been modified"})
        self.writes.append(body["status"])
        self._merge(self.status, body["status"])
        self._count()

    def _count(self) -> None:
        metadata = self.task["metadata"]
        metadata["resourceVersion"] = str(int(metadata["resourceVersion"]) + 1)

    def _merge(self, into: dict[str, Any], patch: Mapping[str, Any]) -> None:
        for field, value in patch.items():
            if value is None:
                into.pop(field, None)
            elif isinstance(value, Mapping):
                self._merge(into.setdefault(field, {}), value)
            else:
                into[field] = value


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(it) for key, it in value.items()}
    return [_copy(it) for it in value] if isinstance(value, list) else value
