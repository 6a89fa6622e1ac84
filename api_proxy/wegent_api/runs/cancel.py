"""Asks for the end of a run."""

import json
from dataclasses import replace
from typing import Final

from wegent_api.http.bearer import Caller
from wegent_api.http.errors import UpstreamStatus
from wegent_api.runs.waiting import TASKS
from wegent_api.upstream.client import Answer, UserApi
from wegent_crds.phases import FINAL
from wegent_kube.content_types import MERGE_PATCH
from wegent_kube.encoding import encode_json

TRIES: Final = 5
"""Attempts to cancel a Task that changes meanwhile. Its runner writes to it some times a minute."""


async def request_cancel(user_api: UserApi, caller: Caller, namespace: str, name: str) -> Answer:
    """Set ``spec.cancel`` of a Task, unless it has ended.

    Return the Task, with the status 202, or with 200 for a Task that has ended and stays as it is.

    Raises:
        UpstreamStatus: the API server refused it.
        Unavailable: the API server gave no answer.
    """
    path = TASKS.path(namespace, name)
    for left in reversed(range(TRIES)):
        answer = await user_api.request(caller, "GET", path)
        task = json.loads(answer.body)
        if (task.get("status") or {}).get("phase") in FINAL:
            return replace(answer, status=200)
        if task["spec"].get("cancel"):
            return replace(answer, status=202)
        version = task["metadata"]["resourceVersion"]
        try:
            answer = await user_api.request(
                caller,
                "PATCH",
                path,
                body=encode_json(
                    {"metadata": {"resourceVersion": version}, "spec": {"cancel": True}}
                ),
                content_type=MERGE_PATCH,
            )
        except UpstreamStatus as refused:
            if not (refused.is_conflict and left):
                raise
        else:
            return replace(answer, status=202)
    raise AssertionError("the last attempt returns or raises")
