"""The runner as a separate program, under its own ServiceAccount."""

import os
import signal
import urllib.error
import urllib.request
from pathlib import Path

from devcluster.ports import free_ports
from tests.support import forked
from tests.support.starting import await_start

READY_WITHIN_S = 60.0
STOP_WITHIN_S = 30.0


class RunnerProcess:
    """``python -m wegent_runner``. It can be killed and started again, under a new name."""

    def __init__(self, kubeconfig: Path, log: Path, **settings: str) -> None:
        self.log = log
        self.port = free_ports(1)[0]
        self.env = {
            **{key: value for key, value in os.environ.items() if key != "KUBECONFIG"},
            "WEGENT_RUNNER_KUBECONFIG": str(kubeconfig),
            "WEGENT_RUNNER_LISTEN_PORT": str(self.port),
            "WEGENT_RUNNER_EGRESS_ALLOW": "127.0.0.0/8",
            **{f"WEGENT_RUNNER_{name.upper()}": value for name, value in settings.items()},
        }
        self._process: forked.Program | None = None

    def start(self) -> None:
        """Start it and wait until it is ready."""
        self._process = forked.start("wegent_runner", self.env, self.log)
        await_start(
            self._process,
            lambda: self.get("/readyz")[0] == 200,
            within_s=READY_WITHIN_S,
            said=self.tail,
            end=self.kill,
        )

    def running(self) -> bool:
        return self._process is not None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """Kill it, as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Stop it as Kubernetes does, and return its exit code."""
        return self._end(signal.SIGTERM)

    def get(self, path: str) -> tuple[int, str]:
        """Return status and body of one of its pages; status 0 if it doesn't answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def tail(self) -> str:
        return "\n".join(self.log.read_text().splitlines()[-20:]) if self.log.exists() else ""

    def _end(self, how: signal.Signals) -> int:
        assert self._process is not None
        process, self._process = self._process, None
        process.send_signal(how)
        return process.wait(STOP_WITHIN_S)
