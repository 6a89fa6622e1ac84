"""The ResourceQuota in the namespace of each user, which limits the objects of each kind.

The API server refuses objects above the quota. The cluster's controller manager counts them.
Two facts, measured on Kubernetes 1.37, decide how the operator creates the quota:

- A quota limits nothing before it is counted, which takes a second. The operator creates a
  user's ServiceAccount only after that.
- The controller manager discovers new kinds twice a minute. If a quota names a kind that it
  doesn't know yet, it counts the quota in part, doesn't try again for minutes, and the
  namespace is blocked meanwhile. The operator replaces such a quota by one of the known kinds,
  and tries the whole one again later. It leaves out a kind that stays unknown for a longer time.
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
"""Name of the operator's quota in a user's namespace. The namespace may have other quotas."""
AGAIN_AFTER_S: Final = 10.0
"""Seconds before the whole of a quota that could not be counted is tried again. The controller
manager needs up to 30 s to discover a kind."""
TRIES: Final = 9
"""Tries to get a quota fully counted, before the unknown resources are left out."""
FAULTY_AFTER: Final = 5
"""Tries after which an unknown resource counts as misspelt: 40 s, longer than a discovery takes."""
LEFT_OUT_S: Final = 600.0
"""Seconds before a resource that was left out is tried again."""
SUFFIXES: Final = (("T", 10**12), ("G", 10**9), ("M", 10**6), ("k", 10**3))


class Counted(StrEnum):
    """Progress of the controller manager in counting a quota."""

    NOT_YET = "not yet"
    IN_PART = "in part"
    """The controller manager has finished, and does not know some of the resources."""
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
    """Return the limits of a quota; None for an object of another kind."""
    hard = (body.get("spec") or {}).get("hard")
    return None if hard is None else dict(hard)


def counted(body: Mapping[str, Any]) -> Counted:
    """Return the controller manager's progress with a quota, read from the quota's status."""
    hard = (body.get("spec") or {}).get("hard") or {}
    status = body.get("status") or {}
    if (status.get("hard") or {}).keys() != hard.keys():
        return Counted.NOT_YET
    return Counted.IN_PART if uncounted(body) else Counted.WHOLLY


def uncounted(body: Mapping[str, Any]) -> frozenset[str]:
    """Return the resources that a quota names and that are not counted yet."""
    hard = (body.get("spec") or {}).get("hard") or {}
    used = (body.get("status") or {}).get("used") or {}
    return frozenset(hard.keys() - used.keys())


class Pauses:
    """The pauses before the whole quotas of namespaces are tried again.

    Args:
        clock: monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}
        self._tries: Counter[str] = Counter()
        self._left_out: dict[str, float] = {}
        self._unknown: dict[str, frozenset[str]] = {}
        self._faulty: dict[str, frozenset[str]] = {}

    def begin(self, namespace: str, unknown: Collection[str]) -> float:
        """Begin a pause of ``AGAIN_AFTER_S`` and return its seconds.

        After ``TRIES`` pauses in a namespace, return 0 instead, and leave out the ``unknown``
        resources for ``LEFT_OUT_S`` in all namespaces. If they are still unknown after that, leave
        them out again without a pause.
        """
        self._tries[namespace] += 1
        self._unknown[namespace] = frozenset(unknown)
        tried_before = self._left_out.keys() >= set(unknown)
        if tried_before or self._tries[namespace] >= FAULTY_AFTER:
            self._faulty[namespace] = frozenset(unknown)
        if self._tries[namespace] < TRIES and not tried_before:
            self._until[namespace] = self._clock() + AGAIN_AFTER_S
            return AGAIN_AFTER_S
        new = sorted(set(unknown) - self._left_out.keys())
        self._left_out |= dict.fromkeys(unknown, self._clock() + LEFT_OUT_S)
        if new:
            logger.warning(
                "the cluster does not count %s in the quota of namespace %s, so there is no limit"
                " for it; correct the name in WEGENT_OPERATOR_ACCOUNT_QUOTA or in the Group's"
                " spec.quota if it is wrong",
                ", ".join(new),
                namespace,
            )
        return 0.0

    def over(self, namespace: str) -> None:
        """Record that a namespace's quota is counted, without the resources that are left out."""
        self._tries.pop(namespace, None)
        self._unknown.pop(namespace, None)
        if faulty := self._faulty.pop(namespace, frozenset()) & self.left_out():
            self._faulty[namespace] = faulty

    def unknown(self, namespace: str) -> frozenset[str]:
        """Return the resources that a namespace's quota must not name during its pause."""
        return self._unknown.get(namespace, frozenset()) | self.left_out()

    def faulty(self, namespace: str) -> frozenset[str]:
        """Return the resources that stay unknown after ``FAULTY_AFTER`` tries."""
        return self._faulty.get(namespace, frozenset()) | self.left_out()

    def left_out(self) -> frozenset[str]:
        """Return the resources that a quota must not name now."""
        now = self._clock()
        return frozenset(name for name, until in self._left_out.items() if until > now)

    def left_s(self, namespace: str) -> float:
        """Return the remaining seconds of a namespace's pause; 0 if there is none."""
        left = self._until.get(namespace, 0.0) - self._clock()
        if left <= 0:
            self._until.pop(namespace, None)
        return max(left, 0.0)
