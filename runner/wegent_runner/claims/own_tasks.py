"""Tells each claim when its Task changes, so that a cancelled or deleted one stops at once.

One informer selects the Tasks that this runner holds, by the field ``status.claim.holder``.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from wegent_kube.informer import Name
from wegent_runner.claims.claim import Claim


class OwnTasks:
    """The running claims by Task, and the handler of the informer of their Tasks."""

    def __init__(self) -> None:
        self._claims: dict[Name, Claim] = {}

    def add(self, claim: Claim) -> None:
        """Follow the Task of a claim."""
        self._claims[claim.namespace, claim.name] = claim

    def remove(self, claim: Claim) -> None:
        """Stop following the Task of a claim."""
        name = claim.namespace, claim.name
        if self._claims.get(name) is claim:  # a Task of the same name may be claimed by now
            del self._claims[name]

    def changed(self, body: Mapping[str, Any]) -> None:
        """Stir the claim if the Task is cancelled or being deleted; own writes change neither."""
        metadata = body["metadata"]
        claim = self._claims.get((metadata["namespace"], metadata["name"]))
        if claim is None:
            return
        if "deletionTimestamp" in metadata or (body["spec"].get("cancel") and not claim.cancelled):
            claim.stir()

    def deleted(self, name: Name) -> None:
        """Stir the claim: the Task is gone, or another writer has taken the claim away."""
        if (claim := self._claims.get(name)) is not None:
            claim.stir()

    def listed(self, names: AbstractSet[Name]) -> None:
        """Stir the claims whose Tasks are missing in a complete list."""
        for name in self._claims.keys() - names:
            self.deleted(name)

    def failed(self, error: Exception) -> None:
        """Do nothing: each renewal tells of a change too, only later."""
