"""Helpers that wait for a Task's status and list the operator's writes to it."""

from collections.abc import Mapping
from typing import Any

from tests.support.api import Api
from tests.support.audit import AuditLog
from tests.support.waiting import eventually
from tests.support.wegent import OPERATOR_USER
from wegent_crds.phases import FINAL


async def in_phase(
    api: Api, namespace: str, phase: str, name: str = "t", within_s: float = 20
) -> dict[str, Any]:
    """Wait until a Task is in a phase, and its conditions tell the end; return it."""

    async def probe() -> dict[str, Any]:
        body = await api.get("tasks", namespace, name)
        assert body is not None, "it is gone"
        assert body["status"]["phase"] == phase, body["status"]
        said = {it["type"] for it in body["status"]["conditions"] if it["status"] == "True"}
        assert phase not in FINAL or said & {"Complete", "Failed"}, body["status"]
        return body

    return await eventually(probe, within_s=within_s, what=f"Task {name} to be {phase}")


async def observed(api: Api, namespace: str, generation: int, name: str = "t") -> dict[str, Any]:
    """Wait until the operator has acknowledged a Task's generation, and return the Task."""

    async def probe() -> dict[str, Any]:
        body = await api.get("tasks", namespace, name)
        assert body is not None, "it is gone"
        seen = (body["metadata"]["generation"], body["status"].get("observedGeneration"))
        assert seen == (generation, generation)
        return body

    return await eventually(probe, within_s=30, what=f"Task {name} to be acknowledged")


class Writes:
    """Counts the operator's writes to a namespace's Tasks."""

    def __init__(self, audit: AuditLog, namespace: str) -> None:
        self._audit = audit
        self._namespace = namespace

    def of(self, name: str = "t") -> Mapping[str, int]:
        """Return the number of writes to a Task, by sort; each write must have succeeded."""
        counts: dict[str, int] = {}
        for write in self._audit.writes(user=OPERATOR_USER, namespace=self._namespace):
            if (write.resource, write.name) == ("tasks", name):
                assert write.code in (200, 201), write
                sort = f"{write.verb} {write.subresource}".strip()
                counts[sort] = counts.get(sort, 0) + 1
        return counts
