"""Fixtures that every test may ask for."""

from tests.support.cluster import binaries, control_plane, kubectl
from tests.support.helm import helm, helm_program, offline_helm
from tests.support.wegent import api, audit, namespace, operator, operator_kubeconfig

__all__ = [
    "api",
    "audit",
    "binaries",
    "control_plane",
    "helm",
    "helm_program",
    "kubectl",
    "namespace",
    "offline_helm",
    "operator",
    "operator_kubeconfig",
]
