"""The content of images, as the Dockerfile and the lock files have it."""

import json
import re
import subprocess

import pytest

from devcluster.checkout import CHECKOUT
from imagebuild.base import PACKAGES, SUITE
from imagebuild.images import IMAGES
from imagebuild.release import Release
from imagebuild.settings import APT_CONFIG, AUTHORITIES, MOUNTED, PIP_CONFIG

DOCKERFILE = (CHECKOUT / "Dockerfile").read_text(encoding="utf-8")
PREFIX = "/opt/wegent"


def stage(name: str) -> str:
    """Return the text of the Dockerfile's stage ``name``."""
    [found] = [
        it for it in DOCKERFILE.split("\nFROM ") if it.partition("\n")[0].endswith(f" AS {name}")
    ]
    return found


def locked(program: str) -> set[str]:
    lock = (CHECKOUT / f"requirements-{program}.lock").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE))


def test_both_bases_have_the_same_packages() -> None:
    assert f"ARG BASE=debian:{SUITE}-slim\nFROM ${{BASE}} AS base\n" in DOCKERFILE
    assert " ".join(PACKAGES) in stage("base")


@pytest.mark.parametrize(
    ("program", "host", "port"),
    [("operator", "OPERATOR_LISTEN_HOST", 8081), ("api", "API_HOST", 8000)],
)
def test_an_image_runs_its_program(program: str, host: str, port: int) -> None:
    text = stage(program)
    assert f"COPY --from=packages /out/{program} {PREFIX}\n" in text
    assert f"COPY --from=build /out/{IMAGES[program]} {PREFIX}\n" in text
    assert "USER 65532:65532\n" in text, "runAsNonRoot can only be checked for a number"
    assert f"EXPOSE {port}\n" in text
    assert f"ENV WEGENT_{host}=0.0.0.0\n" in text
    assert f"ENTRYPOINT {json.dumps(['python3', '-m', f'wegent_{program}'])}\n" in text


def test_code_is_compiled_for_its_place() -> None:
    assert f"ENV PYTHONPATH={PREFIX} " in stage("base")
    for name in ("packages", "build"):
        compiled = re.findall(r"compileall (.*); \\$", stage(name), re.MULTILINE)
        assert compiled == [f"-q --invalidation-mode unchecked-hash -s $out -p {PREFIX} $out"]


def test_secrets_are_mounted_where_packages_are_fetched() -> None:
    apt, pip = (
        re.findall(rf"--mount=type=secret,id={re.escape(name)},target=(\S+)", DOCKERFILE)
        for name in (APT_CONFIG, PIP_CONFIG)
    )
    assert apt == ["/etc/apt/apt.conf"] * DOCKERFILE.count("apt-get update")
    assert pip == ["/etc/pip.conf"]
    # A secret without a target is at its name in the directory that pip's settings point to.
    assert DOCKERFILE.count(f"--mount=type=secret,id={AUTHORITIES} ") == len(pip)
    assert str(MOUNTED) == "/run/secrets"


def test_each_image_has_its_programs_packages_and_no_others() -> None:
    operator, api = locked("operator"), locked("api")
    assert "kopf" in operator - api
    assert {"fastapi", "uvicorn", "argon2-cffi"} <= api - operator
    assert "kubernetes" not in operator | api
    foreign = {"pytest", "mypy", "cyclonedx-bom", "cyclonedx-python-lib", "cryptography"}
    assert not foreign & (operator | api)


def test_labels_say_what_it_is_made_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    labels = Release.of_the_checkout().labels
    prefix = "org.opencontainers.image."
    assert labels[f"{prefix}created"] == "1970-01-02T00:00:00Z"
    assert labels[f"{prefix}version"] == "0.1.0"
    head = subprocess.run(
        ["git", "-C", CHECKOUT, "rev-parse", "HEAD"],
        capture_output=True,
        encoding="utf-8",
        check=False,
    ).stdout.strip()
    if head:
        assert labels[f"{prefix}revision"].startswith(head)
    assert f'{prefix}licenses="Apache-2.0"' in stage("base")
    for program, title in (("operator", "Wegent operator"), ("api", "Wegent API proxy")):
        assert f'{prefix}title="{title}"' in stage(program)
        assert f'{prefix}description="{title}: ' in stage(program)
