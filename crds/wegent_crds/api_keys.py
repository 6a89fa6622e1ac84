"""API keys of Models: the form of their Secrets, and the Role that lets the runner read them.

The owner of a key names the hosts that may receive it, in an annotation of the Secret. The
admission policies in ``config/policies/keys.yaml`` enforce both forms.
"""

from typing import Final

from wegent_crds.registry import GROUP

SECRET_TYPE: Final = f"{GROUP}/api-key"
"""Type of the Secrets of keys. The runner sends no other Secret to anybody."""
HOSTS_ANNOTATION: Final = f"{GROUP}/hosts"
"""Annotation: the hosts that may receive the key, comma-separated."""
ROLE: Final = "wegent-model-keys"
"""Name of the Role and of the RoleBinding that the operator writes in a namespace of Models."""
