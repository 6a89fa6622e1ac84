"""The chart as it is published, and what Artifact Hub shows of it."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from codegen.artifacthub import REGISTRY, news
from codegen.published import NotPublishableError, check_heading, main
from devcluster.checkout import CHECKOUT
from imagebuild.images import IMAGES
from tests.support.helm import Helm
from wegent_crds.registry import KINDS

CHART = CHECKOUT / "charts" / "wegent"
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PREFIX = "registry.example.org/agents/wegent"


def chart_yaml(chart: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((chart / "Chart.yaml").read_text(encoding="utf-8")))


def annotation(chart: Path, name: str) -> Any:
    return yaml.safe_load(chart_yaml(chart)["annotations"][f"artifacthub.io/{name}"])


def test_the_version_is_the_projects() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", PROJECT["version"]), "valid for Python, Helm and images"
    read = chart_yaml(CHART)
    assert {read["version"], read["appVersion"]} == {PROJECT["version"]}
    assert version("wegent") == PROJECT["version"], "run `make env`"


def test_the_published_chart_names_its_images(tmp_path: Path, offline_helm: Helm) -> None:
    assert main([str(tmp_path), "--images", PREFIX]) == 0
    chart = tmp_path / "wegent"
    wanted = {f"{PREFIX}-{program}:{PROJECT['version']}" for program in IMAGES}
    assert {it["image"] for it in annotation(chart, "images")} == wanted
    offline_helm.run("lint", chart, "--strict").ok()
    rendered = offline_helm.run("template", "wegent", chart).ok().stdout
    found = set(re.findall(r'image: "(\S+)"', rendered))
    assert found == wanted
    # The checkout's chart has none, and says so.
    assert "image.repository" in offline_helm.run("template", "wegent", CHART).refused()


def test_the_copy_differs_in_nothing_else(tmp_path: Path) -> None:
    assert main([str(tmp_path), "--images", PREFIX]) == 0
    assert main([str(tmp_path), "--images", PREFIX]) == 0, "a second time"
    own = {it.relative_to(CHART): it for it in CHART.rglob("*") if it.is_file()}
    copy = tmp_path / "wegent"
    assert {it.relative_to(copy) for it in copy.rglob("*") if it.is_file()} == set(own)
    differing = {it.as_posix() for it, path in own.items()
                 if path.read_bytes() != (copy / it).read_bytes()}  # fmt: skip
    assert differing == {"Chart.yaml", "values.yaml"}
    lines = (copy / "values.yaml").read_text("utf-8").splitlines()
    before = (CHART / "values.yaml").read_text("utf-8").splitlines()
    assert [it for it in lines if it not in before] == [f'  repository: "{PREFIX}"']


def test_another_tag_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), "--images", PREFIX, "--tag", "v9.9.9"]) == 1
    assert f"the tag v9.9.9 is not v{PROJECT['version']}" in capsys.readouterr().err
    assert not (tmp_path / "wegent").exists()


def changelog_with(heading: str) -> str:
    return f"# Changelog\n\n{heading}\n\nNew.\n\n## [1.2.2] - 2026-01-01\n\nOld.\n"


@pytest.mark.parametrize(
    "heading", ["## [Unreleased]: 1.2.3", "## [1.2.2] - 2027-01-31", "## [1.2.3]"]
)
def test_the_notes_of_a_release_are_those_of_its_version(heading: str) -> None:
    check_heading(changelog_with("## [1.2.3] - 2027-01-31"), "1.2.3")
    with pytest.raises(NotPublishableError, match=r"'## \[1\.2\.3\] - YYYY-MM-DD'"):
        check_heading(changelog_with(heading), "1.2.3")


def test_a_tag_of_the_version_needs_the_heading(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tag = f"v{PROJECT['version']}"
    released = f"## [{PROJECT['version']}] - " in (CHECKOUT / "CHANGELOG.md").read_text("utf-8")
    assert main([str(tmp_path), "--images", PREFIX, "--tag", tag]) == (0 if released else 1)
    assert ("CHANGELOG.md" in capsys.readouterr().err) is not released


def test_artifact_hub_shows_kinds_images_and_changes() -> None:
    assert [it["name"] for it in annotation(CHART, "crds")] == [kind.crd_name for kind in KINDS]
    for it in annotation(CHART, "crds"):
        assert it.keys() == {"kind", "version", "name", "displayName", "description"}
        assert all(it.values())
    examples = {it["kind"] for it in annotation(CHART, "crdsExamples")}
    assert examples == {kind.kind for kind in KINDS} - {"Tombstone"}
    assert {it["image"].split(":")[0] for it in annotation(CHART, "images")} == {
        f"{REGISTRY}-{program}" for program in IMAGES
    }
    for change in annotation(CHART, "changes"):
        assert change.keys() == {"kind", "description"}
        assert change["kind"] in {"added", "changed", "deprecated", "removed", "fixed", "security"}
    assert annotation(CHART, "operator") is True


def test_the_news_are_the_introduction_of_the_newest_version() -> None:
    newest = "## [0.2.0]\n\nIt is\nfaster. And safer!\n\n### Added\n\n- A.\n\n"
    text = f"# Changelog\n\n{newest}## [0.1.0]\n\nOld.\n"
    assert news(text) == ["It is faster.", "And safer!"]
    assert annotation(CHART, "changes")


def test_the_file_for_artifact_hub_has_an_id() -> None:
    read = yaml.safe_load((CHECKOUT / "artifacthub-repo.yml").read_text(encoding="utf-8"))
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", read["repositoryID"])


def test_the_workflow_builds_wheel_and_sdist_of_that_version(tmp_path: Path) -> None:
    workflow = (CHECKOUT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    command = "-m hatchling build --directory"
    assert f".venv/bin/python {command} dist/wheels" in workflow
    build = [sys.executable, *command.split(), str(tmp_path)]
    subprocess.run(build, cwd=CHECKOUT, check=True, capture_output=True)
    assert {it.name for it in tmp_path.iterdir()} == {
        f"wegent-{PROJECT['version']}-py3-none-any.whl", f"wegent-{PROJECT['version']}.tar.gz",
    }  # fmt: skip
