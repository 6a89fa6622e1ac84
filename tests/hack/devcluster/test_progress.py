import io
import re

import pytest

from devcluster import progress
from devcluster.progress import Progress
from tests.support.waiting import eventually


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


async def test_terminal_line_is_redrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "TERMINAL_INTERVAL_S", 0.01)
    screen = Terminal()
    redrawn = "\rdownloading kubectl: 1.0 of 2.0 MB (50%), 0 s\x1b[K"
    with Progress("downloading kubectl", screen) as step:
        step.update("1.0 of 2.0 MB (50%)")
        await eventually(lambda: redrawn in screen.getvalue(), within_s=10, what="a redrawn line")
    assert screen.getvalue().startswith("\rdownloading kubectl ...\x1b[K\r")
    assert re.search(r"\rdownloading kubectl: done after \d+ s\x1b\[K\n$", screen.getvalue())


async def test_a_step_that_reports_nothing_is_not_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LOG_INTERVAL_S", 0.01)
    log = io.StringIO()
    with Progress("unpacking", log):
        await eventually(
            lambda: re.search(r"^unpacking: \d+ s$", log.getvalue(), re.MULTILINE) is not None,
            within_s=10,
            what="a line with the time that has passed",
        )


def test_a_log_gets_a_line_every_few_seconds() -> None:
    assert progress.LOG_INTERVAL_S <= 5


def test_log_gets_whole_lines_and_few_of_them() -> None:
    log = io.StringIO()
    with Progress("building etcd", log) as step:
        for second in range(5):
            step.update(f"{second} s")
    assert log.getvalue() == "building etcd ...\nbuilding etcd: done after 0 s\n"


def test_failed_step_is_not_called_done() -> None:
    log = io.StringIO()
    with pytest.raises(ValueError, match="cut"), Progress("downloading etcd", log):
        raise ValueError("cut")
    assert log.getvalue().endswith("downloading etcd: stopped after 0 s\n")
