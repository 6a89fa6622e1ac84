"""A real Kubernetes control plane for development and tests, without a container engine.

``python -m devcluster up`` runs one that keeps its data; tests take throwaway ones
from :class:`devcluster.controlplane.ControlPlane`.
"""
