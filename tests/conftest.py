"""Fixtures that every test may ask for."""

from tests.support.cluster import binaries, control_plane, kubectl

__all__ = ["binaries", "control_plane", "kubectl"]
