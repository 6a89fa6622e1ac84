"""The messages of the WebSocket, without a connection."""

import json
from typing import Any

import pytest

from wegent_api.http.errors import BadRequest, Invalid, NotFound
from wegent_api.runs.blocks import raw_events_in
from wegent_api.websocket import messages
from wegent_api.websocket.messages import (
    MAX_MESSAGE_BYTES,
    MAX_REASON_BYTES,
    Auth,
    Create,
    Requests,
    Subscribe,
)
from wegent_crds.schema.fields import PROMPT_MAX_CHARACTERS


def test_each_message_has_its_model() -> None:
    after = {"type": "subscribe", "id": "1", "task": "t", "after": "1.8"}
    found = Requests.of(after)
    assert isinstance(found, Subscribe)
    assert (found.namespace, found.after) == ("default", "1.8")
    created = Requests.of({"type": "create", "id": "1", "object": {}, "validateRefs": False})
    assert isinstance(created, Create)
    assert not created.validate_refs


def test_a_token_is_not_shown() -> None:
    found = Requests.of({"type": "auth", "token": "secret"})
    assert isinstance(found, Auth)
    assert "secret" not in repr(found)
    with pytest.raises(Invalid) as refused:
        Requests.of({"type": "auth", "token": ["secret"]})
    assert "secret" not in json.dumps(refused.value.status)


@pytest.mark.parametrize("value", [None, 5, "auth", [], True])
def test_a_message_is_an_object(value: Any) -> None:
    with pytest.raises(BadRequest, match="must be a JSON object"):
        Requests.of(value)
    assert messages.id_of(value) is None
    assert messages.type_of(value) is None


def test_an_event_is_that_of_the_stream() -> None:
    stream = (
        b": a comment\n\n"
        b'event: run.waiting\ndata: {"type":"run.waiting"}\n\n'
        b'event: x\nid: 1.8\ndata: {"delta":"a: b \xc3\xa9"}\n\n'
    )
    waiting, delta = (messages.event(b'"s \\"1\\""', it) for it in raw_events_in(stream))
    assert json.loads(waiting) == {
        "type": "event",
        "id": 's "1"',
        "event": {"type": "run.waiting"},
    }
    assert json.loads(delta)["eventId"] == "1.8"
    assert json.loads(delta)["event"] == {"delta": "a: b é"}


def test_an_error_names_its_message() -> None:
    problem = NotFound("no such Task")
    assert json.loads(messages.error(problem, "1"))["id"] == "1"
    alone = json.loads(messages.error(problem))
    assert "id" not in alone
    assert alone["status"]["code"] == 404


def test_a_reason_fits_into_a_close_frame() -> None:
    assert messages.reason_of("short") == "short"
    long = messages.reason_of("é" * 200)
    assert long == "é" * (MAX_REASON_BYTES // 2)


def test_each_valid_prompt_fits_into_a_message() -> None:
    spec = {"prompt": "😀" * PROMPT_MAX_CHARACTERS, "title": "😀" * 256}
    body = {"type": "create", "id": "x" * 64, "namespace": "n" * 63, "object": {"spec": spec}}
    assert len(json.dumps(body)) < MAX_MESSAGE_BYTES
