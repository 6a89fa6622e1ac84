"""Fixtures that every test may ask for."""

import os

import hypothesis

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
