"""``--help``, ``--version`` and wrong arguments start nothing."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import codegen.__main__
import codegen.published
import devcluster.cli
import devcluster.node.__main__
import devstack.cli
import imagebuild.__main__
import prose.__main__
import tests.benchmarks.__main__
import wegent_api.__main__
import wegent_api.accounts.first_admin
import wegent_operator.__main__
import wegent_runner.__main__
from devcluster.checkout import CHECKOUT
from wegent_api.settings import Settings as ApiSettings
from wegent_operator.settings import Settings as OperatorSettings
from wegent_runner.settings import Settings as RunnerSettings

Main = Callable[[list[str]], Any]

SERVERS: dict[str, Main] = {
    "wegent-api": wegent_api.__main__.main,
    "wegent-operator": wegent_operator.__main__.main,
    "wegent-runner": wegent_runner.__main__.main,
    "python -m wegent_api.accounts.first_admin": wegent_api.accounts.first_admin.main,
}
PROGRAMS: dict[str, Main] = {
    **SERVERS,
    "python -m codegen": codegen.__main__.main,
    "python -m codegen.published": codegen.published.main,
    "python -m devcluster": devcluster.cli.main,
    "python -m devcluster.node": devcluster.node.__main__.main,
    "python -m devstack": devstack.cli.main,
    "python -m imagebuild": imagebuild.__main__.main,
    "python -m prose": prose.__main__.main,
    "python -m tests.benchmarks": tests.benchmarks.__main__.main,
}
each = pytest.mark.parametrize("program", PROGRAMS)


def exit_of(main: Main, *arguments: str) -> object:
    """Return the exit code, which argparse raises and click's programs return."""
    try:
        return main([*arguments])
    except SystemExit as ended:
        return ended.code


@each
def test_help(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    for option in ("--help", "-h"):
        assert exit_of(PROGRAMS[program], option) == 0
        assert capsys.readouterr().out.lower().startswith(f"usage: {program} ")


@each
@pytest.mark.parametrize("argument", ["--bogus", "bogus", "--hel"])
def test_a_wrong_argument(program: str, argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_of(PROGRAMS[program], argument) == 2
    assert f"usage: {program} " in capsys.readouterr().err.lower()


@pytest.mark.parametrize("program", SERVERS)
def test_version(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_of(SERVERS[program], "--version") == 0
    assert re.fullmatch(rf"{re.escape(program)} \d\S*\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("program", "prefix", "settings"),
    [
        ("wegent-api", "WEGENT_API_", ApiSettings),
        ("wegent-operator", "WEGENT_OPERATOR_", OperatorSettings),
        ("wegent-runner", "WEGENT_RUNNER_", RunnerSettings),
    ],
)
def test_help_lists_each_setting_with_its_default(
    program: str, prefix: str, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    exit_of(SERVERS[program], "--help")
    said = capsys.readouterr().out
    assert "  KUBECONFIG\n" in said
    for name, field in settings.model_fields.items():
        entry = said.partition(f"  {prefix}{name.upper()}\n")[2].partition("\n  W")[0]
        assert entry.startswith("      "), name
        if isinstance(field.default, int | float) and not isinstance(field.default, bool):
            assert f"(default: {field.default})" in " ".join(entry.split()), name


def test_every_program_is_among_them() -> None:
    folders = ("hack", "operator", "api_proxy", "runner", "tests/benchmarks")
    found = {
        path.relative_to(CHECKOUT)
        for folder in folders
        for path in (CHECKOUT / folder).rglob("*.py")
        if "argument_parser(" in (text := path.read_text(encoding="utf-8"))
        or "ArgumentParser(" in text
        or path.name == "__main__.py"
        or '__name__ == "__main__"' in text
    }
    # Only the benchmarks start these.
    found -= {Path(f"tests/benchmarks/{name}.py") for name in ("token_provider", "token_reader")}
    speed = Path("tests/benchmarks/proxy_speed")
    found -= {speed / "load.py", speed / "pass_through.py"}
    # The runner alone starts this one, by its path: it becomes a stdio server.
    found -= {Path("runner/wegent_runner/agents/mcp/stdio_child.py")}
    known = {
        Path(str(main.__code__.co_filename)).relative_to(CHECKOUT) for main in PROGRAMS.values()
    }
    entry = {path for path in found if path.parent / "cli.py" in known}
    assert found - entry == known - {path for path in known if path.name == "cli.py"}
