"""The command: streams, exit codes, files of secrets, and a Wegent that answers over HTTP."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.importing.other_wegent import TOKEN, other, slow
from tests.importing.shapes import SECRETS, Body, ghost, wegent, whole_set
from wegent_import.command import Request, UsageError, run
from wegent_import.remote import Remote, RemoteError, TokenRefusedError, checked

__all__ = ["other", "slow"]


def no_server() -> Any:
    raise AssertionError("only --apply needs a server")


def imported(path: Path, **options: Any) -> tuple[int, str, str]:
    """Return the exit code, the standard output and the standard error of an import."""
    out, err = io.StringIO(), io.StringIO()
    code = run(Request(paths=[str(path)], **options), {}, out, err, no_server)
    return code, out.getvalue(), err.getvalue()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "wegent.yaml"
    path.write_text(yaml.safe_dump_all(whole_set()), encoding="utf-8")
    return path


def test_objects_go_to_stdout_and_the_report_to_stderr(file: Path) -> None:
    code, out, err = imported(file)
    kinds = [it["kind"] for it in yaml.safe_load_all(out)]
    assert kinds == ["Skill", "Ghost", "Model", "Shell", "Bot", "Team"]
    assert code == 1  # the Task and the Workspace are left out
    assert "skipped  wegent.yaml[0] Task default/review-1" in err.replace(
        str(file.parent) + "/", ""
    )
    assert "no secret is kept" in err


def test_no_secret_is_in_a_stream(file: Path, tmp_path: Path) -> None:
    for options in ({}, {"secrets": "skip"}, {"secrets": f"file={tmp_path}/s.yaml"}):
        _, out, err = imported(file, tasks="pending", **options)
        for secret in SECRETS:
            assert secret not in out
            assert secret not in err


def test_secrets_go_to_a_file_of_their_own(file: Path, tmp_path: Path) -> None:
    target = tmp_path / "secrets.yaml"
    target.write_text("old")
    target.chmod(0o644)
    imported(file, secrets=f"file={target}")
    assert target.stat().st_mode & 0o777 == 0o600
    values = {it["stringData"]["key"] for it in yaml.safe_load_all(target.read_text())}
    assert values > set(SECRETS[:2])
    assert sorted(it.name for it in tmp_path.iterdir()) == ["secrets.yaml", "wegent.yaml"]


def test_the_same_again_gives_the_same(file: Path) -> None:
    assert imported(file) == imported(file)


def test_what_comes_out_goes_in_again(file: Path, tmp_path: Path) -> None:
    _, out, _ = imported(file)
    again = tmp_path / "again.yaml"
    again.write_text(out, encoding="utf-8")
    code, second, _ = imported(again)
    assert code == 0
    assert [it["spec"] for it in yaml.safe_load_all(second)] == [
        it["spec"] for it in yaml.safe_load_all(out)
    ]


@pytest.mark.parametrize(
    ("bodies", "options", "code"),
    [
        ([ghost()], {}, 0),
        ([wegent("Workspace", "w", {})], {}, 1),
        ([wegent("Shell", "s", {})], {}, 1),
        ([ghost(description="x" * 2000)], {}, 0),
        ([ghost(description="x" * 2000)], {"strict": True}, 1),
    ],
)
def test_exit_codes(tmp_path: Path, bodies: list[Body], options: Any, code: int) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(yaml.safe_dump_all(bodies))
    assert imported(path, **options)[0] == code


@pytest.mark.parametrize(
    "options",
    [
        {"secrets": "apply"},
        {"secrets": "file="},
        {"secrets": "keep"},
        {"secrets": "file=/none/secrets.yaml"},
        {"map_namespace": ["a"]},
        {"map_namespace": ["a=B_C"]},
        {"default_model": "a/b/c"},
        {"from_url": "https://x.example"},
    ],
)
def test_wrong_options_are_refused(file: Path, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        imported(file, **options)


def test_nothing_to_import_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("nothing")
    with pytest.raises(UsageError, match="no documents found"):
        imported(tmp_path)


def test_an_input_that_is_left_out_fails(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(ghost()))
    assert imported(tmp_path)[0] == 0
    (tmp_path / ".b.yaml").write_text("x")
    code, _, err = imported(tmp_path)
    assert code == 1
    assert "skipped  .b.yaml: is hidden" in err


def test_a_version_that_yaml_read_as_a_number_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(
        "apiVersion: agent.wecode.io/v1\nkind: Skill\nmetadata: {name: s}\n"
        "spec: {description: d, version: 1.10}\n"
    )
    assert "spec.version: is the number 1.1 in" in imported(path)[2]


def test_keys_of_the_environment_are_checked_first(file: Path) -> None:
    with pytest.raises(UsageError, match="GIT_TOKEN_AES_IV"):
        run(
            Request(paths=[str(file)]),
            {"GIT_TOKEN_AES_KEY": "k" * 32},
            io.StringIO(),
            io.StringIO(),
            no_server,
        )


def test_the_report_as_json(file: Path) -> None:
    _, _, err = imported(file, report_json=True)
    notes = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    assert {"document", "field", "kind", "message"} == set(notes[0])


def test_names_can_t_write_to_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(yaml.safe_dump(wegent("Device", "a\x1b[2J\nb", {})))
    _, _, err = imported(path)
    assert "\x1b" not in err
    assert len(err.splitlines()) == 2


def test_a_running_wegent(other: str) -> None:
    out, err = io.StringIO(), io.StringIO()
    environment = {"WEGENT_IMPORT_TOKEN": TOKEN}
    code = run(Request(from_url=f"{other}/api"), environment, out, err, no_server)
    found = {it["kind"]: it for it in yaml.safe_load_all(out.getvalue())}
    assert set(found) == {"Ghost", "Model", "Shell", "Skill"}
    assert found["Skill"]["spec"]["content"] == "# Draw\n"
    assert found["Shell"]["metadata"]["namespace"].startswith("default")
    assert code == 0
    assert TOKEN not in out.getvalue() + err.getvalue()


def test_a_token_that_is_refused(other: str) -> None:
    with pytest.raises(RemoteError, match="refuses the token"):
        Remote(other, "wrong").read()


@pytest.mark.parametrize("token", ["\u00e9-secret", "a\nb"])
def test_a_token_that_no_header_can_have(other: str, token: str) -> None:
    with pytest.raises(TokenRefusedError, match="characters that no token has") as caught:
        Remote(other, token)
    assert token not in str(caught.value)


def test_an_answer_that_never_ends(slow: str) -> None:
    """Each byte comes in time, and the whole answer does not."""
    with pytest.raises(RemoteError, match=r"not complete within 0\.3 seconds"):
        Remote(slow, TOKEN, answer_within_s=0.3).read()


def test_all_answers_together_have_a_limit(other: str) -> None:
    with pytest.raises(RemoteError, match="all answers together"):
        Remote(other, TOKEN, total_bytes=100).read()


def test_nobody_answers() -> None:
    with pytest.raises(RemoteError, match="can't be reached"):
        Remote("http://127.0.0.1:9", TOKEN).read()


@pytest.mark.parametrize(
    "url", ["", "x", "ftp://x", "http://wegent.example.com", "https://u:p@x", "https://x:port"]
)
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(RemoteError, match="--from"):
        checked(url)


def test_addresses() -> None:
    assert checked("https://x.example/api/v1/") == "https://x.example"
    assert checked("http://localhost:8000/wegent") == "http://localhost:8000/wegent"
