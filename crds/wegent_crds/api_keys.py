"""API keys of Models and of MCP servers: the form of their Secrets, and the runner's Role.

The owner of a key names the hosts that may receive it, in an annotation of the Secret. The
admission policies in ``config/policies/keys.yaml`` enforce both forms.
"""

from typing import Final

from wegent_crds.registry import GHOST, GROUP, MODEL, SKILL

SECRET_TYPE: Final = f"{GROUP}/api-key"
"""Type of the Secrets of keys. The runner sends no other Secret to anybody."""
HOSTS_ANNOTATION: Final = f"{GROUP}/hosts"
"""Annotation: the hosts that may receive the key, comma-separated."""
ROLE: Final = "wegent-model-keys"
"""Name of the Role and of the RoleBinding that the operator writes in a namespace with keys."""
KINDS_WITH_KEYS: Final = (MODEL, GHOST, SKILL)
"""Kinds whose objects refer to Secrets of keys."""
