"""The names of the images."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
IMAGES: Final = {"operator": "wegent-operator", "api": "wegent-api", "runner": "wegent-runner"}
"""From a program, which is a target of the Dockerfile, to its image, without registry and tag."""
