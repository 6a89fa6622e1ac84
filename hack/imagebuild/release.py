"""The metadata of an image: version, revision, time, and the standard labels."""

import os
import subprocess
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self

from imagebuild.images import ROOT, Image

LABEL: Final = "org.opencontainers.image."


@dataclass(frozen=True, slots=True)
class Release:
    """The state of the checkout that an image is built from."""

    version: str
    revision: str
    """Git's commit, with ``-dirty`` if files differ from it; empty without Git."""
    created: datetime
    """The commit's time, so that it gives the same image; $SOURCE_DATE_EPOCH takes precedence."""
    licence: str

    @classmethod
    def of_the_checkout(cls) -> Self:
        """Return the checkout's release."""
        project: dict[str, Any] = tomllib.loads(
            (ROOT / "pyproject.toml").read_text(encoding="utf-8")
        )["project"]
        revision = _git("rev-parse", "HEAD")
        if revision and _git("status", "--porcelain", "--untracked-files=no"):
            revision += "-dirty"
        seconds = os.environ.get("SOURCE_DATE_EPOCH") or _git("log", "-1", "--format=%ct") or "0"
        created = datetime.fromtimestamp(int(seconds), UTC)
        return cls(project["version"], revision, created, project["license"])

    @property
    def created_text(self) -> str:
        """The time in RFC 3339's format."""
        return self.created.strftime("%Y-%m-%dT%H:%M:%SZ")

    def labels(self, image: Image) -> dict[str, str]:
        """Return the labels of the OCI image specification."""
        labels = {
            "title": image.title,
            "description": f"{image.title}: AI agents as Kubernetes resources",
            "version": self.version,
            "revision": self.revision,
            "created": self.created_text,
            "licenses": self.licence,
        }
        return {LABEL + key: value for key, value in labels.items() if value}


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
