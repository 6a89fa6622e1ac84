"""Settings with which Kopf only watches, and writes nothing to any object."""

from collections.abc import Callable
from typing import Any

import kopf

from wegent_kube.resources import Resource
from wegent_operator.settings import Settings
from wegent_operator.watch.resources import WRITTEN, list_params

WATCH_GRACE_S = 15
"""Seconds in which a busy API server answers the renewal of a watch that has ended."""

IDLE_S = 0.2
"""Seconds for which Kopf keeps the last event of each object, with its body. The default is 5 s,
in which 500 Ghosts with long prompts may arrive."""
EXIT_S = 15.0
"""Seconds after which the process is killed when Kopf is stopping, for any cause. This is less
than the 30 s that Kubernetes gives a Pod."""


def configure(settings: kopf.OperatorSettings, ours: Settings) -> None:
    """Apply the settings of docs/adr/0005: no posting, no scanning, no record of handled events."""
    settings.posting.enabled = False
    settings.scanning.disabled = True
    # The session (kopf_session) decides how long requests and watches last.
    settings.queueing.idle_timeout = IDLE_S
    settings.process.ultimate_exiting_timeout = EXIT_S
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.persistence.progress_storage = NoProgress()
    for resource in WRITTEN:
        if selector := list_params(resource, ours.accounts_namespace).get("fieldSelector"):
            settings.watching.field_selectors[_is(resource)] = selector


def _is(ours: Resource) -> Callable[[kopf.Resource], bool]:
    """Return a function that recognizes a resource among Kopf's resources."""
    return lambda resource: (resource.group, resource.plural) == (ours.group, ours.plural)


class NoDiffBase(kopf.DiffBaseStorage):
    """Stores nothing. Kopf's default storage keeps a deep copy of each object for each event."""

    def build(self, **_: Any) -> Any:
        """Return an empty essence: nothing is compared."""
        return {}

    def fetch(self, **_: Any) -> Any:
        """Return that nothing was remembered."""
        return None

    def store(self, **_: Any) -> None:
        """Remember nothing."""


class NoProgress(kopf.ProgressStorage):
    """Stores nothing: the operator has no handlers with progress."""

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
