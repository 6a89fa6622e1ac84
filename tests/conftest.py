"""Fixtures that every test may ask for."""

import os

import hypothesis
import pytest

from tests.support.cluster import binaries, control_plane, kubectl
from tests.support.gitops import actionlint, flux_crds, health_programs
from tests.support.helm import helm, helm_program, offline_helm
from tests.support.programs import pytest_collection_finish
from tests.support.slowest import pytest_terminal_summary
from tests.support.wegent import api, audit, namespace, operator, operator_kubeconfig

# Go's programs take a tenth less CPU where they collect garbage less often.
os.environ.setdefault("GOGC", "400")

# A test doesn't fail because the machine is busy.
hypothesis.settings.register_profile("wegent", deadline=None)
hypothesis.settings.load_profile("wegent")

LONGEST = "tests/runner/test_load.py"
"""The file that takes longest begins first, so that no worker is left with it at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the order of the files' names, but for the longest."""
    items.sort(key=lambda item: item.location[0] != LONGEST)


__all__ = [
    "actionlint",
    "api",
    "audit",
    "binaries",
    "control_plane",
    "flux_crds",
    "health_programs",
    "helm",
    "helm_program",
    "kubectl",
    "namespace",
    "offline_helm",
    "operator",
    "operator_kubeconfig",
    "pytest_collection_finish",
    "pytest_terminal_summary",
]
