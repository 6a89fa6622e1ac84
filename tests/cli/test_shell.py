"""Help, completion, the start of the command, and its installation."""

import asyncio
import json
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from devcluster.checkout import CHECKOUT
from tests.support.cli import PROGRAM, Cli

HELP_CPU_S = 0.8
"""CPU seconds of `wegent --help`: twice the aim, for a slow machine."""
HEAVY = ("httpx", "pydantic", "wegent_sdk.client", "kubernetes", "rich.console", "yaml", "asyncio")
COMMANDS = (
    *("login", "logout", "whoami", "use-context", "config", "chat", "run", "logs", "answer"),
    *("cancel", "get", "delete", "apply", "tree", "kubeconfig", "credential", "trash", "token"),
    *("key", "model", "members", "namespace", "doctor", "completion", "version"),
)


async def test_help_lists_the_commands(stranger: Cli) -> None:
    result = (await stranger.run("--help")).ok()
    for command in COMMANDS:
        assert f"\n  {command} " in result.stdout, command
    assert (await stranger.run()).exit_code == 2


@pytest.mark.parametrize("command", ["run", "chat", "login", "tree", "apply"])
async def test_help_has_examples(stranger: Cli, command: str) -> None:
    result = (await stranger.run(command, "--help")).ok()
    assert f"Examples:\n  wegent {command}" in result.stdout.replace("\n    ", "\n  ")
    assert (await stranger.run(command, "-h")).ok().stdout == result.stdout


def test_help_is_quick(stranger: Cli) -> None:
    code = "import sys, json; from wegent_cli.__main__ import main;"
    code += "sys.argv = ['wegent', '--help']; main();"
    code += f"print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=stranger.env, capture_output=True, check=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == []
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([PROGRAM, "--help"], env=stranger.env, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert used < HELP_CPU_S


async def test_usage_errors(stranger: Cli) -> None:
    for command in (("nonsense",), ("run",), ("get",), ("login", "--password-stdin", "-u", "x")):
        result = await stranger.run(*command)
        assert result.exit_code == 2, command
        assert "rror: " in result.stderr, command


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_completion(stranger: Cli, shell: str, tmp_path: Path) -> None:
    script = (await stranger.run("completion", shell)).ok().stdout
    assert "wegent" in script
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    file = tmp_path / "script"
    file.write_text(script)
    if shell != "bash":
        await run_it(shell, "-n", str(file))
        return
    ask = (
        f"source {file}; COMP_WORDS=(wegent tr); COMP_CWORD=1; _wegent_completion wegent;"
        ' echo "${COMPREPLY[*]}"'
    )
    assert set((await run_it("bash", "--norc", "-c", ask, env=stranger.env)).split()) == {
        "trash",
        "tree",
    }


async def run_it(*command: str, env: dict[str, str] | None = None) -> str:
    """Return the output of a command that must succeed."""
    process = await asyncio.create_subprocess_exec(
        *command, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err
    return out.decode()


async def test_completion_without_a_login_is_silent(stranger: Cli) -> None:
    """Neither a message nor a pause within the line of a shell."""
    asked = stranger.with_(
        COMP_WORDS="wegent get bots ", COMP_CWORD="3", _WEGENT_COMPLETE="complete_bash"
    )
    result = await asked.run()
    assert (result.stdout.strip(), result.stderr) == ("", "")


async def test_a_configuration_that_is_damaged(stranger: Cli) -> None:
    stranger.config_file.parent.mkdir(parents=True)
    for text, words in (
        ("a: [", "this is not valid YAML"),
        ("contexts: 1", "a list of contexts"),
        ("contexts:\n- name: 1", "the field name must be a string"),
        ("contexts:\n- name: a\n  colour: red", "the field colour is unknown"),
    ):
        stranger.config_file.write_text(text)
        result = await stranger.run("config", "list")
        assert result.exit_code == 2
        assert words in result.stderr
        assert str(stranger.config_file) in result.stderr


def test_the_wheel_with_its_extra_alone(tmp_path: Path) -> None:
    """The wheel, and the packages of the extra ``cli`` at the locked versions: nothing else."""
    venv, wheels = tmp_path / "venv", tmp_path / "wheels"
    uv = Path(sys.executable).with_name("uv")
    lock = (CHECKOUT / "requirements.lock").read_text()
    constraints = tmp_path / "constraints.txt"
    constraints.write_text(
        "\n".join(line.split(" \\")[0] for line in lock.splitlines() if "==" in line)
    )
    subprocess.run(
        [uv, "build", "--wheel", "--no-build-isolation", "--quiet", "-o", wheels, CHECKOUT],
        check=True,
        env={"PATH": f"{PROGRAM.parent}:/usr/bin:/bin", "HOME": str(tmp_path)},
    )
    [wheel] = wheels.glob("wegent-*.whl")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, venv], check=True)
    subprocess.run(
        [
            *(uv, "pip", "install", "--quiet", "--python", venv / "bin" / "python"),
            *("--constraint", constraints, f"{wheel}[cli]"),
        ],
        check=True,
    )
    for package in ("fastapi", "kopf", "prometheus_client", "sqlalchemy"):
        assert not list((venv / "lib").glob(f"python*/site-packages/{package}"))
    home = tmp_path / "home"
    home.mkdir()
    for program in ("wegent", "kubectl-wegent"):
        done = subprocess.run(
            [venv / "bin" / program, "version"],
            capture_output=True,
            text=True,
            env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("wegent ")
    done = subprocess.run(
        [venv / "bin" / "wegent", "get", "bots"],
        capture_output=True,
        text=True,
        env={"HOME": str(home), "PATH": "/usr/bin:/bin", "WEGENT_URL": "http://127.0.0.1:1"},
        check=False,
    )
    assert done.returncode == 3, done.stderr
    done = subprocess.run(
        [venv / "bin" / "wegent", "get", "bots"],
        capture_output=True,
        text=True,
        env={
            "HOME": str(home),
            "PATH": "/usr/bin:/bin",
            "WEGENT_URL": "http://127.0.0.1:1",
            "WEGENT_TOKEN": "t",
        },
        check=False,
    )
    assert done.returncode == 7, done.stderr
