"""Kopf set up as a feed: it watches, and writes nothing to anybody's objects."""

from typing import Any

import kopf

from wegent_operator.provisions import PROVISIONED, SELECTOR
from wegent_operator.settings import Settings

WATCH_GRACE_S = 15
"""Between a watch's end and its renewal being answered by a busy API server."""


def configure(settings: kopf.OperatorSettings, ours: Settings) -> None:
    """Set what docs/adr/0005 explains: no posting, no scanning, no memory of what was handled."""
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.networking.request_timeout = 30
    settings.watching.server_timeout = ours.watch_timeout_s
    settings.watching.client_timeout = ours.watch_timeout_s + WATCH_GRACE_S
    settings.watching.chunk_size = 500
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.persistence.progress_storage = NoProgress()
    settings.watching.label_selectors[_is_provisioned] = SELECTOR


def _is_provisioned(resource: kopf.Resource) -> bool:
    """Tell whether only the operator's own objects of a resource are to be watched."""
    return any(
        (resource.group, resource.plural) == (ours.group, ours.plural) for ours in PROVISIONED
    )


class NoDiffBase(kopf.DiffBaseStorage):
    """Remembers nothing; Kopf's own keeps a deep copy of each object for each event."""

    def build(self, **_: Any) -> Any:
        """Return that there is nothing to compare."""
        return {}

    def fetch(self, **_: Any) -> Any:
        """Return that nothing was remembered."""
        return None

    def store(self, **_: Any) -> None:
        """Remember nothing."""


class NoProgress(kopf.ProgressStorage):
    """Remembers nothing; there are no handlers whose progress would matter."""

    def fetch(self, **_: Any) -> Any:
        """Return that nothing was remembered."""
        return None

    def store(self, **_: Any) -> None:
        """Remember nothing."""

    def purge(self, **_: Any) -> None:
        """Forget nothing."""

    def touch(self, **_: Any) -> None:
        """Mark nothing."""

    def clear(self, *, essence: Any) -> Any:
        """Return the essence as it is."""
        return essence
