"""The condition ``KeysReadable``: whether the runner may read the keys that an object names.

It informs, and doesn't affect ``Ready``, as a key that can't be used for other reasons doesn't.
"""

from wegent_crds.conditions import ConditionType, Reason
from wegent_operator.references.view import View
from wegent_operator.state.key_secrets import MAX_NAMES
from wegent_operator.state.objects import ObjectState, key_places_of
from wegent_operator.state.verdict import Outcome, Problem, outcome_of


def keys_readable(state: ObjectState, view: View) -> Outcome | None:
    """Return the condition of an object with a key that the runner may not read; else None."""
    problems = [
        Problem(
            Reason.TOO_MANY_KEYS,
            f"Secret {name}: the objects of the namespace name more than {MAX_NAMES:,} Secrets with"
            " keys, and the runner may read no more; let objects share Secrets, delete objects, or"
            " move them to another namespace",
            (place,),
        )
        for place, name in key_places_of(state)
        if not view.is_key_readable(state.key.namespace, name)
    ]
    if not problems:
        return None
    return outcome_of(ConditionType.KEYS_READABLE, Reason.TOO_MANY_KEYS, problems)
