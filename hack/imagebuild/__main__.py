"""``python -m imagebuild``: the images of both programs."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from devcluster.checkout import require_own_environment
from devcluster.errors import BuildError, ClusterError
from devcluster.progress import say
from imagebuild import engine
from imagebuild.engineless import EnginelessBuild
from imagebuild.images import IMAGES, ROOT
from imagebuild.release import Release

TARGET: Final = ROOT / ".dev" / "image"


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the images; return the program's exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m imagebuild",
        description=__doc__,
        epilog="Environment variables: SOURCE_DATE_EPOCH, the seconds that every file is dated by"
        " (default: the last commit's).",
        allow_abbrev=False,
    )
    parser.add_argument("--output", type=Path, default=TARGET, help="directory (%(default)s)")
    parser.add_argument(
        "--prefix",
        default="localhost/",
        help="prefix of the images' names: a registry and a path (%(default)s)",
    )
    parser.add_argument("--tag", help="(default: the project's version)")
    parser.add_argument("--refresh", action="store_true", help="take Debian's updates")
    parser.add_argument(
        "--without-engine", action="store_true", help="make archives even where Docker answers"
    )
    parser.add_argument(
        "--base", help="image to build on, by digest: NAME@sha256:... (default: the Dockerfile's)"
    )
    options = parser.parse_args(arguments)
    release, started = Release.of_the_checkout(), time.monotonic()
    tag = options.tag or release.version
    try:
        require_own_environment()
        options.output.mkdir(parents=True, exist_ok=True)
        docker = None if options.without_engine else engine.answering()
        if options.base and not docker:
            raise BuildError(
                "--base: takes Docker; without it, the base comes from Debian's mirror"
            )
        build = (
            engine.DockerBuild(docker, refresh=options.refresh, base=options.base)
            if docker
            else EnginelessBuild(refresh=options.refresh)
        )
        for image in IMAGES.values():
            name = f"{options.prefix}{image.repository}:{tag}"
            archive = options.output / f"{image.repository}-{tag}.tar"
            bill = build.build(image, release, name, archive)
            (options.output / f"{image.repository}-{tag}.cdx.json").write_bytes(bill)
            print(f"{name}  {archive}  {archive.stat().st_size / 1e6:.0f} MB")
    except ClusterError as error:
        say(f"imagebuild: {error}")
        return 1
    say(f"made in {time.monotonic() - started:.1f} s; bills of materials: *.cdx.json beside them")
    return 0


if __name__ == "__main__":
    sys.exit(main())
