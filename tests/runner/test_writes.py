"""A Task costs the API server a handful of writes, however long its answer is."""

from collections import Counter
from typing import Any

import pytest

from tests.runner.conftest import MakeTask
from tests.runner.test_provider_faults import events_of
from tests.support.api import Api
from tests.support.audit import AuditLog
from tests.support.provider import Provider, Script
from tests.support.waiting import eventually
from wegent_crds.conditions import ConditionType, conditions_of, find_condition

pytestmark = pytest.mark.usefixtures("operator", "runner")

DELTAS = 2000


@pytest.fixture
def runner_settings() -> dict[str, Any]:
    """A lease that is not renewed in this test."""
    return {"lease_s": 300}


async def test_no_delta_is_written_to_the_api_server(
    api: Api,
    namespace: str,
    provider: Provider,
    make_task: MakeTask,
    ended: MakeTask,
    audit: AuditLog,
) -> None:
    provider.script = lambda _: Script(pieces=["word "] * DELTAS)
    await make_task()
    task = await ended(within_s=60)
    assert task["status"]["result"] == "word " * DELTAS

    async def told() -> bool:
        body = await api.get("tasks", namespace, "t")
        assert body is not None
        assert find_condition(conditions_of(body), ConditionType.COMPLETE) is not None
        assert {reason for reason, _ in await events_of(api, namespace)} >= {"Started", "Completed"}
        return True

    await eventually(told, within_s=30, what="the operator's and the recorder's last writes")
    writes = Counter(
        (write.user.rpartition(":")[2], write.verb, write.resource, write.subresource)
        for write in audit.writes(namespace=namespace)
        if write.resource == "events" or write.name == "t" or write.verb == "create"
    )
    made = {key: count for key, count in writes.items() if key[2] in {"events", "tasks"}}
    creator = next(
        user for user, verb, resource, _ in made if (verb, resource) == ("create", "tasks")
    )
    assert made == {
        (creator, "create", "tasks", ""): 1,
        ("wegent-operator", "patch", "tasks", "status"): 2,  # the verdict, and the end's condition
        ("wegent-runner", "patch", "tasks", "status"): 2,  # the claim and the end
        ("wegent-runner", "create", "events", ""): 2,
    }
