"""`make env` and the images at a later time, and in a copied checkout, with a test's own index."""

import itertools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.version import Version

from devcluster.checkout import CHECKOUT
from imagebuild.images import IMAGES
from tests.support.package_index import PackageIndex, package_index

TOOLS = Path(sys.prefix) / "bin"
WITHIN_S = 240
LOCKS = ("requirements.lock", "requirements-build.lock", "requirements-demo-model.lock")
SOURCES = ("Makefile", "pyproject.toml", "README.md", "LICENSE", "hack", *LOCKS)
BUILD_TOOLS = (
    *("hatchling", "editables", "packaging", "pathspec", "pluggy", "tomlkit", "trove-classifiers"),
)
"""The packages that build the checkout's editable wheel: their code is run."""
MAKE_AGAIN = """
import sys; sys.path.insert(0, "hack")
from devcluster.checkout import CHECKOUT
from devstack.environment import main
main(["--again", ".venv"])
"""
PIN = re.compile(r"^([a-z0-9-]+)==([^\s;\\]+)", re.MULTILINE)
OF_THE_USER = re.compile(r"^(PIP_|UV_|VIRTUAL_ENV$|PYTHON|MAKE|MFLAGS|COV)")


@dataclass(frozen=True, slots=True)
class Project:
    """A checkout with complete lock files, and an index with newer releases."""

    directory: Path
    environment: dict[str, str]

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            encoding="utf-8",
            timeout=WITHIN_S,
            check=False,
        )

    def ok(self, *command: str | Path) -> str:
        done = self.run(*command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def locked(self, name: str = LOCKS[0]) -> dict[str, str]:
        return dict(PIN.findall((self.directory / name).read_text(encoding="utf-8")))

    def installed(self) -> dict[str, str]:
        freeze = self.ok(".venv/bin/python", "-m", "pip", "freeze", "--all", "--exclude-editable")
        return dict(PIN.findall(freeze.lower().replace("_", "-")))


def publish(index: PackageIndex, versions: dict[str, str]) -> None:
    for name, version in versions.items():
        index.publish(name, version, with_code=name in BUILD_TOOLS)


def newer(version: str) -> str:
    return ".".join(map(str, (*Version(version).release, 9999)))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A checkout with its own environment; each package has a newer release than the lock."""
    directory = tmp_path_factory.mktemp("first-run") / "checkout"
    directory.mkdir()
    for name in SOURCES:
        source = CHECKOUT / name
        if source.is_dir():
            shutil.copytree(
                source, directory / name, ignore=shutil.ignore_patterns("__pycache__", "modules")
            )
        else:
            shutil.copy(source, directory / name)
    for name in ("operator", "crds", "kube", "api_proxy", "cli"):
        (directory / name).mkdir()
    with package_index() as index:
        environment = {k: v for k, v in os.environ.items() if not OF_THE_USER.search(k)}
        environment |= {
            "PIP_INDEX_URL": index.url,
            "PIP_CONFIG_FILE": "/dev/null",
            "PIP_NO_CACHE_DIR": "1",
            "UV_DEFAULT_INDEX": index.url,
            "UV_NO_CONFIG": "1",
            "UV_CACHE_DIR": str(directory.with_name("uv-cache")),
        }
        made = Project(directory, environment)
        versions = made.locked()
        published = versions | made.locked(LOCKS[1]) | made.locked(LOCKS[2])
        publish(index, published)
        made.ok("make", "lock", "-o", "env", f"BIN={TOOLS}")
        assert made.locked() == versions
        publish(index, {name: newer(version) for name, version in published.items()})
        (directory / "make-env.txt").write_text(made.ok("make", "env", f"PYTHON={sys.executable}"))
        yield made


def test_the_environment_is_the_locks_whatever_was_published_since(project: Project) -> None:
    locked, installed = project.locked(), project.installed()
    assert {name: installed.get(name) for name in BUILD_TOOLS} == {
        name: locked[name] for name in BUILD_TOOLS
    }
    differing = {name for name, version in installed.items() if locked.get(name) != version}
    assert differing <= {"pip", "setuptools"}, "which are Python's own"
    assert len(installed) > 100


def test_an_install_that_resolves_would_have_failed(project: Project) -> None:
    resolving = ("install", "--dry-run", "--ignore-installed", "--require-hashes")
    done = project.run(".venv/bin/python", "-m", "pip", *resolving, "-r", LOCKS[0])
    assert "In --require-hashes mode, all requirements must have their versions pinned" in (
        done.stderr
    )


def test_lock_files_stay_what_they_are_whatever_was_published_since(project: Project) -> None:
    project.ok("make", "verify-lock", "-o", "env", f"BIN={TOOLS}")


def test_a_lock_file_that_lacks_something_is_noticed(project: Project) -> None:
    lock = project.directory / LOCKS[0]
    text = lock.read_text(encoding="utf-8")
    try:
        lock.write_text(re.sub(r"(?m)^uvloop==.*\n(    .*\n)+", "", text), encoding="utf-8")
        done = project.run("make", "verify-lock", "-o", "env", f"BIN={TOOLS}")
    finally:
        lock.write_text(text, encoding="utf-8")
    assert done.returncode != 0
    assert ".lock does not match pyproject.toml: run `make lock`" in done.stdout


@pytest.mark.parametrize(("name", "least"), [("build", 5), *((name, 30) for name in IMAGES)])
def test_the_dockerfiles_installs_take_the_locks_versions(
    project: Project, name: str, least: int, tmp_path: Path
) -> None:
    text = (CHECKOUT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")
    [options] = re.findall(r"install='/venv/bin/pip (install .*?)'", text)
    spelled = "build" if name == "build" else "$program"
    [more] = re.findall(rf"\$install ([^;]*-r requirements-{re.escape(spelled)}\.lock);", text)
    more = more.replace("$program", name).replace("$out", str(tmp_path / "out"))
    assert "/venv/bin/pip check" in text
    dry = (*options.split(), "--dry-run", "--ignore-installed", *more.split())
    said = project.ok(".venv/bin/python", "-m", "pip", *dry)
    [listed] = re.findall(r"^Would install (.*)$", said, re.MULTILINE)
    locked = project.locked(f"requirements-{name}.lock")
    found = {it.lower().replace("_", "-") for it in listed.split()}
    assert found <= {f"{name}-{version}" for name, version in locked.items()}
    assert len(found) > least
    assert not (tmp_path / "out").exists()


def test_progress_is_told_where_there_is_no_terminal(project: Project) -> None:
    first, *between, last = (project.directory / "make-env.txt").read_text().splitlines()
    label = "installing the Python environment into .venv"
    assert first == f"{label} ..."
    done = re.match(rf"{label}: done after (\d+) s$", last)
    assert done is not None
    told = [
        re.search(r"(package \d+ of \d+|unpacking \d+ packages|:),? (\d+) s$", it) for it in between
    ]
    seconds = [0, *(int(it[2]) for it in told if it), int(done[1])]
    assert len(seconds) == len(between) + 2
    pauses = [later - earlier for earlier, later in itertools.pairwise(seconds)]
    assert max(pauses) <= 10, "a line every five seconds, and as much again on a busy machine"


class TestAnotherCheckout:
    """A checkout that was copied or moved with its environment makes a new one."""

    @pytest.fixture
    def copy(self, project: Project, tmp_path: Path) -> Project:
        directory = tmp_path / "copy"
        shutil.copytree(project.directory, directory, symlinks=True)
        copy = Project(directory, project.environment)
        # Few packages are enough: only the place matters here.
        lock, pyproject = directory / LOCKS[0], directory / "pyproject.toml"
        blocks = re.split(r"^(?=[a-z0-9])", lock.read_text(encoding="utf-8"), flags=re.MULTILINE)
        kept = (it for it in blocks if it.partition("==")[0] in BUILD_TOOLS)
        lock.write_text("".join(kept), encoding="utf-8")
        text = pyproject.read_text(encoding="utf-8")
        none = re.sub(r"(?s)\ndependencies = \[.*?\n\]", "\ndependencies = []", text)
        pyproject.write_text(none, encoding="utf-8")
        (directory / ".venv" / ".complete").touch()
        return copy

    def code_of(self, project: Project) -> str:
        script = "import devcluster; print(devcluster.__file__)"
        return project.ok(".venv/bin/python", "-I", "-c", script).strip()

    def test_makes_its_own_environment(self, project: Project, copy: Project) -> None:
        assert self.code_of(copy).startswith(f"{project.directory}/hack/"), "as it was copied"
        asked = copy.run("make", "env", f"PYTHON={sys.executable}")
        assert asked.returncode == 0, asked.stderr
        assert "installing the Python environment" in asked.stderr
        assert self.code_of(copy) == f"{copy.directory}/hack/devcluster/__init__.py"
        assert str(project.directory) not in (copy.directory / ".venv/bin/pip").read_text()
        assert self.code_of(project) == f"{project.directory}/hack/devcluster/__init__.py"
        assert copy.ok("make", "env", f"PYTHON={sys.executable}").count("installing") == 0

    def test_moved_makes_it_again(self, copy: Project, tmp_path: Path) -> None:
        pip = copy.directory / ".venv/bin/pip"
        moved = Project(copy.directory.rename(tmp_path / "moved to here"), copy.environment)
        done = moved.ok("make", "-n", "env")
        assert "devstack.environment --again .venv" in done
        assert not pip.exists()

    def test_a_linked_environment_is_not_emptied(self, project: Project, copy: Project) -> None:
        shutil.rmtree(copy.directory / ".venv")
        (copy.directory / ".venv").symlink_to(project.directory / ".venv")
        assert "devstack.environment --again .venv" in copy.ok("make", "-n", "env")
        (copy.directory / LOCKS[0]).unlink()  # it then ends before it installs
        copy.run(sys.executable, "-c", MAKE_AGAIN)
        assert not (copy.directory / ".venv").is_symlink()
        assert self.code_of(project) == f"{project.directory}/hack/devcluster/__init__.py"

    def test_what_is_no_environment_is_not_emptied(self, copy: Project) -> None:
        shutil.rmtree(copy.directory / ".venv")
        (copy.directory / ".venv").mkdir()
        (copy.directory / ".venv" / "thesis.txt").touch()
        refused = copy.run("make", "env", f"PYTHON={sys.executable}")
        assert "is not a Python environment; remove or rename it" in refused.stderr
        assert (copy.directory / ".venv" / "thesis.txt").exists()

    def test_make_works_in_the_makefiles_directory_alone(
        self, project: Project, copy: Project
    ) -> None:
        refused = copy.run("make", "-f", project.directory / "Makefile", "clean")
        assert refused.returncode == 2
        assert f"make -C {project.directory} clean" in refused.stderr


@pytest.mark.parametrize("program", ["devstack", "devcluster", "codegen", "imagebuild"])
def test_a_copied_environment_is_refused(program: str, tmp_path: Path) -> None:
    (tmp_path / "hack" / "devcluster").mkdir(parents=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / ".venv"], check=True)
    # A copy would have the packages, and the code, of the original checkout.
    [site] = (tmp_path / ".venv").glob("lib/python3*/site-packages")
    (site / "copied.pth").write_text("\n".join(path for path in sys.path if path), encoding="utf-8")
    arguments = {"devstack": ["clean"], "devcluster": ["clean"], "codegen": ["--check"]}
    done = subprocess.run(
        [tmp_path / ".venv/bin/python", "-m", program, *arguments.get(program, [])],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 1
    assert f"the code of {CHECKOUT}, and change that. `make env` in {tmp_path}" in done.stderr
