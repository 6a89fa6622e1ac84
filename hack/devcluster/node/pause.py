"""The image of the program that holds a pod's namespaces: one static program."""

import shutil
import tempfile
from pathlib import Path
from typing import Final

from devcluster.image_tools import run_tool

DOCKERFILE: Final = """\
FROM scratch
COPY pause /
USER 65535:65535
ENTRYPOINT ["/pause"]
"""


def write_pause_image(program: Path, target: Path, name: str) -> None:
    """Write the image ``name`` as an archive.

    Raises:
        BuildError: buildah is missing or fails.
    """
    with tempfile.TemporaryDirectory() as context:
        shutil.copy(program, Path(context) / "pause")
        (Path(context) / "Dockerfile").write_text(DOCKERFILE, encoding="utf-8")
        run_tool("buildah", "build", "--timestamp=0", f"--tag={name}", context)
    run_tool("buildah", "push", "--quiet", name, f"docker-archive:{target}:{name}")
