"""Log lines are JSON objects with the same fields in all programs."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from wegent_api.server.logs import add_request_id, request_id
from wegent_kube.logs import configure_logging, json_formatter


def line(message: str = "hello", level: int = logging.INFO, **extra: Any) -> dict[str, Any]:
    record = logging.makeLogRecord(
        {"name": "wegent.test", "levelno": level, "levelname": logging.getLevelName(level)}
        | {"msg": message, **extra}
    )
    assert add_request_id(record)
    text = json_formatter().format(record)
    assert "\n" not in text
    entry: dict[str, Any] = json.loads(text)
    return entry


def test_a_line_begins_with_its_time_and_has_the_fields_of_extra() -> None:
    entry = line("done %s", args=("now",), created=1_700_000_000.25, status=404, route=None)
    assert list(entry) == ["time", "level", "logger", "message", "status", "route"]
    assert datetime.fromisoformat(entry.pop("time")) == datetime.fromtimestamp(
        1_700_000_000.25, UTC
    )
    assert entry == {
        "level": "INFO",
        "logger": "wegent.test",
        "message": "done now",
        "status": 404,
        "route": None,
    }


def test_a_line_within_a_request_has_its_id() -> None:
    assert "requestId" not in line()
    token = request_id.set("r-1")
    try:
        assert line()["requestId"] == "r-1"
    finally:
        request_id.reset(token)


def test_an_exception_is_one_field() -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        _ = 1 / 0
    entry = line(level=logging.ERROR, exc_info=(raised.type, raised.value, raised.tb))
    assert entry["level"] == "ERROR"
    assert entry["exception"].startswith("Traceback")
    assert entry["exception"].endswith("ZeroDivisionError: division by zero")
    assert "exc_info" not in entry


@pytest.mark.parametrize(
    "value",
    [object(), "\ud800", b"\xff", ValueError("x")],
    ids=["object", "surrogate", "bytes", "error"],
)
def test_a_value_that_json_lacks_does_not_lose_the_line(value: object) -> None:
    entry = line(what=value)
    assert entry["what"] or entry["what"] == ""
    assert entry["message"] == "hello"


def test_characters_beyond_ascii_are_escaped() -> None:
    """A terminal obeys some of them, and some end a line."""
    record = logging.makeLogRecord({"msg": "\u009b2J \u2028 é"})
    text = json_formatter().format(record)
    assert text.isascii()
    assert json.loads(text)["message"] == "\u009b2J \u2028 é"


def test_the_field_for_uvicorn_alone_is_left_out() -> None:
    assert set(line(color_message="x")) == {"time", "level", "logger", "message"}


def test_lines_below_the_level_are_left_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    before = root.level
    try:
        configure_logging("WARNING", add_request_id)
        logging.getLogger("wegent.test").info("not this one")
        logging.getLogger("wegent.test").warning("this one")
    finally:
        root.setLevel(before)
    [written] = capsys.readouterr().err.splitlines()
    assert json.loads(written)["message"] == "this one"
