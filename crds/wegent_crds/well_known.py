"""The well-known labels, annotations and finalizers of Wegent.

Admission policies in the API server (``config/policies``) set and protect them, so that they are
reliable for every client. A test compares the names there with these constants.
"""

from typing import Final

from wegent_crds.reading import mapping, text
from wegent_crds.registry import GROUP

CREATED_BY: Final = f"{GROUP}/created-by"
"""Annotation: the Kubernetes user name of the user who created the object."""
CREATOR: Final = f"{GROUP}/creator"
"""Annotation: the creator's name for people. For an Account's ServiceAccount, this is the name of
the Account."""
CHANGED_BY: Final = f"{GROUP}/changed-by"
"""Annotation: the Kubernetes user name of the user who last changed the spec."""
DELETED_BY: Final = f"{GROUP}/deleted-by"
"""Annotation: the Kubernetes user name of the user who requested the object's deletion."""
TRASH_FINALIZER: Final = f"{GROUP}/trash"
"""Finalizer: the object is deleted only after its Tombstone is stored."""
STORED_IN: Final = f"{GROUP}/stored-in"
"""Annotation of an object that is being deleted: the name of its Tombstone.

While an object has this annotation, only the operator can update it.
"""
RESTORED_FROM: Final = f"{GROUP}/restored-from"
"""Annotation: the name of the Tombstone from which the object was restored.

On a Task, the names of the Tombstones of its earlier lives follow, the newest first, separated by
spaces. The transcript may still be stored under any of them.
"""
MAX_FORMER_LIVES: Final = 16
"""Number of names in that annotation."""
REQUEST_ID: Final = f"{GROUP}/request-id"
"""Annotation of a Task: the id of the HTTP request that created it. Calls of LLMs bear it too."""
REQUESTS_PER_MINUTE: Final = f"{GROUP}/requests-per-minute"
"""Annotation of a Namespace: maximum number of requests to Models, from 1, or ``none``."""
TOKENS_PER_DAY: Final = f"{GROUP}/tokens-per-day"
"""Annotation of a Namespace: maximum number of tokens, from 1, or ``none``."""
TOMBSTONE_OF: Final = f"{GROUP}/tombstone-of"
"""Label of a Tombstone: the plural of the deleted object's kind."""


def former_lives(annotations: object) -> list[str]:
    """Return the names of the Tombstones from which an object was restored, the newest first."""
    return text(mapping(annotations).get(RESTORED_FROM)).split()
