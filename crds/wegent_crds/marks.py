"""The marks that Wegent leaves in objects' metadata.

Stamped and guarded by admission policies inside the API server
(``hack/codegen/policies.py``), so that they hold for every client.
"""

from typing import Final

from wegent_crds.kinds import GROUP

CREATED_BY: Final = f"{GROUP}/created-by"
"""Annotation: the Kubernetes user name of whoever created the object."""
CREATOR: Final = f"{GROUP}/creator"
"""Annotation: the same as people say it; for an Account's ServiceAccount, the Account's name."""
TRASH_FINALIZER: Final = f"{GROUP}/trash"
"""Finalizer: the object goes only after a Tombstone of it is stored."""
RESTORED_FROM: Final = f"{GROUP}/restored-from"
"""Annotation: the name of the Tombstone that brought the object back."""
TOMBSTONE_OF: Final = f"{GROUP}/tombstone-of"
"""Label of a Tombstone: the plural of the kind that it holds."""
