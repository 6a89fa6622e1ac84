"""An Account as admins see it."""

from typing import Any

import pytest

from wegent_api.accounts.admin_models import AccountView
from wegent_crds.schema.status import PENDING_MESSAGE

PENDING = (False, "Pending", PENDING_MESSAGE)


def ready(status: str, reason: str, message: str = "") -> dict[str, str]:
    return {"type": "Ready", "status": status, "reason": reason, "message": message}


RESOLVED = {"type": "ResolvedRefs", "status": "True", "reason": "ResolvedRefs", "message": ""}


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ({}, PENDING),
        ({"observedGeneration": 2}, PENDING),
        ({"conditions": [ready("Unknown", "Pending", PENDING_MESSAGE)]}, PENDING),
        # The operator's verdict on the Account's previous generation.
        ({"observedGeneration": 1, "conditions": [ready("True", "Ready")]}, PENDING),
        (
            {"observedGeneration": 2, "conditions": [RESOLVED, ready("True", "Ready")]},
            (True, "Ready", ""),
        ),
        (
            {"observedGeneration": 2, "conditions": [ready("True", "Suspended", "because")]},
            (True, "Suspended", "because"),
        ),
    ],
)
def test_it_is_ready_if_the_operator_says_so_of_what_it_is_now(
    status: dict[str, Any], shown: tuple[bool, str, str]
) -> None:
    body = {
        "metadata": {"name": "ann", "uid": "1", "generation": 2},
        "spec": {"email": "ann@example.com", "role": "user"},
        "status": status,
    }
    view = AccountView.of(body)
    assert (view.ready, view.reason, view.message) == shown
