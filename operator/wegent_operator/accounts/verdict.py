"""The verdict on an Account: pure."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

from wegent_crds.conditions import ConditionType, Reason
from wegent_crds.references import ObjectKey
from wegent_operator.state.objects import AccountState
from wegent_operator.state.verdict import Outcome, Problem, Verdict, verdict_of

SUSPENDED: Final = Outcome(
    ConditionType.READY,
    status=True,
    reason=Reason.SUSPENDED,
    message="spec.suspended: the user has no access; set it to false to restore the access",
)
"""The condition of a suspended Account. Ready is True, because the Account is as its spec says.
For kstatus, Ready=False would mean work in progress."""
UNRESOLVED: Final = frozenset({Reason.REF_NOT_FOUND, Reason.REF_NOT_PERMITTED})
"""Reasons that concern a namespace to which an Account refers."""


def verdict(
    state: AccountState, problems: Sequence[Problem], admins: Collection[ObjectKey]
) -> Verdict:
    """Return the verdict on an Account.

    Args:
        state: the Account.
        problems: causes for which it isn't ready. The condition has the first one's reason.
        admins: active admins' Accounts in the accounts namespace, this one included.
    """
    unresolved = [problem for problem in problems if problem.reason in UNRESOLVED]
    decided = replace(
        verdict_of(unresolved, list(problems)), last_admin=_last_admin(state.key, admins)
    )
    return replace(decided, ready=SUSPENDED) if state.spec.suspended and not problems else decided


def _last_admin(key: ObjectKey, admins: Collection[ObjectKey]) -> Outcome | None:
    if key not in admins:
        return None
    if len(admins) > 1:
        return Outcome(
            ConditionType.LAST_ADMIN, status=False, reason=Reason.OTHER_ADMINS, message=""
        )
    message = (
        "this Account is the last admin that is not suspended, so users can't demote, suspend or "
        "delete it; give another Account the role admin first"
    )
    return Outcome(ConditionType.LAST_ADMIN, status=True, reason=Reason.LAST_ADMIN, message=message)
