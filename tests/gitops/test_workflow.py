"""The workflow that publishes: it has no more rights than it needs, and runs pinned actions."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from devcluster.checkout import CHECKOUT
from imagebuild.images import IMAGES
from tests.support.commands import run

WORKFLOWS = sorted((CHECKOUT / ".github" / "workflows").glob("*.yml"))
RELEASE = CHECKOUT / ".github" / "workflows" / "release.yml"
# YAML 1.1 reads the key `on` as true.
READ: dict[Any, Any] = yaml.safe_load(RELEASE.read_text(encoding="utf-8"))
JOBS: dict[str, dict[str, Any]] = READ["jobs"]
PINNED = re.compile(r"^\s*(?:- )?uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
WRITES: Final = {
    "check": set(),
    "build": set(),
    "images": {"packages", "id-token", "attestations"},
    "chart": {"packages", "id-token", "attestations"},
    "python": {"id-token"},
    "release": {"contents", "id-token", "attestations"},
}
"""The rights to write of each job. A new one is a decision."""


def steps(job: str) -> Iterator[dict[str, Any]]:
    yield from JOBS[job]["steps"]


def script(job: str) -> str:
    return "\n".join(it["run"] for it in steps(job) if "run" in it)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda it: it.name)
def test_actionlint_finds_nothing(path: Path, actionlint: Path) -> None:
    # Without shellcheck and pyflakes, which a machine may have or not.
    options = ("-shellcheck=", "-pyflakes=", "-no-color")
    run(actionlint, options, [path], stdin="", timeout_s=30, env={}).ok()


def test_actionlint_would_find_a_misspelt_right(actionlint: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yml"
    text = RELEASE.read_text(encoding="utf-8")
    wrong.write_text(text.replace("packages: write", "packages: all"), encoding="utf-8")
    done = run(actionlint, ("-shellcheck=", "-pyflakes="), [wrong], stdin="", timeout_s=30, env={})
    assert "packages" in done.stdout
    assert done.exit_code


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda it: it.name)
def test_each_action_is_pinned_by_its_commit(path: Path) -> None:
    lines = [it for it in path.read_text("utf-8").splitlines() if re.search(r"\buses:", it)]
    assert lines
    assert [it for it in lines if not PINNED.match(it)] == []


def test_an_action_has_one_version() -> None:
    pinned = re.findall(r"uses: (\S+)@(\w+)", RELEASE.read_text(encoding="utf-8"))
    assert len(dict(pinned)) == len(set(pinned))


def test_only_tags_publish() -> None:
    assert READ[True] == {"push": {"tags": ["v*"]}}
    assert READ["permissions"] == {}


@pytest.mark.parametrize("job", JOBS)
def test_rights_to_write_are_the_listed_ones(job: str) -> None:
    permissions = JOBS[job]["permissions"]
    assert {name for name, it in permissions.items() if it == "write"} == WRITES[job]
    assert set(permissions.values()) <= {"read", "write"}
    assert JOBS[job]["timeout-minutes"] <= 120
    assert bool(WRITES[job]) is (JOBS[job].get("environment") == "release")


@pytest.mark.parametrize("job", [name for name, rights in WRITES.items() if rights])
def test_a_job_with_rights_runs_no_code_of_the_project(job: str) -> None:
    used = {it.get("uses", "").split("@")[0] for it in steps(job)}
    assert "actions/checkout" not in used
    assert not re.search(r"\b(make|pip|python3?|\.venv|hack|\.ci)\b", script(job))


def test_the_checks_come_first() -> None:
    assert script("check").strip() == ".ci/run"
    for job, rights in WRITES.items():
        if rights:
            assert "check" in JOBS[job]["needs"] or "images" in JOBS[job]["needs"]


@pytest.mark.parametrize("job", JOBS)
def test_no_script_contains_an_expression(job: str) -> None:
    # The value of an expression becomes code of the script.
    assert "${{" not in script(job)


@pytest.mark.parametrize("job", ["check", "build"])
def test_a_checkout_leaves_no_token_behind(job: str) -> None:
    [checkout] = [it for it in steps(job) if it.get("uses", "").startswith("actions/checkout@")]
    assert checkout["with"]["persist-credentials"] is False


def test_every_image_and_the_chart_are_signed_with_provenance() -> None:
    assert JOBS["images"]["strategy"]["matrix"]["program"] == list(IMAGES)
    assert set(IMAGES.values()) == {f"wegent-{it}" for it in IMAGES}
    assert "cosign attest --yes --type cyclonedx" in script("images")
    for job in ("images", "chart"):
        assert 'cosign sign --yes "$' in script(job)
        [attest] = [it for it in steps(job) if it.get("uses", "").startswith("actions/attest@")]
        assert attest["with"]["push-to-registry"] is True
        assert attest["with"]["subject-digest"] == "${{ steps.push.outputs.digest }}"
    assert "cosign sign-blob" in script("release")


def test_the_tag_must_be_the_version() -> None:
    assert 'TAG="$GITHUB_REF_NAME"' in script("build")


def test_the_index_comes_last_and_no_release_waits_for_another() -> None:
    """A version in Python's index can't be taken back."""
    assert {"check", "images", "chart"} <= set(JOBS["python"]["needs"])
    assert "github.ref" in READ["concurrency"]["group"]
