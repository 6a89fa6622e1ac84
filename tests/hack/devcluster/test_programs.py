"""pytest gets Kubernetes' programs before the first test, outside of all time limits."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from devcluster.binaries import CONTROL_PLANE
from tests.support.programs import TESTS, programs_for


def test_what_tests_need_follows_from_their_fixtures_and_folders(
    request: pytest.FixtureRequest,
) -> None:
    assert programs_for([]) == []
    assert programs_for([request.node]) == list(CONTROL_PLANE)


def test_programs_that_may_be_missing_come_last(request: pytest.FixtureRequest) -> None:
    """A failure to build one of them ends the getting, and the others are there by then."""
    asking = SimpleNamespace(fixturenames=["health_programs"], path=TESTS / "gitops" / "test_x.py")
    wanted = programs_for([cast("pytest.Item", asking), request.node])
    assert wanted == [*CONTROL_PLANE, "kstatus", "luahealth"]


@pytest.mark.parametrize("workers", ["0", "2"])
def test_programs_are_got_before_the_first_test(tmp_path: Path, workers: str) -> None:
    nobody = "http://127.0.0.1:9"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            f"--numprocesses={workers}",
            str(TESTS / "hack" / "devcluster" / "test_ports.py"),
            "--timeout=30",
        ],
        cwd=TESTS.parent,
        env=os.environ
        | {
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
            "KUBEBUILDER_ASSETS": "",
            "PATH": str(tmp_path),
            "https_proxy": nobody,
            "HTTPS_PROXY": nobody,
            "no_proxy": "",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout
    before, told, after = done.stdout.partition(" is not available for ")
    assert told, done.stdout
    assert "passed" not in before
    assert " passed" in after
