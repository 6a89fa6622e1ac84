"""The names by which the API proxy and the runners find each other."""

from typing import Final

from wegent_crds.registry import GROUP

LEASE_PREFIX: Final = "wegent-runner-"
"""Beginning of the names of the runners' Leases. Only runners may write such Leases."""
ADDRESS_ANNOTATION: Final = f"{GROUP}/address"
"""Annotation of such a Lease: the ``http://host:port`` of the runner."""
AUDIENCE: Final = "wegent-runner"
"""Audience of the API proxy's tokens for the runners."""
