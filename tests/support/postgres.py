"""A throwaway PostgreSQL server, on loopback, for the tests of the runner's store."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from devcluster.ports import free_ports

USER = "wegent"
START_WITHIN_S = 60.0
UNPRIVILEGED = ("postgres", "nobody")
"""Users to run the server as, in place of root, which it refuses."""


def programs() -> Path | None:
    """Return the folder of PostgreSQL's programs, or None."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    found_here = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found_here[-1].parent if found_here else None


class Postgres:
    """One server with its data in a folder."""

    def __init__(self, bin_: Path, folder: Path) -> None:
        self._bin = bin_
        self._data = folder / "data"
        self._log = folder / "log"
        self._password = secrets.token_hex(8)
        self._as = _prefix()
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_ports(1)[0]
        folder.chmod(0o755)
        self._data.mkdir(mode=0o700)
        password = folder / "password"
        password.write_text(self._password)
        if self._as:
            user = pwd.getpwnam(_unprivileged())
            os.chown(self._data, user.pw_uid, user.pw_gid)
            os.chown(password, user.pw_uid, user.pw_gid)
        self._run(
            "initdb",
            f"--pgdata={self._data}",
            f"--username={USER}",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        )

    def url(self, database: str = "postgres", port: int | None = None) -> str:
        """Return the URL of a database, at another port if a relay stands before the server."""
        return f"postgresql://{USER}:{self._password}@127.0.0.1:{port or self.port}/{database}"

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        options = (
            f"-cport={self.port}",
            "-clisten_addresses=127.0.0.1",
            "-cunix_socket_directories=",
            "-cfsync=off",
            "-cmax_connections=200",
        )
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._as, str(self._bin / "postgres"), f"-D{self._data}", *options],
                stdout=log,
                stderr=log,
                cwd=self._data.parent,
            )
        deadline = time.monotonic() + START_WITHIN_S
        ready = [str(self._bin / "pg_isready"), "--quiet", "--host=127.0.0.1", f"-p{self.port}"]
        while subprocess.run(ready, check=False).returncode:
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop the server at once; open connections are cut."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(START_WITHIN_S)
            self._process = None

    def sql(self, statement: str) -> str:
        """Run one statement, and return the rows."""
        done = subprocess.run(
            [str(self._bin / "psql"), "-XAtq", self.url(), "-c", statement],
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [*self._as, str(self._bin / program), *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd=self._data.parent,
        )
        assert done.returncode == 0, done.stderr


def _unprivileged() -> str:
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in UNPRIVILEGED if name in known)


def _prefix() -> Sequence[str]:
    """Return the command that leaves root's rights."""
    if os.geteuid() != 0:
        return ()
    user = pwd.getpwnam(_unprivileged())
    return ("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")


@contextmanager
def postgres_server(folder: Path) -> Iterator[Postgres]:
    """Run a server. The test is skipped where PostgreSQL isn't installed."""
    if (bin_ := programs()) is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    server = Postgres(bin_, folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
