"""The status of a response follows from the phase of its Task."""

import pytest

from wegent_api.openai_api.response_object import response_body


@pytest.mark.parametrize(
    ("phase", "status"),
    [("Pending", "queued"), ("Running", "in_progress"), ("Waiting", "in_progress")],
)
def test_a_response_that_has_not_ended(phase: str, status: str) -> None:
    metadata = {"namespace": "ns", "name": "t", "creationTimestamp": "2026-01-31T12:00:00Z"}
    spec = {"teamRef": {"name": "helpers"}, "prompt": "Do it."}
    body = response_body({"metadata": metadata, "spec": spec, "status": {"phase": phase}})
    assert (body["status"], body["error"], body["output"]) == (status, None, [])
