"""The table of images, with the properties of each."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PYTHON: Final = "3.13"
"""Debian's Python, of :data:`SUITE`."""
SUITE: Final = "trixie"
"""The Debian release for both ways to build; a test compares it with the Dockerfile's."""
PREFIX: Final = "/opt/wegent"
"""The directory of the packages in the image."""
USER: Final = "65532:65532"
"""The id of Debian's user nobody; ``runAsNonRoot`` can only be checked for a number."""
SBOM: Final = "sbom.cdx.json"
ENVIRONMENT: Final = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "PYTHONPATH": PREFIX,
    "PYTHONSAFEPATH": "1",
    "PYTHONUNBUFFERED": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}


@dataclass(frozen=True, slots=True)
class Image:
    """One program's image."""

    program: str
    """``operator`` or ``api``: the name of the Dockerfile's target, the lock file and the extra."""
    module: str
    title: str
    environment: dict[str, str]
    """Settings of the program that differ in a container."""
    port: int

    @property
    def repository(self) -> str:
        """The image's name, without registry and tag."""
        return f"wegent-{self.program}"

    @property
    def lock(self) -> Path:
        """The versions and hashes of the image's dependencies."""
        return ROOT / f"requirements-{self.program}.lock"

    @property
    def entrypoint(self) -> list[str]:
        """The image's command."""
        return ["python3", "-m", self.module]


IMAGES: Final = {
    image.program: image
    for image in (
        Image(
            "operator",
            "wegent_operator",
            "Wegent operator",
            {"WEGENT_OPERATOR_LISTEN_HOST": "0.0.0.0"},  # noqa: S104 - the container's own
            8081,
        ),
        Image(
            "api",
            "wegent_api",
            "Wegent API proxy",
            {"WEGENT_API_HOST": "0.0.0.0"},  # noqa: S104 - the container's own
            8000,
        ),
    )
}
