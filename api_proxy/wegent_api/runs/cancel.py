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

CANCEL: Final = encode_json({"spec": {"cancel": True}})


async def request_cancel(user_api: UserApi, caller: Caller, namespace: str, name: str) -> Answer:
    """Set ``spec.cancel`` of a Task, unless it has ended.

    Return the Task, with the status 202, or with 200 for a Task that has ended and stays as it is.

    Raises:
        UpstreamStatus: the API server refused it.
        Unavailable: the API server gave no answer.
    """
    path = TASKS.path(namespace, name)
    try:
        answer = await user_api.request(
            caller, "PATCH", path, body=CANCEL, content_type=MERGE_PATCH
        )
    except UpstreamStatus as refused:
        # The schema refuses to cancel a Task that has ended. There is nothing to change then, so
        # that a user who may only read the Task gets it too.
        if not (refused.is_invalid or refused.is_forbidden):
            raise
        answer = await user_api.request(caller, "GET", path)
        if not _has_ended(answer):
            raise
    return replace(answer, status=200 if _has_ended(answer) else 202)


def _has_ended(answer: Answer) -> bool:
    status = json.loads(answer.body).get("status") or {}
    return status.get("phase") in FINAL
