"""Background servers are found again, never confused with other processes, and always ended."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from devcluster import processes
from devcluster.errors import ProgramFailed
from devcluster.processes import Daemon, wait_ready
from tests.support.waiting import eventually

STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True)\n"
needs_setpriv = pytest.mark.skipif(
    shutil.which("setpriv") is None, reason="without util-linux, servers outlive a killed parent"
)
LOOP = "\nwhile True: time.sleep(60)"


def daemon(directory: Path, *, die_with_parent: bool = False) -> Daemon:
    return Daemon("server", directory, die_with_parent=die_with_parent)


def started(directory: Path, *argv: str) -> Daemon:
    server = daemon(directory)
    server.start(argv)
    return server


def test_later_command_finds_and_stops_it(tmp_path: Path) -> None:
    first = started(tmp_path, "sleep", "60")
    later = daemon(tmp_path)
    assert later.pid() == first.pid() is not None
    later.stop(deadline_s=5)
    assert not later.running()
    assert not first.running()
    later.stop(deadline_s=5)  # a second time is fine
    first.stop(deadline_s=0)


def test_second_start_leaves_it_alone(tmp_path: Path) -> None:
    server = started(tmp_path, "sleep", "60")
    before = server.pid()
    daemon(tmp_path).start(["sleep", "60"])
    assert daemon(tmp_path).pid() == before
    server.stop(deadline_s=5)


def test_stale_pid_never_leads_to_somebody_else(tmp_path: Path) -> None:
    server = started(tmp_path, "sleep", "60")
    pid_file = tmp_path / "run" / "server.pid"
    server.signal(signal.SIGKILL, within_s=5)  # a crash, after which its pid is used again
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        pid_file.write_text(str(bystander.pid), encoding="ascii")
        later = daemon(tmp_path)
        assert not later.running()
        later.signal(signal.SIGKILL)
        later.stop(deadline_s=0)
        assert bystander.poll() is None
        assert not pid_file.exists()
    finally:
        bystander.kill()
        bystander.wait()
        server.stop(deadline_s=0)


def test_pid_file_is_looked_at_again_before_a_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        pids = iter([bystander.pid, None])  # it ends, and its pid is used again
        monkeypatch.setattr(Daemon, "pid", lambda _: next(pids))
        assert daemon(tmp_path).signal(signal.SIGKILL, within_s=1)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_copied_pid_file_leads_to_nothing(tmp_path: Path) -> None:
    server = started(tmp_path / "original", "sleep", "60")
    shutil.copytree(tmp_path / "original", tmp_path / "copy")
    copy = daemon(tmp_path / "copy")
    assert copy.recorded()
    assert not copy.running()
    copy.stop(deadline_s=0)
    assert server.running()
    server.stop(deadline_s=5)


def test_moved_server_is_found(tmp_path: Path) -> None:
    server = started(tmp_path / "original", "sleep", "60")
    moved = daemon((tmp_path / "original").rename(tmp_path / "moved"))
    assert moved.pid() == server.pid() is not None
    moved.stop(deadline_s=5)
    assert not server.running()
    server.stop(deadline_s=0)


def test_server_of_another_container_is_left_alone(tmp_path: Path) -> None:
    server = started(tmp_path, "sleep", "60")
    pid_file = tmp_path / "run" / "server.pid"
    ours = pid_file.read_text("ascii")
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        # A lock is seen across PID namespaces, and the pid means another process there.
        pid_file.write_text(f"{bystander.pid} 1", encoding="ascii")
        later = daemon(tmp_path)
        with pytest.raises(ProgramFailed, match="server runs in another container"):
            later.start(["true"])
        with pytest.raises(ProgramFailed, match="server runs in another container"):
            later.stop(0)
        assert bystander.poll() is None
        assert pid_file.exists()
    finally:
        bystander.kill()
        bystander.wait()
        server.stop(deadline_s=5)
    assert ours.split() == [ours.split()[0], str(Path("/proc/self/ns/pid").stat().st_ino)]


def test_server_whose_starter_was_killed_before_it_wrote_the_pid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "SETTLE_S", 0.1)
    server = started(tmp_path, "sleep", "60")
    (tmp_path / "run" / "server.pid").write_text("", encoding="ascii")
    later = daemon(tmp_path)
    assert later.pid() == server.pid() is not None
    later.stop(deadline_s=5)
    assert not server.running()
    server.stop(deadline_s=0)


def test_lock_without_a_pid_and_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "SETTLE_S", 0.1)
    pid_file = tmp_path / "run" / "server.pid"
    pid_file.parent.mkdir()
    with pid_file.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(ProgramFailed, match="server runs in another container"):
            daemon(tmp_path).stop(0)
    assert pid_file.exists()


def test_start_while_another_command_looks(tmp_path: Path) -> None:
    pid_file = tmp_path / "run" / "server.pid"
    pid_file.parent.mkdir()
    with pid_file.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH)  # as `pid` does
        unlock = threading.Timer(0.3, fcntl.flock, (file, fcntl.LOCK_UN))
        unlock.start()
        server = started(tmp_path, "sleep", "60")
        unlock.join()
    assert daemon(tmp_path).pid() == server.pid() is not None
    server.stop(deadline_s=5)


def test_server_of_an_earlier_version_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "server.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ProgramFailed, match="run `make down` of that version"):
        daemon(tmp_path).start(["true"])
    with pytest.raises(ProgramFailed, match="run `make down` of that version"):
        daemon(tmp_path).stop(0)


@pytest.mark.parametrize("told", [True, False])
async def test_server_has_the_directory_and_the_umask_that_it_is_told(
    tmp_path: Path, *, told: bool
) -> None:
    server, own = daemon(tmp_path), os.umask(0o022)
    os.umask(own)
    server.start(
        ["sh", "-c", "pwd; umask; exec sleep 60"],
        cwd=tmp_path if told else None,
        umask=0o077 if told else -1,
    )
    expected = f"{tmp_path}\n0077\n" if told else f"{Path.cwd()}\n{own:04o}\n"
    await eventually(
        lambda: server.log.read_text("utf-8") == expected, within_s=10, what="its first words"
    )
    server.stop(deadline_s=5)


@pytest.mark.parametrize("content", ["", "{", "1", "99999999"])
def test_pid_file_without_a_lock_means_that_nothing_runs(tmp_path: Path, content: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "server.pid").write_text(content, encoding="ascii")
    assert not daemon(tmp_path).running()


def test_zombie_does_not_run(tmp_path: Path) -> None:
    server = started(tmp_path, "true")
    later = daemon(tmp_path)
    deadline = time.monotonic() + 10
    while later.running():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    server.stop(deadline_s=0)


async def test_deaf_server_is_killed_after_its_deadline(tmp_path: Path) -> None:
    server = started(tmp_path, sys.executable, "-c", STUBBORN + LOOP)
    await eventually(lambda: "up" in server.log.read_text("utf-8"), within_s=10, what="its log")
    begun = time.monotonic()
    server.stop(deadline_s=0.3)
    assert 0.3 <= time.monotonic() - begun < 5
    assert not server.running()


def test_paused_server_is_stopped(tmp_path: Path) -> None:
    server = started(tmp_path, "sleep", "60")
    server.signal(signal.SIGSTOP)
    begun = time.monotonic()
    server.stop(deadline_s=20)
    assert time.monotonic() - begun < 10


def test_program_that_can_not_be_run(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF of another machine")
    program.chmod(0o755)
    with pytest.raises(ProgramFailed, match=r"server can't be run: .*Exec format error"):
        started(tmp_path, str(program))


def test_server_that_ends_by_itself_shows_its_last_words(tmp_path: Path) -> None:
    script = "seq 1000; echo unknown flag: --no-such >&2; exit 3"
    server = started(tmp_path, "sh", "-c", script)
    with pytest.raises(ProgramFailed) as caught:
        wait_ready(server, lambda: "no answer", within_s=10)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"server ended by itself; the end of {tmp_path}/logs/server.log:"
    assert lines[-2:] == ["    1000", "    unknown flag: --no-such"]
    assert len(lines) == 16
    server.stop(deadline_s=5)


def test_server_that_is_never_ready(tmp_path: Path) -> None:
    server = started(tmp_path, "sleep", "60")
    with pytest.raises(ProgramFailed, match=r"not ready after 0 s \(503: etcd\)(?s:.*)it is empty"):
        wait_ready(server, lambda: "503: etcd", within_s=0.2)
    server.stop(deadline_s=5)


def test_answer_of_another_server_does_not_count(tmp_path: Path) -> None:
    server = started(tmp_path, "false")
    while server.running():
        time.sleep(0.01)
    with pytest.raises(ProgramFailed, match="server ended by itself"):
        wait_ready(server, lambda: None, within_s=10)
    server.stop(deadline_s=0)


def test_wait_ends_with_the_server_that_is_needed(tmp_path: Path) -> None:
    needed = started(tmp_path / "needed", "false")
    server = started(tmp_path / "server", "sleep", "60")
    with pytest.raises(ProgramFailed, match=r"ended by itself; the end of .*/needed/"):
        wait_ready(server, lambda: "waiting", within_s=10, needs=(needed,))
    server.stop(deadline_s=5)


def test_log_of_the_start_before_is_kept(tmp_path: Path) -> None:
    for words in ("first", "second"):
        server = started(tmp_path, "echo", words)
        with pytest.raises(ProgramFailed, match=f"(?s)    {words}$"):
            wait_ready(server, lambda: "no answer", within_s=10)
        server.stop(deadline_s=5)
    logs = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "logs").iterdir()}
    assert logs == {"server.previous.log": "first\n", "server.log": "second\n"}


PARENT = """
import sys, time
from pathlib import Path
from devcluster.processes import Daemon
directory, die = Path(sys.argv[1]), sys.argv[2] == "True"
Daemon("server", directory, die_with_parent=die).start(["sleep", "60"])
print("started", flush=True)
time.sleep(60)
"""


def parent_of(directory: Path, *, die_with_parent: bool) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", PARENT, str(directory), str(die_with_parent)],
        stdout=subprocess.PIPE,
    )


@needs_setpriv
@pytest.mark.parametrize("die_with_parent", [True, False])
async def test_what_a_killed_parent_leaves(tmp_path: Path, *, die_with_parent: bool) -> None:
    server = daemon(tmp_path)
    with parent_of(tmp_path, die_with_parent=die_with_parent) as parent:
        assert parent.stdout
        assert parent.stdout.readline() == b"started\n"
        await eventually(server.running, within_s=10, what="its pid file")
        name = Path(f"/proc/{server.pid()}/comm")
        await eventually(lambda: name.read_text() == "sleep\n", within_s=10, what="its program")
        parent.kill()
    if die_with_parent:
        await eventually(lambda: not server.running(), within_s=10, what="the server's end")
    else:
        assert server.running()
    server.stop(deadline_s=5)
