"""The names of the images."""

from typing import Final

IMAGES: Final = {"operator": "wegent-operator", "api": "wegent-api", "runner": "wegent-runner"}
"""From a program, which is a target of the Dockerfile, to its image, without registry and tag."""
