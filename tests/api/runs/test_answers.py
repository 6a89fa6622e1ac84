"""Questions of a Task are answered over REST and the WebSocket, once each, by those who may."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.api.events import following
from tests.api.objects import BASE
from tests.api.users import ACCOUNTS, User
from tests.support.api import Api
from tests.support.proxy import Client
from tests.support.rights import grant
from tests.support.tasks import pending, question, running, waiting
from tests.support.websocket import connected

YES = {"id": "call_1", "decision": "approve"}
NO = {"id": "call_2", "decision": "deny", "text": "Not that."}


@pytest.fixture
async def answers(client: Client, api: Api, place: str) -> str:
    """Path of the answers of a Task that waits for two."""
    spec = {"botRef": {"name": "none"}, "prompt": "Do it."}
    path = f"{BASE}/tasks?namespace={place}&validateRefs=false"
    (await client.post(path, {"metadata": {"name": "t"}, "spec": spec})).expect(201)
    asked = waiting(waitingFor=[question("call_1"), question("call_2")])
    for status in (running(), asked | {"claim": None, "startTime": None}):
        await api.merge("tasks", place, "t", {"status": status}, "status")
    return f"{BASE}/tasks/t/answers?namespace={place}"


async def stored(api: Api, place: str) -> list[dict[str, Any]]:
    task = await api.get("tasks", place, "t")
    assert task is not None
    return list(task["spec"].get("answers", []))


@pytest.fixture
async def second(new_user: Callable[[], Awaitable[User]], api: Api, place: str) -> User:
    """Another editor of the namespace."""
    user = await new_user()
    await grant(api, (ACCOUNTS, user.name), "wegent-editor", place)
    return user


async def test_each_answer_names_its_user(
    client: Client, user: User, second: User, answers: str, api: Api, place: str
) -> None:
    task = (await client.post(answers, YES)).expect(202)
    assert task["spec"]["answers"] == [YES | {"by": user.account}]
    (await second.client.post(answers, NO)).expect(202)
    assert await stored(api, place) == [
        YES | {"by": user.account},
        NO | {"by": second.account},
    ]


async def test_a_question_is_answered_once(
    client: Client, user: User, second: User, answers: str
) -> None:
    (await client.post(answers, YES)).expect(202)
    for answer in (YES, YES | {"decision": "deny"}):
        for caller in (client, second.client):
            told = (await caller.post(answers, answer)).refused(409, "Conflict")
            assert told == (
                f"the question call_1 has an answer already: approve, by {user.account}; a question"
                " is answered once"
            )


async def test_answers_at_the_same_time_are_all_taken_and_none_twice(
    client: Client, second: User, answers: str, api: Api, place: str
) -> None:
    callers = (client, second.client)
    tries = [(caller, answer) for caller in callers for answer in (YES, NO)]
    given = await asyncio.gather(*(caller.post(answers, answer) for caller, answer in tries))
    assert sorted(it.status for it in given) == [202, 202, 409, 409]
    assert {it["id"] for it in await stored(api, place)} == {"call_1", "call_2"}


async def test_what_is_not_asked_is_not_answered(
    client: Client, answers: str, api: Api, place: str
) -> None:
    unknown = await client.post(answers, YES | {"id": "call_3"})
    told = unknown.refused(422, "Invalid")
    assert "id: is none of the open questions of the Task: call_1, call_2" in told
    assert unknown.causes() == {"id": "FieldValueNotSupported"}
    status = pending(attempts=1) | {"waitingFor": None, "waitingSince": None, "releases": 1}
    await api.merge("tasks", place, "t", {"status": status}, "status")
    told = (await client.post(answers, YES)).refused(409, "Conflict")
    assert told == "the Task is Pending: it waits for no answer"
    (await client.post(answers.replace("/t/", "/none/"), YES)).refused(404, "NotFound")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"decision": "approve"}, "id"),
        ({"id": "call_1"}, "decision"),
        ({"id": "call_1", "decision": "yes"}, "decision"),
        (YES | {"by": "somebody"}, "by"),
        (YES | {"text": "t" * 4097}, "text"),
        (YES | {"id": "-"}, "id"),
    ],
)
async def test_a_body_that_is_no_answer_names_its_field(
    client: Client, answers: str, body: dict[str, Any], field: str
) -> None:
    refused = await client.post(answers, body)
    assert refused.status in {400, 422}
    assert field in refused.causes()


async def test_a_reply_has_a_text(client: Client, answers: str, api: Api, place: str) -> None:
    reply = {"id": "call_1", "decision": "reply"}
    told = (await client.post(answers, reply)).refused(422, "Invalid")
    assert "text is required for the decision reply" in told
    (await client.post(answers, reply | {"text": "Both."})).expect(202)
    assert [it["text"] for it in await stored(api, place)] == ["Both."]


async def test_those_who_may_not_change_the_task_do_not_answer(
    client: Client,
    new_user: Callable[[], Awaitable[User]],
    api: Api,
    answers: str,
    place: str,
) -> None:
    (await client.as_(None).post(answers, YES)).refused(401, "Unauthorized")
    viewer = await new_user()
    (await viewer.client.post(answers, YES)).refused(403, "Forbidden")
    await grant(api, (ACCOUNTS, viewer.name), "wegent-viewer", place)
    told = (await viewer.client.post(answers, YES)).refused(403, "Forbidden")
    assert "cannot patch resource" in told


async def test_a_stream_tells_what_is_asked_and_stays_open(
    client: Client, answers: str, api: Api, place: str
) -> None:
    async with following(client, answers.replace("/answers", "/events")) as stream:
        first = await stream.next()
        assert first is not None
        assert (first.event, first.id) == ("run.waiting", None)
        assert first.data["reason"] == "WaitingForAnswer"
        assert first.data["waitingFor"] == [question("call_1"), question("call_2")]
        (await client.post(answers, YES)).expect(202)
        second = await stream.next()
        assert second is not None
        assert second.data["waitingFor"] == [question("call_2")]
        status = pending(attempts=1) | {"waitingFor": None, "waitingSince": None, "releases": 1}
        await api.merge("tasks", place, "t", {"status": status}, "status")
        third = await stream.next()
        assert third is not None
        assert third.event == "run.waiting"
        assert "waitingFor" not in third.data


async def test_answers_over_the_websocket(
    client: Client, user: User, answers: str, api: Api, place: str
) -> None:
    assert answers
    async with connected(client) as socket:
        here = {"namespace": place, "task": "t"}
        await socket.say("answer", id="1", answer=YES, **here)
        assert await socket.hear() == {"type": "answered", "id": "1", **here}
        await socket.say("answer", id="2", answer=YES | {"decision": "deny"}, **here)
        code, message, id_ = await socket.refusal()
        assert (code, id_) == (409, "2")
        assert "a question is answered once" in message
        await socket.say("answer", id="3", answer={"id": "call_2", "decision": "perhaps"}, **here)
        code, message, id_ = await socket.refusal()
        assert (code, id_) == (422, "3")
        assert "answer.decision" in message
        await socket.say("answer", id="4", answer=YES | {"by": "somebody"}, **here)
        assert (await socket.refusal())[0] == 422
    assert await stored(api, place) == [YES | {"by": user.account}]
