"""Names of the operator that other clients of the API server see."""

from typing import Final

FIELD_MANAGER: Final = "wegent-operator"
"""Manager of the fields that the operator writes, in ``metadata.managedFields``."""
