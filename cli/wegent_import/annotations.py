"""Annotations that keep parts of a document that have no field here."""

import json
from typing import Any, Final

from wegent_crds.kinds.group import IMPORTED_NAME

PREFIX: Final = "import.agent.wecode.io"
NAME: Final = IMPORTED_NAME
"""The name in Wegent, if it is not a Kubernetes name. On a Group always: it shows where the Group
comes from."""
NAMESPACE: Final = f"{PREFIX}/namespace"
"""The namespace in Wegent, if it has another name here."""
DISPLAY_NAME: Final = f"{PREFIX}/display-name"
USER_ID: Final = f"{PREFIX}/user-id"
"""Number of the user in Wegent's database."""
LABELS: Final = f"{PREFIX}/labels"
"""Labels that Kubernetes doesn't allow, as JSON."""
ANNOTATIONS: Final = f"{PREFIX}/annotations"
"""Annotations that Kubernetes doesn't allow, as JSON."""
METADATA: Final = f"{PREFIX}/metadata"
"""Other metadata, as JSON."""
SPEC: Final = f"{PREFIX}/spec"
"""Fields of the spec that have no counterpart, as JSON, without secrets."""
REPOSITORY: Final = f"{PREFIX}/repository"
"""On a Task: the repository of its Workspace, as JSON."""
MAX_BYTES: Final = 64 << 10
"""Of one annotation. An object may have 256 KiB of them."""


def encoded(value: Any) -> str | None:
    """Return a value as the text of an annotation, or None if it is too large."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text.encode("utf-8", "replace")) <= MAX_BYTES else None
