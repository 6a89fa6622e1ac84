"""A node's requirements are named; tools of the images' build are not among them."""

import os
from pathlib import Path

import pytest

from devcluster.node import requirements


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All that a node needs, as programs that do nothing, alone on PATH."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for name in (*requirements.TOOLS, *requirements.PLUGINS):
        (directory / name).write_text("#!/bin/sh\n", encoding="utf-8")
        (directory / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(directory))
    monkeypatch.setattr(requirements, "PLUGIN_DIRECTORIES", (directory,))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return directory


def test_a_node_needs_no_buildah(tools: Path, tmp_path: Path) -> None:
    assert not (tools / "buildah").exists()
    assert requirements.missing(tmp_path / "node") == []


@pytest.mark.parametrize(
    ("script", "said"), [("exit 1", "it failed"), ("echo no >&2; echo way >&2; exit 1", "way")]
)
def test_a_refusal_has_a_reason(tools: Path, tmp_path: Path, script: str, said: str) -> None:
    (tools / "unshare").write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    [line] = requirements.missing(tmp_path / "node")
    assert line == f"namespaces, which the kernel must grant: {said}"
