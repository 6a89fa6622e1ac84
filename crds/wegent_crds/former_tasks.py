"""The former UIDs of a Task that was restored from the trash."""

from collections.abc import Mapping
from typing import Any, Final

from wegent_crds.registry import TASK
from wegent_crds.well_known import former_lives

TOMBSTONE_PREFIX: Final = f"{TASK.singular}-"
"""Beginning of the name of a Task's Tombstone; the Task's UID follows."""


def former_uids(metadata: Mapping[str, Any]) -> list[str]:
    """Return the UIDs that a Task had before it was restored, the newest first.

    Args:
        metadata: That of the Task, or of its Tombstone.
    """
    lives = former_lives(metadata.get("annotations"))
    return [
        life.removeprefix(TOMBSTONE_PREFIX) for life in lives if life.startswith(TOMBSTONE_PREFIX)
    ]
