"""A Task's life on the real API server: each transition, including the forbidden ones."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.crds.changes import (
    ALLOWED,
    ANSWER_CHANGES,
    ANSWERED,
    ASKED,
    LIFE,
    PHASES,
    SPEC_CHANGES,
    STATUS_CHANGES,
    TOO_LATE,
    AnswerChange,
    Change,
    SpecChange,
    natural,
)
from tests.crds.samples import body
from tests.crds.schemas import root_schema, subschemas
from tests.crds.validation import ApiServer, Verdict, by_transition
from wegent_crds.kinds.task import Task, TaskSpec
from wegent_crds.kinds.task_status import TaskStatus
from wegent_crds.phases import FINAL, TRANSITIONS, Phase, may_become
from wegent_crds.registry import KINDS

Stored = Mapping[str, dict[str, Any]]
ROUTES = {"Pending": (), "Running": ("Running",)} | {
    phase: ("Running", phase) for phase in ("Waiting", "Completed", "Failed", "Cancelled")
}
"""The phases through which a Task gets into each phase."""


@pytest.fixture(scope="module")
async def stored(api_server: ApiServer) -> Stored:
    """A Task in each phase."""
    return {phase: await _brought_to(api_server, phase) for phase in PHASES}


async def _brought_to(api_server: ApiServer, phase: str) -> dict[str, Any]:
    made = await api_server.create(
        "tasks", body("tasks", name=f"in-{phase.lower()}"), dry_run=False
    )
    task: dict[str, Any] = made.result
    before = "Pending"
    for after in ROUTES[phase]:
        (written,) = await api_server.write_statuses(
            "tasks", task, [natural(before, after)], dry_run=False
        )
        assert written.accepted, written.said
        task, before = written.result, after
    assert task["status"]["phase"] == phase
    return task


async def _validate(api_server: ApiServer, task: dict[str, Any], after: dict[str, Any]) -> Verdict:
    """Validate a change of the status by the API server and the models, which must agree."""
    (verdict,) = await api_server.write_statuses("tasks", task, [after])
    twin = by_transition(TaskStatus, task["status"], after)
    assert verdict.accepted == twin.accepted, (verdict, twin)
    return verdict


@pytest.mark.parametrize("after", PHASES)
@pytest.mark.parametrize("before", PHASES)
async def test_each_transition(
    before: str, after: str, stored: Stored, api_server: ApiServer
) -> None:
    verdict = await _validate(api_server, stored[before], natural(before, after))
    if (before, after) in ALLOWED:
        assert verdict.accepted, verdict.said
    else:
        said = f"status.phase: Invalid value: {before} can't become {after}; {LIFE}"
        assert said in verdict.said


@pytest.mark.parametrize("change", STATUS_CHANGES, ids=lambda c: f"{c.before}-{c.said}"[:60])
async def test_each_rule_over_the_status(
    change: Change, stored: Stored, api_server: ApiServer
) -> None:
    verdict = await _validate(api_server, stored[change.before], change.after)
    if change.said is None:
        assert verdict.accepted, verdict.said
    else:
        assert change.said in verdict.said


@pytest.mark.parametrize("change", SPEC_CHANGES, ids=lambda c: f"{c.after}"[:60])
async def test_each_rule_over_a_change_of_the_spec(
    change: SpecChange, api_server: ApiServer
) -> None:
    made = await api_server.create(
        "tasks", body("tasks", change.before, "", generateName="spec-"), dry_run=False
    )
    verdict = await api_server.update("tasks", {**made.result, "spec": change.after})
    twin = by_transition(TaskSpec, change.before, change.after)
    assert verdict.accepted == twin.accepted, (verdict, twin)
    if change.said is None:
        assert verdict.accepted, verdict.said
    else:
        assert change.said in verdict.said


@pytest.mark.parametrize("change", ANSWER_CHANGES, ids=lambda c: f"{c.after}-{c.waits}"[:60])
async def test_each_rule_over_new_answers(change: AnswerChange, api_server: ApiServer) -> None:
    spec = {"botRef": {"name": "b"}, "prompt": "Do it."}
    before = {**spec, "answers": list(change.before)}
    made = await api_server.create(
        "tasks", body("tasks", before, "", generateName="answers-"), dry_run=False
    )
    task: dict[str, Any] = made.result
    asked = {**natural("Running", "Waiting"), "waitingFor": ASKED}
    for status in (natural("Pending", "Running"), asked) if change.waits else ():
        (written,) = await api_server.write_statuses("tasks", task, [status], dry_run=False)
        task = written.result
    after = {**spec, "answers": list(change.after)}
    verdict = await api_server.update("tasks", {**task, "spec": after})
    if change.said is None:
        assert verdict.accepted, verdict.said
    else:
        assert change.said in verdict.said
    twins = [body("tasks", it) | {"status": task["status"]} for it in (before, after)]
    assert by_transition(Task, *twins).accepted == (change.said in {None, ANSWERED})


@pytest.mark.parametrize("phase", PHASES)
async def test_a_task_is_cancelled_before_its_end_alone(
    phase: str, stored: Stored, api_server: ApiServer
) -> None:
    task = stored[phase]
    cancelled = {**task, "spec": {**task["spec"], "cancel": True}}
    verdict = await api_server.update("tasks", cancelled)
    twin = by_transition(Task, task, cancelled)
    assert verdict.accepted == twin.accepted == (phase not in FINAL)
    if phase in FINAL:
        assert TOO_LATE in verdict.said
        # A Task that was cancelled in time can be changed after its end.
        titled = {**cancelled, "spec": {**cancelled["spec"], "title": "That"}}
        assert by_transition(Task, cancelled, titled).accepted


def test_every_rule_over_a_status_or_a_change_is_tried() -> None:
    declared = {
        rule["message"]
        for kind in KINDS
        for path, schema in subschemas(root_schema(kind.plural))
        for rule in schema.get("x-kubernetes-validations", [])
        if path.startswith(".status") or "oldSelf" in rule["rule"]
    }
    changes = (*STATUS_CHANGES, *SPEC_CHANGES, *ANSWER_CHANGES)
    assert {change.said for change in changes} - {None, "Duplicate value"} == declared - {TOO_LATE}
    assert TOO_LATE in declared


def test_the_table_of_phases_is_the_one_that_was_meant() -> None:
    assert tuple(Phase) == PHASES
    assert set(TRANSITIONS) == set(Phase)
    assert FINAL == ("Completed", "Failed", "Cancelled")
    assert {(a, b) for a in PHASES for b in PHASES if may_become(a, b)} == ALLOWED
    phases = root_schema("tasks")["properties"]["status"]["properties"]["phase"]
    assert tuple(phases["enum"]) == PHASES
