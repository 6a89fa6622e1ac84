"""The commands behind `make up` and similar targets, as a user runs them."""

import os
import re
import subprocess
import sys
from pathlib import Path

from devcluster.ports import free_ports
from devstack.stack import Stack

COMMAND_WITHIN_S = 240
NOT_PASSED_ON = re.compile(r"^(KUBECONFIG|CLUSTER|WEGENT_.*)$")


class Commands:
    """``python -m devstack`` with its own state directory.

    The first ``up`` gets its own ports; later commands must find them by themselves.

    Args:
        directory: the state directory.
        demo_model: True for a stack with the demo model.
    """

    def __init__(self, directory: Path, *, demo_model: bool = False) -> None:
        self.directory = directory
        operator, self.api_port, runner, model = free_ports(4)
        self.ports = {
            "WEGENT_OPERATOR_LISTEN_PORT": str(operator),
            "WEGENT_API_PORT": str(self.api_port),
            "WEGENT_RUNNER_LISTEN_PORT": str(runner),
            "WEGENT_DEMO_MODEL_PORT": str(model),
            "WEGENT_DEMO_MODEL_ENABLED": str(demo_model),
        }
        self._env = {
            name: value for name, value in os.environ.items() if not NOT_PASSED_ON.match(name)
        }

    def run(
        self, command: str, *arguments: str, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        first = not (self.directory / "stack" / "settings.json").exists()
        return subprocess.run(
            [sys.executable, "-m", "devstack", f"--state={self.directory}", command, *arguments],
            env=self._env | (self.ports if first else {}) | environment,
            capture_output=True,
            encoding="utf-8",
            timeout=COMMAND_WITHIN_S,
            check=False,
        )

    def ok(self, command: str, *arguments: str, **environment: str) -> str:
        done = self.run(command, *arguments, **environment)
        assert done.returncode == 0, f"{command}: {done.stdout} {done.stderr}"
        return done.stdout

    def operator_pid(self) -> int:
        pid = Stack(self.directory).operator.daemon.pid()
        assert pid is not None
        return pid
