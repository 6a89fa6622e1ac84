"""A program of the stack and the port that it is to have."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster.ports import free_ports
from devstack.programs import Program


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    """One whose process is there, but is none of ours."""
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
    """An earlier version's, or that of a start that was cut off: `make up` stops it first."""
    program.daemon.start(["sleep", "60"])
    if record is not None:
        (tmp_path / "run" / "wegent-api.source").write_text(record, encoding="utf-8")
    assert program.port_taken() is None
