"""``wegent import`` as a program."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.api.users import User
from tests.importing.other_wegent import TOKEN, other
from tests.importing.shapes import SECRETS, model, shell, whole_set

__all__ = ["other"]
PROGRAM = Path(sys.executable).with_name("wegent")


def wegent(*arguments: str, home: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run the program with an empty home and these variables."""
    known = {key: it for key, it in os.environ.items() if not key.startswith("WEGENT_")}
    env = {**known, "HOME": str(home), "XDG_CONFIG_HOME": str(home), **variables}
    return subprocess.run(
        [PROGRAM, "import", *arguments],
        env=env,
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "wegent.yaml"
    path.write_text(yaml.safe_dump_all(whole_set()), encoding="utf-8")
    return path


def test_without_a_login(file: Path, tmp_path: Path) -> None:
    ended = wegent(str(file), "--tasks", "pending", home=tmp_path)
    assert ended.returncode == 1  # the Workspace has no counterpart
    assert len(list(yaml.safe_load_all(ended.stdout))) == 7
    assert "skipped " in ended.stderr
    for secret in SECRETS:
        assert secret not in ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], 2),
        (["none.yaml"], 2),
        (["FILE", "--secrets", "apply"], 2),
        (["FILE", "--tasks", "all"], 2),
        (["FILE", "-o", "yaml"], 2),
        (["--from", "http://127.0.0.1:9"], 7),
        (["--from", "http://127.0.0.1:9", "--token", "\u00e9"], 3),
        (["FILE", "--apply"], 3),
    ],
)
def test_errors_are_one_line_and_a_remedy(
    file: Path, tmp_path: Path, arguments: list[str], code: int
) -> None:
    named = [str(file) if it == "FILE" else it for it in arguments]
    ended = wegent(*named, home=tmp_path)
    assert ended.returncode == code, ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""
    assert "unexpected" not in ended.stderr
    assert "\u00e9" not in ended.stderr


def test_a_running_wegent(other: str, tmp_path: Path) -> None:
    ended = wegent("--from", other, "--token", TOKEN, home=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert len(list(yaml.safe_load_all(ended.stdout))) == 4
    ended = wegent("--from", other, WEGENT_IMPORT_TOKEN="wrong", home=tmp_path)
    assert ended.returncode == 3
    assert "WEGENT_IMPORT_TOKEN" in ended.stderr


def test_apply_with_a_token(user: User, proxy_url: str, tmp_path: Path) -> None:
    path = tmp_path / "two.yaml"
    path.write_text(yaml.safe_dump_all([shell("Chat"), model("cli_model")]))
    options = ("--apply", "--map-namespace", f"default={user.home}")
    variables = {"WEGENT_URL": proxy_url, "WEGENT_TOKEN": str(user.client.token)}
    ended = wegent(str(path), *options, home=tmp_path, **variables)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == [
        f"model/cli-model in {user.home} created",
        f"shell/chat in {user.home} created",
        f"secret/cli-model-key in {user.home} stored",
    ]
