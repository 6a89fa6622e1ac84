"""The labels of an image that depend on the checkout: version, revision and time."""

import os
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self

from devcluster.checkout import CHECKOUT
from devcluster.shell import output_or_empty

LABEL: Final = "org.opencontainers.image."


@dataclass(frozen=True, slots=True)
class Release:
    """The state of the checkout that an image is built from."""

    version: str
    revision: str
    """Git's commit, with ``-dirty`` if files differ from it; empty without Git."""
    created: int
    """The commit's time in seconds, so that it gives the same image; or $SOURCE_DATE_EPOCH."""

    @classmethod
    def of_the_checkout(cls) -> Self:
        """Return the checkout's release."""
        project: dict[str, Any] = tomllib.loads(
            (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
        )["project"]
        revision = _git("rev-parse", "HEAD")
        if revision and _git("status", "--porcelain", "--untracked-files=no"):
            revision += "-dirty"
        seconds = os.environ.get("SOURCE_DATE_EPOCH") or _git("log", "-1", "--format=%ct") or "0"
        return cls(project["version"], revision, int(seconds))

    @property
    def labels(self) -> dict[str, str]:
        """The labels of the OCI image specification that the Dockerfile doesn't know."""
        created = datetime.fromtimestamp(self.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        labels = {"version": self.version, "revision": self.revision, "created": created}
        return {LABEL + key: value for key, value in labels.items() if value}


def _git(*arguments: str) -> str:
    return output_or_empty("git", "-C", CHECKOUT, *arguments).strip()
