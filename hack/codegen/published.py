"""``python -m codegen.published``: a copy of the chart as it is published, with its images' names.

The checkout's chart names no registry. A published one is there to be installed as it is, and
Artifact Hub looks the images up.
"""

import argparse
import re
import shutil
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from codegen.artifacthub import HEADING, REGISTRY
from codegen.chart import CHART
from devcluster.checkout import CHECKOUT

NO_REPOSITORY: Final = '  repository: ""\n'
"""The first of these in ``values.yaml`` is the prefix of all images."""


class NotPublishableError(Exception):
    """The chart can't be published like this; the message says why."""


def publish(images: str, target: Path, tag: str | None = None) -> Path:
    """Write the chart below ``target``, replacing an earlier copy, and return its folder.

    Args:
        images: prefix of the images' names, such as ``registry.example.com/wegent``.
        target: the directory of the copy.
        tag: the tag of Git that is published, if any.

    Raises:
        NotPublishableError: the tag is not that of the project's version, or the newest section of
            the changelog is another version's.
    """
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    if tag is not None and tag != f"v{project['version']}":
        raise NotPublishableError(
            f"the tag {tag} is not v{project['version']}, the version in pyproject.toml; change"
            " the version, run `make generate`, and tag that commit"
        )
    if tag is not None:
        check_heading((CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8"), project["version"])
    chart = target / CHART.name
    shutil.rmtree(chart, ignore_errors=True)
    shutil.copytree(CHECKOUT / CHART, chart)
    _replace(chart / "values.yaml", NO_REPOSITORY, f'  repository: "{images}"\n', 1)
    _replace(chart / "Chart.yaml", f"{REGISTRY}-", f"{images}-", -1)
    return chart


def check_heading(changelog: str, version: str) -> None:
    """Check that the newest section of a changelog, the release's notes, is that of a version.

    Raises:
        NotPublishableError: it has another heading.
    """
    [newest, *_] = HEADING.findall(changelog)
    if not re.fullmatch(rf"## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d", newest):
        raise NotPublishableError(
            f"the newest section of CHANGELOG.md is {newest!r}; its heading must be"
            f" '## [{version}] - YYYY-MM-DD', with the day of the release"
        )


def _replace(path: Path, old: str, new: str, count: int) -> None:
    text = path.read_text(encoding="utf-8")
    if old not in text:
        raise NotPublishableError(f"{path.name} has no {old.strip()!r}")
    path.write_text(text.replace(old, new, count), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the copy and print its folder; return the program's exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m codegen.published", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("target", type=Path, help="directory of the copy")
    parser.add_argument("--images", required=True, help=f"prefix of the images, such as {REGISTRY}")
    parser.add_argument("--tag", help="Git's tag, which must be that of the project's version")
    options = parser.parse_args(arguments)
    try:
        print(publish(options.images, options.target, options.tag))
    except NotPublishableError as error:
        print(f"codegen.published: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
