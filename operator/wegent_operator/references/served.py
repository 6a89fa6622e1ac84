"""The condition ``Served``: whether runners serve an object's Shells and its Team's mode.

It informs, and doesn't affect ``Ready``. Runners come and go, and a Task that waits for a runner is
as ready as a Pod that waits for a node. The types of Shells and the modes of collaboration that
have runners are settings of the operator: if they followed the runners' Leases, an outage of the
runners would rewrite the status of each Bot, Team and Task, and their return would do so again.
"""

from collections.abc import Hashable
from typing import Final

from wegent_crds.conditions import ConditionType, Reason
from wegent_crds.references import Reference
from wegent_crds.registry import BOT, SHELL, TASK, TEAM
from wegent_operator.references.view import View, is_open, resolve
from wegent_operator.state.objects import ObjectState, ShellState, TeamState, title
from wegent_operator.state.verdict import Outcome, Problem, outcome_of

LEADS_TO: Final = {
    BOT.plural: (SHELL.plural,),
    TEAM.plural: (BOT.plural,),
    TASK.plural: (TEAM.plural, BOT.plural),
}
"""The kinds that have the condition, each with the kinds of the referents that lead to Shells."""


def served(state: ObjectState, view: View) -> Outcome | None:
    """Return the condition of a Bot, Team or Task; None if one of its Shells is not known."""
    if state.key.plural not in LEADS_TO:
        return None
    problems = _unserved(state, view)
    if problems is None:
        return None
    return outcome_of(ConditionType.SERVED, Reason.SHELL_SERVED, problems)


def _unserved(state: ObjectState, view: View) -> list[Problem] | None:
    """Return a problem for each mode and type of Shell without a runner.

    None if that can't be told yet, because a Shell is not known.
    """
    found: dict[Hashable, Problem] = {problem.root: problem for problem in _of_mode(state, view)}
    unknown = False
    for reference in state.references:
        if reference.target.plural not in LEADS_TO[state.key.plural]:
            continue
        referent = view.get(reference.target)
        if referent is None or resolve(state, reference, view) is not None:
            causes = None
        elif isinstance(referent, ShellState):
            causes = _of_shell(reference, referent, view)
        else:
            causes = _unserved(referent, view)
            if causes is not None:
                causes = [_through(state, reference, cause, view) for cause in causes]
        unknown = unknown or causes is None
        for problem in causes or ():
            found.setdefault(problem.root, problem)
    return list(found.values()) or (None if unknown else [])


def _of_mode(state: ObjectState, view: View) -> list[Problem]:
    """Return a problem if the object is a Team with a mode that no runner serves."""
    if not isinstance(state, TeamState) or state.mode in view.served_modes:
        return []
    message = f"no runner serves the mode {state.mode}"
    if view.served_modes:
        message += f"; choose a mode that runners serve: {', '.join(sorted(view.served_modes))}"
    root = (Reason.MODE_NOT_SERVED, state.mode)
    return [Problem(Reason.MODE_NOT_SERVED, message, ("spec.collaborationMode",), root=root)]


def _of_shell(reference: Reference, shell: ShellState, view: View) -> list[Problem] | None:
    if shell.type is None:
        return None
    if shell.type in view.served_shells:
        return []
    message = f"no runner serves Shells of the type {shell.type}"
    return [Problem(Reason.SHELL_NOT_SERVED, message, (reference.field,), root=shell.type)]


def _through(state: ObjectState, reference: Reference, cause: Problem, view: View) -> Problem:
    """Return the problem that a referent's problem is for an object that refers to it."""
    referent = title(reference.target)
    if is_open(reference.target.namespace, state.key.namespace, view):
        return cause.through(reference.field, referent, cause.reason)
    if cause.reason is Reason.MODE_NOT_SERVED:
        message = f"{referent} has a mode of collaboration that no runner serves"
    else:
        message = f"{referent} needs a Shell that no runner serves"
    return Problem(cause.reason, message, (reference.field,), root=cause.root)
