"""Answers a question of a Task.

The API server decides whether the caller may answer, and refuses an answer to no open question. The
checks here only give the reason in more detail.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from wegent_api.accounts.models import Body
from wegent_api.http.bearer import Caller
from wegent_api.http.errors import Cause, Conflict, Invalid, UpstreamStatus
from wegent_api.runs.waiting import TASKS, open_questions
from wegent_api.upstream.client import Answer, UserApi
from wegent_crds.kinds.task_questions import TaskDecision
from wegent_crds.phases import Phase
from wegent_kube.content_types import MERGE_PATCH
from wegent_kube.encoding import encode_json

TRIES: Final = 5
"""Attempts to answer a Task that changes meanwhile: others may answer its other questions."""


class NewAnswer(TaskDecision, Body):
    """The answer of the caller to one question of a Task."""


async def give_answer(
    user_api: UserApi, caller: Caller, namespace: str, name: str, answer: TaskDecision, *, by: str
) -> Answer:
    """Add an answer to a Waiting Task. Return the Task, with the status 202.

    Args:
        user_api: the API server.
        caller: the person who answers.
        namespace: namespace of the Task.
        name: name of the Task.
        answer: the answer.
        by: the caller's name in the API server, which refuses another one.

    Raises:
        Conflict: the Task doesn't wait, or the question has an answer.
        Invalid: the Task waits for other answers.
        UpstreamStatus: the API server refused it.
        Unavailable: the API server gave no answer.
    """
    path = TASKS.path(namespace, name)
    for left in reversed(range(TRIES)):
        task = json.loads((await user_api.request(caller, "GET", path)).body)
        check_open(task, answer.id)
        answers = [*(task["spec"].get("answers") or ()), answer.body() | {"by": by}]
        version = task["metadata"]["resourceVersion"]
        patch = {"metadata": {"resourceVersion": version}, "spec": {"answers": answers}}
        try:
            written = await user_api.request(
                caller, "PATCH", path, body=encode_json(patch), content_type=MERGE_PATCH
            )
        except UpstreamStatus as refused:
            if not (refused.is_conflict and left):
                raise
        else:
            return replace(written, status=202)
    raise AssertionError("the last attempt returns or raises")


def check_open(task: Mapping[str, Any], id_: str) -> None:
    """Check that a Task waits for the answer to a question.

    Raises:
        Conflict: the Task doesn't wait, or the question has an answer.
        Invalid: the Task waits for other answers.
    """
    for answer in task["spec"].get("answers") or ():
        if answer["id"] == id_:
            by = answer.get("by") or "somebody"
            raise Conflict(
                f"the question {id_} has an answer already: {answer['decision']}, by {by};"
                " a question is answered once"
            )
    phase = (task.get("status") or {}).get("phase", Phase.PENDING)
    if phase != Phase.WAITING:
        raise Conflict(f"the Task is {phase}: it waits for no answer")
    asked = [question["id"] for question in open_questions(task)]
    if id_ not in asked:
        told = f"is none of the open questions of the Task: {', '.join(asked)}"
        raise Invalid.of([Cause("FieldValueNotSupported", "id", told)], what="the answer")
