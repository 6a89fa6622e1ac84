"""Asks for the end of a run."""

from wegent_api.http.bearer import Caller
from wegent_api.runs.waiting import TASKS
from wegent_api.upstream.client import Answer, UserApi
from wegent_kube.content_types import MERGE_PATCH


async def request_cancel(user_api: UserApi, caller: Caller, namespace: str, name: str) -> Answer:
    """Set ``spec.cancel`` of a Task, and return the API server's answer: the Task.

    Raises:
        UpstreamStatus: the API server refused it.
        Unavailable: the API server gave no answer.
    """
    return await user_api.request(
        caller,
        "PATCH",
        TASKS.path(namespace, name),
        body=b'{"spec":{"cancel":true}}',
        content_type=MERGE_PATCH,
    )
