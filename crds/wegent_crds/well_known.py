"""The marks that Wegent leaves in objects' metadata.

Stamped and guarded by admission policies inside the API server
(``hack/codegen/mark_policies.py``), so that they hold for every client.
"""

from typing import Final

from wegent_crds.registry import GROUP

CREATED_BY: Final = f"{GROUP}/created-by"
"""Annotation: the Kubernetes user name of the user who created the object."""
CREATOR: Final = f"{GROUP}/creator"
"""Annotation: the same as people say it; for an Account's ServiceAccount, the Account's name."""
CHANGED_BY: Final = f"{GROUP}/changed-by"
"""Annotation: the Kubernetes user name of the user who last changed the spec."""
DELETED_BY: Final = f"{GROUP}/deleted-by"
"""Annotation: the Kubernetes user name of the user who asks for the object's deletion."""
TRASH_FINALIZER: Final = f"{GROUP}/trash"
"""Finalizer: the object goes only after a Tombstone of it is stored."""
STORED_IN: Final = f"{GROUP}/stored-in"
"""Annotation of an object that is being deleted: the Tombstone that it is being stored in.

While it is there, nobody but the operator writes to the object.
"""
RESTORED_FROM: Final = f"{GROUP}/restored-from"
"""Annotation: the name of the Tombstone that brought the object back."""
TOMBSTONE_OF: Final = f"{GROUP}/tombstone-of"
"""Label of a Tombstone: the plural of the kind that it holds."""
