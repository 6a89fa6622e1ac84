"""The operator as its own program, under its own ServiceAccount."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from devcluster.ports import free_ports

READY_WITHIN_S = 60.0
STOP_WITHIN_S = 20.0


class OperatorProcess:
    """``python -m wegent_operator``; may be killed and started again."""

    def __init__(
        self,
        kubeconfig: Path,
        log: Path,
        *,
        command: tuple[str, ...] = ("-m", "wegent_operator"),
        **settings: str,
    ) -> None:
        self.port = free_ports(1)[0]
        self.log = log
        self._command = (sys.executable, *command)
        self._env = {
            **os.environ,
            "KUBECONFIG": str(kubeconfig),
            "WEGENT_OPERATOR_LISTEN_PORT": str(self.port),
            **{f"WEGENT_OPERATOR_{name.upper()}": value for name, value in settings.items()},
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it judges."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._env, stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + READY_WITHIN_S
        while self.get("/readyz")[0] != 200:
            assert self._process.poll() is None, f"it died: {self.tail()}"
            assert time.monotonic() < deadline, f"not ready in time: {self.tail()}"
            time.sleep(0.05)

    def running(self) -> bool:
        """Tell whether it has been started and not ended by us."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process is not None
        return self._process.pid

    def stop(self) -> int:
        """End it as Kubernetes would, and return its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def get(self, path: str) -> tuple[int, str]:
        """Return the status and body of one of its own pages; status 0 if it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def tail(self) -> str:
        """Return the end of its log."""
        return "\n".join(self.log.read_text().splitlines()[-20:])

    def _end(self, how: signal.Signals) -> int:
        assert self._process is not None
        process, self._process = self._process, None
        process.send_signal(how)
        try:
            return process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
