"""``python -m imagebuild``: the images of the programs."""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from devcluster.binaries import cache_root
from devcluster.checkout import CHECKOUT, require_own_environment
from devcluster.errors import ClusterError
from devcluster.kind import engine_answers, has_buildkit
from devcluster.locks import locked
from devcluster.progress import Progress, say
from imagebuild.builders import BuildahBuilder, DockerBuilder
from imagebuild.images import IMAGES
from imagebuild.release import Release

TARGET: Final = CHECKOUT / ".dev" / "image"
BILLS: Final = "bills"
"""The Dockerfile's target with the bills of materials."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the images; return the program's exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m imagebuild",
        description=__doc__,
        epilog="Environment variables: SOURCE_DATE_EPOCH, the images' time in seconds"
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
        "--without-engine", action="store_true", help="build with buildah even where Docker answers"
    )
    parser.add_argument(
        "--base",
        help="image to build on, by digest: NAME@sha256:... (default: the Dockerfile's with"
        " Docker, one made from Debian's packages with buildah)",
    )
    options = parser.parse_args(arguments)
    started = time.monotonic()
    try:
        require_own_environment()
        _build(options, Release.of_the_checkout())
    except ClusterError as error:
        say(f"imagebuild: {error}")
        return 1
    say(f"made in {time.monotonic() - started:.1f} s; bills of materials: *.cdx.json beside them")
    return 0


def _build(options: argparse.Namespace, release: Release) -> None:
    output, tag = options.output.absolute(), options.tag or release.version
    output.mkdir(parents=True, exist_ok=True)
    use_docker = not options.without_engine and engine_answers()
    if use_docker and not has_buildkit():
        say("Docker has no BuildKit (`docker buildx version` fails), so buildah builds the images")
        use_docker = False
    with (
        # Names of images are the same in all checkouts.
        locked(cache_root() / "image.lock", "it builds images"),
        tempfile.TemporaryDirectory(prefix="wegent-image-") as directory,
    ):
        builder = (DockerBuilder if use_docker else BuildahBuilder)(
            release, Path(directory), base=options.base, refresh=options.refresh
        )
        for target, image in IMAGES.items():
            name, archive = f"{options.prefix}{image}:{tag}", output / f"{image}-{tag}.tar"
            with Progress(f"building {name} with {builder.program}"):
                builder.build_image(target, name)
                builder.save(name, archive)
            print(f"{name}  {archive}  {archive.stat().st_size / 1e6:.0f} MB")
        builder.export(BILLS, Path(directory))
        for image in IMAGES.values():
            bill = Path(directory) / f"{image}.cdx.json"
            (output / f"{image}-{tag}.cdx.json").write_bytes(bill.read_bytes())


if __name__ == "__main__":
    sys.exit(main())
