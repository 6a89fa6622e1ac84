"""A program of the stack, or its demo model, and the intended port."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster.ports import free_ports
from devstack.demo_model import DemoModel
from devstack.programs import Program


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    """A program whose process, if one is started, isn't Wegent's."""
    made = Program(
        "wegent-api", "wegent_api", ("127.0.0.1", free_ports(1)[0]), "WEGENT_API_PORT", tmp_path
    )
    yield made
    made.stop()


@pytest.fixture
def listening(program: Program) -> Iterator[None]:
    host, port = program.url.removeprefix("http://").split(":")
    with socket.create_server((host, int(port))):
        yield


@pytest.mark.usefixtures("listening")
def test_a_port_of_another_program_is_taken(program: Program) -> None:
    assert "is taken by another program" in (program.port_taken() or "")


@pytest.mark.usefixtures("listening")
@pytest.mark.parametrize("record", [None, "0123456789abcdef", "{"])
def test_a_program_of_ours_without_a_readable_record_is_no_stranger(
    program: Program, tmp_path: Path, record: str | None
) -> None:
    """`make up` first stops a program of an earlier version or of a start that was cut off."""
    program.daemon.start(["sleep", "60"])
    if record is not None:
        (tmp_path / "run" / "wegent-api.source").write_text(record, encoding="utf-8")
    assert program.port_taken() is None


@pytest.mark.parametrize("code", ["", "of-an-earlier-version"])
def test_a_demo_model_of_ours_is_no_stranger(tmp_path: Path, code: str) -> None:
    port, other = free_ports(2)
    model = DemoModel(("127.0.0.1", port), tmp_path)
    with socket.create_server(("127.0.0.1", port)), socket.create_server(("127.0.0.1", other)):
        assert "another program" in (model.port_taken() or "")
        model.daemon.start(["sleep", "60"])
        try:
            (tmp_path / "run" / "demo-model.source").write_text(code and f"{port} {code}")
            assert model.port_taken() is None
            elsewhere = DemoModel(("127.0.0.1", other), tmp_path)
            assert (elsewhere.port_taken() is None) is (code == "")
        finally:
            model.stop()
