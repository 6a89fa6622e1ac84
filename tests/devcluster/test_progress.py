import io

import pytest

from devcluster import progress
from devcluster.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_terminal_line_is_redrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "TERMINAL_INTERVAL_S", 0)
    screen = Terminal()
    with Progress("downloading kubectl", screen) as step:
        step.update("1.0 of 2.0 MB (50%)")
    assert screen.getvalue() == (
        "\rdownloading kubectl ...\x1b[K"
        "\rdownloading kubectl: 1.0 of 2.0 MB (50%)\x1b[K"
        "\rdownloading kubectl: done after 0 s\x1b[K\n"
    )


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
