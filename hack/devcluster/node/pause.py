"""The image of what holds a pod's namespaces: one static program."""

from io import BytesIO
from pathlib import Path

from devcluster.platforms import platform_name
from imagebuild.oci import compress, file_layer, write_archive


def write_pause_image(program: Path, target: Path, name: str) -> None:
    """Write the image ``name`` as an OCI archive."""
    tar = file_layer({"pause": program.read_bytes()}, mode=0o755, epoch=0)
    layer = compress(BytesIO(tar), target.with_suffix(".layer"), "pause")
    write_archive(
        target,
        name=name,
        architecture=platform_name().partition("-")[2],
        config={"Entrypoint": ["/pause"], "User": "65535:65535"},
        layers=[layer],
        epoch=0,
        created="1970-01-01T00:00:00Z",
    )
