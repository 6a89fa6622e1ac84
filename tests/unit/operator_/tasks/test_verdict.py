"""The verdict on a Task whose result has a schema."""

from typing import Any, cast

import pytest

from tests.unit.objects import state
from wegent_crds.conditions import Reason
from wegent_operator.state.cache import Cache
from wegent_operator.state.objects import TaskState
from wegent_operator.tasks.verdict import verdict

BAD: dict[str, Any] = {"type": "objct"}
BOT = state("Bot", "b", {"modelRef": {"name": "m"}})
MODEL = state("Model", "m")


def task(schema: Any, **more: Any) -> TaskState:
    spec = {"botRef": {"name": "b"}, "outputSchema": schema}
    return cast("TaskState", state("Task", "t", spec, **more))


def view() -> Cache:
    cache = Cache()
    cache.put(BOT)
    cache.put(MODEL)
    return cache


@pytest.mark.parametrize("schema", [{}, {"type": "object"}, None])
def test_an_allowed_schema(schema: Any) -> None:
    assert verdict(task(schema), view()).ready.reason is Reason.READY


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (BAD, 'spec.outputSchema.type: "objct" is not valid'),
        ({"$ref": "#"}, "spec.outputSchema: refers to itself"),
        ([], "spec.outputSchema: must be an object"),
    ],
)
def test_a_schema_that_is_not_allowed(schema: Any, said: str) -> None:
    found = verdict(task(schema), view())
    assert found.ready.reason is Reason.OUTPUT_SCHEMA_INVALID
    assert found.ready.message.startswith(said)
    assert found.ready.message.endswith("create another Task, as the schema can't be changed")
    assert found.resolved_refs.status, "it says nothing of the references"
    assert found.stalled is not None, "kstatus must not wait for it"


def test_it_is_told_before_a_missing_reference() -> None:
    """Mending the reference would not make the Task ready."""
    found = verdict(task(BAD), Cache())
    assert found.ready.reason is Reason.OUTPUT_SCHEMA_INVALID
    assert found.resolved_refs.reason is Reason.REF_NOT_FOUND


def test_a_task_that_has_begun_is_left_alone() -> None:
    running = task(BAD, status={"phase": "Running"})
    assert running.progress.output_problem == ""
