"""The ResourceQuota in the namespace of each user: how many objects of each kind it may hold.

The API server refuses what exceeds it, and the cluster's controller manager counts. Two state,
measured on Kubernetes 1.37, decide how it is made:

- A quota limits nothing before it is counted, which takes a second. A user's ServiceAccount
  waits for that.
- The controller manager learns of new kinds twice a minute. A quota that names a kind
  which it doesn't know yet is counted in part, is not looked at again for minutes, and blocks
  the namespace meanwhile. Such a quota is deleted, and made again later. A kind that stays
  unknown is left out, so that the others are limited.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from typing import Any, Final

from wegent_crds.members import MANAGED_BY
from wegent_kube.resources import RESOURCE_QUOTAS

logger = logging.getLogger(__name__)

QUOTA_NAME: Final = "wegent-account"
"""Name of the operator's quota in a user's namespace; others may stand beside it."""
AGAIN_AFTER_S: Final = 10.0
"""Until a quota that could not be counted is made again; the controller manager takes 30 s."""
TRIES: Final = 9
"""To have all of a quota counted, before the resources that are not known are left out."""
LEFT_OUT_S: Final = 600.0
"""Until a resource that was left out is tried again."""
SUFFIXES: Final = (("T", 10**12), ("G", 10**9), ("M", 10**6), ("k", 10**3))


class Counted(StrEnum):
    """How far the controller manager is with a quota."""

    NOT_YET = "not yet"
    IN_PART = "in part"
    """It is through, and does not know some of the resources."""
    WHOLLY = "wholly"


def quota_manifest(namespace: str, hard: Mapping[str, int], manager: str) -> dict[str, Any]:
    """Return the ResourceQuota for a namespace; ``hard`` maps resources to counts."""
    return {
        "apiVersion": RESOURCE_QUOTAS.api_version,
        "kind": "ResourceQuota",
        "metadata": {"name": QUOTA_NAME, "namespace": namespace, "labels": {MANAGED_BY: manager}},
        "spec": {"hard": {name: quantity(count) for name, count in hard.items()}},
    }


def quantity(count: int) -> str:
    """Return a count as the API server stores it: 2000 is ``2k``."""
    for suffix, factor in SUFFIXES:
        if count and count % factor == 0:
            return f"{count // factor}{suffix}"
    return str(count)


def hard_of(body: Mapping[str, Any]) -> dict[str, str] | None:
    """Return what a quota allows; None for an object of another kind."""
    hard = (body.get("spec") or {}).get("hard")
    return None if hard is None else dict(hard)


def counted(body: Mapping[str, Any]) -> Counted:
    """Tell from a quota's status how far the controller manager is with it."""
    hard = (body.get("spec") or {}).get("hard") or {}
    status = body.get("status") or {}
    if (status.get("hard") or {}).keys() != hard.keys():
        return Counted.NOT_YET
    return Counted.IN_PART if uncounted(body) else Counted.WHOLLY


def uncounted(body: Mapping[str, Any]) -> frozenset[str]:
    """Return the resources that a quota names and nothing has counted."""
    hard = (body.get("spec") or {}).get("hard") or {}
    used = (body.get("status") or {}).get("used") or {}
    return frozenset(hard.keys() - used.keys())


class Pauses:
    """Namespaces whose quota is to be made again, not before some time has passed.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}
        self._tries: Counter[str] = Counter()
        self._left_out: dict[str, float] = {}

    def begin(self, namespace: str, unknown: Collection[str]) -> float:
        """Let ``AGAIN_AFTER_S`` pass; return that.

        After ``TRIES`` pauses in a namespace nothing more is waited for, 0 is returned, and the
        ``unknown`` resources are left out for a while, in all namespaces. Tried again and still
        unknown, they are left out at once.
        """
        self._tries[namespace] += 1
        tried_before = self._left_out.keys() >= set(unknown)
        if self._tries[namespace] < TRIES and not tried_before:
            self._until[namespace] = self._clock() + AGAIN_AFTER_S
            return AGAIN_AFTER_S
        new = sorted(set(unknown) - self._left_out.keys())
        self._left_out |= dict.fromkeys(unknown, self._clock() + LEFT_OUT_S)
        if new:
            logger.warning(
                "WEGENT_OPERATOR_ACCOUNT_QUOTA: the cluster does not count %s, and users are not"
                " limited there; if that is not the name of a resource of this cluster, mend it",
                ", ".join(new),
            )
        return 0.0

    def over(self, namespace: str) -> None:
        """Take in that a namespace's quota is counted."""
        self._tries.pop(namespace, None)

    def left_out(self) -> frozenset[str]:
        """Return the resources that are not to be named now."""
        now = self._clock()
        return frozenset(name for name, until in self._left_out.items() if until > now)

    def left_s(self, namespace: str) -> float:
        """Return the seconds that are left; 0 where nothing has to be waited for."""
        left = self._until.get(namespace, 0.0) - self._clock()
        if left <= 0:
            self._until.pop(namespace, None)
        return max(left, 0.0)
