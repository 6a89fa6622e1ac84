"""Rules for the repository itself."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from devcluster.checkout import CHECKOUT

REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("proxy", "golang", "org"),
        ("sum", "golang", "org"),
        ("npmjs", "org"),
        ("crates", "io"),
        ("docker", "io"),
        ("gcr", "io"),
        ("ghcr", "io"),
        ("quay", "io"),
        ("registry", "k8s", "io"),
    )
]
"""The names are in parts, so that this file has none either."""
ARCHIVES = ("tar" + ".gz", "tgz", "whl", "zip")


def committed() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, check=True, encoding="utf-8"
    )
    paths = [CHECKOUT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]  # not files that are being deleted


TEXTS = {
    str(path.relative_to(CHECKOUT)): path.read_text(encoding="utf-8", errors="replace")
    for path in committed()
}


@pytest.mark.parametrize("path", ["operator/__init__.py", "tests/operator", "crds/__init__.py"])
def test_nothing_shadows_the_standard_library(path: str) -> None:
    assert not (CHECKOUT / path).exists(), "docs/adr/0001-operator-is-a-plain-folder.md says why"


def test_python_starts_at_the_root() -> None:
    # -S excludes site-packages, so that the current folder comes first.
    done = subprocess.run(
        [sys.executable, "-S", "-c", "import collections, operator; print(operator.__file__)"],
        cwd=CHECKOUT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not Path(done.stdout.strip()).is_relative_to(CHECKOUT)


@pytest.mark.parametrize(
    ("purpose", "least"),
    [
        ("", 50),
        ("-operator", 30),
        ("-api", 30),
        ("-runner", 30),
        ("-build", 30),
        ("-demo-model", 1),
    ],
)
def test_a_lock_file_pins_and_names_no_place(purpose: str, least: int) -> None:
    lock = TEXTS[f"requirements{purpose}.lock"]
    assert "://" not in lock
    assert not re.search(r"^(-|\S+ @ )", lock, re.MULTILINE), "an option, or a place"
    requirements = re.findall(r"^([a-z0-9][^\s=]*)(==\S+)?(.*\\)$", lock, re.MULTILINE)
    assert len(requirements) > least
    for name, version, _ in requirements:
        assert version, f"{name} is not pinned"
    blocks = re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE)[1:]
    for block in blocks:
        assert "--hash=sha256:" in block, f"{block.splitlines()[0]} has no hash"


@pytest.mark.parametrize("registry", REGISTRIES)
def test_no_file_names_a_registry(registry: str) -> None:
    # A Go module may be called after a registry that redirects to its source.
    naming = [path for path, text in TEXTS.items() if registry in text and not _is_go(path)]
    assert not naming


def _is_go(path: str) -> bool:
    return path.endswith(("/go.mod", "/go.sum"))


def test_no_file_links_to_an_archive() -> None:
    link = re.compile(rf"https?://[^\s\"'`]+\.({'|'.join(map(re.escape, ARCHIVES))})\b")
    assert not {path: found[0] for path, text in TEXTS.items() if (found := link.search(text))}


def test_the_changelog_knows_the_version() -> None:
    project = tomllib.loads(TEXTS["pyproject.toml"])["project"]
    latest = re.search(r"^## \[(\S+)\](?:: (\S+))?", TEXTS["CHANGELOG.md"], re.MULTILINE)
    assert latest is not None
    assert project["version"] in latest.groups()


def test_each_example_is_of_one_kind_that_users_write() -> None:
    assert {path.stem for path in (CHECKOUT / "examples").glob("*.yaml")} == {
        "account", "bot", "ghost", "model", "shell", "skill", "task", "team", "group",
    }  # fmt: skip


@pytest.mark.parametrize("form", ["bug", "feature"])
def test_issue_forms_are_what_github_takes(form: str) -> None:
    # GitHub hides a form that it can't read, and says nothing.
    read = yaml.safe_load(TEXTS[f".github/ISSUE_TEMPLATE/{form}.yml"])
    assert {"name", "description", "body"} <= read.keys()
    inputs = [item for item in read["body"] if item["type"] != "markdown"]
    assert len({item["id"] for item in inputs}) == len(inputs) > 0
    for item in inputs:
        assert item["type"] in ("checkboxes", "dropdown", "input", "textarea")
        assert item["attributes"]["label"]
