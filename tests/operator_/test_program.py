"""The operator as a program: its messages and exit status if it can't start."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from devcluster.ports import LOOPBACK

ENDS_WITHIN_S = 60


def run(kubeconfig: Path | None, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    if kubeconfig:
        environment["KUBECONFIG"] = str(kubeconfig)
    for name, value in settings.items():
        environment[f"WEGENT_OPERATOR_{name.upper()}"] = value
    return subprocess.run(
        [sys.executable, "-m", "wegent_operator"],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=ENDS_WITHIN_S,
        check=False,
    )


def test_without_a_cluster_it_says_so() -> None:
    done = run(None)
    assert done.returncode == 2
    assert "set KUBECONFIG" in done.stderr


def test_a_wrong_setting_is_named(operator_kubeconfig: Path) -> None:
    done = run(operator_kubeconfig, writers="many")
    assert done.returncode != 0
    assert "writers" in done.stderr


def test_a_taken_port_ends_it(operator_kubeconfig: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        done = run(operator_kubeconfig, listen_port=str(taken.getsockname()[1]))
    assert done.returncode != 0
    assert "address already in use" in done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert lines
    for line in lines:  # the proxy's fields
        assert list(line)[:4] == ["time", "level", "logger", "message"], line
