"""Kopf set up as a feed: it watches, and writes nothing to anybody's objects."""

from collections.abc import Callable
from typing import Any

import kopf

from wegent_kube.resources import Resource
from wegent_operator.accounts.plan import PROVISIONED, list_params
from wegent_operator.settings import Settings

WATCH_GRACE_S = 15
"""Between a watch's end and its renewal being answered by a busy API server."""

IDLE_S = 0.2
"""Kopf keeps the last event of each object for so long, body included: 5 s by default, in which
500 Ghosts with long prompts may come."""
EXIT_S = 15.0
"""When Kopf has begun to end, by whatever cause, the process is killed after so many seconds:
less than the 30 s that Kubernetes gives a Pod."""


def configure(settings: kopf.OperatorSettings, ours: Settings) -> None:
    """Set what docs/adr/0005 explains: no posting, no scanning, no memory of what was handled."""
    settings.posting.enabled = False
    settings.scanning.disabled = True
    # How long requests and watches last is up to the session that Kopf gets (kopf_session).
    settings.queueing.idle_timeout = IDLE_S
    settings.process.ultimate_exiting_timeout = EXIT_S
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.persistence.progress_storage = NoProgress()
    for resource in PROVISIONED:
        if selector := list_params(resource, ours.accounts_namespace).get("fieldSelector"):
            settings.watching.field_selectors[_is(resource)] = selector


def _is(ours: Resource) -> Callable[[kopf.Resource], bool]:
    """Return what tells a resource of Kopf's from the others."""
    return lambda resource: (resource.group, resource.plural) == (ours.group, ours.plural)


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
