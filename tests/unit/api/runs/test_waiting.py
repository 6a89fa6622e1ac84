"""A run that has not begun says why."""

from typing import Any

import pytest

from wegent_api.runs.blocks import events_in
from wegent_api.runs.waiting import waiting


def condition(type_: str, status: str, message: str = "") -> dict[str, str]:
    return {"type": type_, "status": status, "reason": f"{type_}{status}", "message": message}


READY = condition("Ready", "True")
NOT_READY = condition("Ready", "False", "spec.teamRef: Team a/b not found")
NOT_SERVED = condition("Served", "False", "no runner serves Shells of the type Other")


@pytest.mark.parametrize(
    ("conditions", "ready", "reason", "message"),
    [
        ([], "Unknown", "", ""),
        ([READY], "True", "ReadyTrue", ""),
        ([NOT_READY], "False", "ReadyFalse", NOT_READY["message"]),
        ([READY, condition("Served", "True")], "True", "ReadyTrue", ""),
        ([READY, NOT_SERVED], "True", "ServedFalse", NOT_SERVED["message"]),
        ([NOT_READY, NOT_SERVED], "False", "ReadyFalse", NOT_READY["message"]),
    ],
)
def test_the_reason_is_that_of_the_condition_that_holds_it_up(
    conditions: list[Any], ready: str, reason: str, message: str
) -> None:
    (event,) = events_in(waiting({"status": {"conditions": conditions}}))
    assert event.data == {
        "type": "run.waiting",
        "ready": ready,
        "reason": reason,
        "message": message,
    }
