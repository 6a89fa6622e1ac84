"""The transcript of a run."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from wegent_api.http.bearer import Caller
from wegent_api.runs.routes import TranscriptParameters, transcript

CANCELLED = {"phase": "Cancelled", "message": "spec.cancel: the runner did not stop"}


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ({"phase": "Running"}, {"phase": "Completed", "message": "stored"}),
        ({"phase": "Completed"}, {"phase": "Completed", "message": "stored"}),
        (CANCELLED, CANCELLED),
    ],
    ids=["earlier", "same", "another"],
)
async def test_a_transcript_has_the_end_that_the_task_has(
    status: dict[str, str], outcome: dict[str, str]
) -> None:
    async def task(*_: Any) -> dict[str, Any]:
        return {"status": status}

    async def read(*_: Any) -> dict[str, Any]:
        return {"items": [], "outcome": {"phase": "Completed", "message": "stored"}}

    body = await transcript(
        cast("Any", SimpleNamespace(task=task)),
        cast("Any", SimpleNamespace(read=read)),
        cast("Any", None),
        Caller("token"),
        "t",
        TranscriptParameters(),
    )
    assert body == {"items": [], "outcome": outcome}
