"""Tasks as responses of OpenAI's Responses API."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from wegent_api.openai_api.errors import SERVER_ERROR
from wegent_api.openai_api.formats import format_of
from wegent_api.openai_api.ids import TaskId, model_of
from wegent_api.openai_api.run_events import Ending
from wegent_api.openai_api.tasks import CLIENT_BACKGROUND, CLIENT_METADATA
from wegent_crds.phases import Phase

STATUSES: Final[Mapping[str, str]] = {
    Phase.PENDING: "queued",
    Phase.COMPLETED: "completed",
    Phase.CANCELLED: "cancelled",
    Phase.FAILED: "failed",
}
"""Statuses of the phases. Others are in progress."""
NEUTRAL: Final[Mapping[str, Any]] = {
    "frequency_penalty": 0.0,
    "presence_penalty": 0.0,
    "temperature": 1.0,
    "top_logprobs": 0,
    "top_p": 1.0,
}
"""OpenAI's defaults. The Team's Models may have other values, but the schema has no null here."""


def response_body(task: Mapping[str, Any], ending: Ending | None = None) -> dict[str, Any]:
    """Return the response of a Task, with its output if its run has ended."""
    metadata, spec = task["metadata"], task["spec"]
    status = _status(task, ending)
    previous = (spec.get("previousTaskRef") or {}).get("name")
    failure = ending.message if ending else ""
    return {
        "id": TaskId(metadata["namespace"], metadata["name"]).response(),
        "object": "response",
        "background": is_background(task),
        "created_at": unix_time(metadata["creationTimestamp"]),
        "completed_at": unix_time((task.get("status") or {}).get("completionTime")),
        "status": status,
        "error": (
            {"code": SERVER_ERROR, "message": failure or "The Task failed."}
            if status == "failed"
            else None
        ),
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "instructions": spec.get("instructions"),
        "max_output_tokens": None,
        "max_tool_calls": None,
        "metadata": client_metadata(task),
        "model": model_of(dict(task)),
        "output": ending.items if ending else [],
        "parallel_tool_calls": False,
        "previous_response_id": (
            TaskId(metadata["namespace"], previous).response() if previous else None
        ),
        "prompt_cache_key": None,
        "reasoning": None,
        "safety_identifier": None,
        "service_tier": "default",
        "store": True,
        "text": {"format": format_of(spec.get("outputSchema"))},
        "tool_choice": "auto",
        "tools": [],
        "truncation": "disabled",
        **NEUTRAL,
        "usage": _usage(ending.usage) if ending and ending.usage else None,
        "user": None,
    }


def input_items(task: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the messages that a Task was made from, the oldest first."""
    spec = task["spec"]
    turns = [*(spec.get("history") or ()), {"role": "user", "content": spec["prompt"]}]
    return [
        {
            "id": f"msg_in_{index}",
            "type": "message",
            "status": "completed",
            "role": turn["role"],
            "content": [
                {"type": "input_text", "text": turn["content"]}
                if turn["role"] == "user"
                else {"type": "output_text", "text": turn["content"], "annotations": []}
            ],
        }
        for index, turn in enumerate(turns)
    ]


def client_metadata(task: Mapping[str, Any]) -> dict[str, str]:
    """Return the metadata of the client. An editor of the Task may have changed it."""
    raw = (task["metadata"].get("annotations") or {}).get(CLIENT_METADATA, "{}")
    try:
        found = json.loads(raw)
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {key: value for key, value in found.items() if isinstance(value, str)}


def is_background(task: Mapping[str, Any]) -> bool:
    """Return whether the client asked for the response in the background."""
    return (task["metadata"].get("annotations") or {}).get(CLIENT_BACKGROUND) == "true"


def unix_time(timestamp: str | None) -> int | None:
    """Return a time of Kubernetes in seconds since 1970."""
    return int(datetime.fromisoformat(timestamp).timestamp()) if timestamp else None


def _status(task: Mapping[str, Any], ending: Ending | None) -> str:
    if ending is None:
        phase = (task.get("status") or {}).get("phase", Phase.PENDING)
        return "queued" if phase == Phase.PENDING else "in_progress"
    if ending.phase == Phase.COMPLETED and ending.truncated:
        return "incomplete"
    return STATUSES.get(ending.phase, "failed")


def _usage(used: Mapping[str, Any]) -> dict[str, Any]:
    read, written = used.get("inputTokens", 0), used.get("outputTokens", 0)
    return {
        "input_tokens": read,
        "input_tokens_details": {
            "cached_tokens": used.get("cachedInputTokens", 0),
            "cache_write_tokens": 0,
        },
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": read + written,
    }
