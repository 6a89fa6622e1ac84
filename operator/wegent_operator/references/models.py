"""The Models that Bots call: where each is named, and whether the Bot can call it.

A Task names a Model for all of its Bots, a Team for one of its members, and a Bot for itself. The
Task's comes first, then the Team's, then the Bot's (ADR 43). Each object is told of the Models that
it names itself, and a Task also of a Bot for which no Model is named. A Bot or Team without one is
Ready, because a later object may name it, and has the condition ``ModelBound`` for information.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from wegent_crds.conditions import ConditionType, Reason
from wegent_crds.references import ObjectKey, Reference
from wegent_crds.registry import BOT, TASK, TEAM
from wegent_operator.references.view import View, is_open
from wegent_operator.state.objects import ModelState, ObjectState, ShellState, title
from wegent_operator.state.verdict import MAX_PROBLEMS, Outcome, Problem, outcome_of


@dataclass(frozen=True, slots=True)
class _Choice:
    """An object that names a Model for a Bot."""

    by: ObjectState
    reference: Reference


@dataclass(frozen=True, slots=True)
class _Use:
    """A Bot, as the evaluated object uses it.

    Attributes:
        via: The evaluated object's reference to the Bot or to its Team; None for the Bot itself.
        choices: The objects that name a Model for the Bot. It calls the first; that replaces the
            others.
    """

    bot: ObjectState
    via: Reference | None
    choices: tuple[_Choice, ...]


def model_problems(state: ObjectState, view: View) -> list[Problem]:
    """Return a problem for each Bot of an object that can't call the Model named for it.

    The references of the object and of its referents must resolve.
    """
    found = (
        problem for use in _uses(state, view) for problem in _problems_of_use(state, use, view)
    )
    return list(dict.fromkeys(found))


def model_bound(state: ObjectState, view: View) -> Outcome | None:
    """Return the condition of a Bot or Team for which no Model is named, or None.

    The references of the object must resolve.
    """
    if state.key.plural not in (BOT.plural, TEAM.plural):
        return None
    problems = [
        Problem(
            Reason.MODEL_NOT_BOUND,
            "no Model is named; a Team or Task that uses this Bot must name one"
            if use.via is None
            else f"{title(use.bot.key)} has no Model; a Task of this Team must name one",
            ("spec.modelRef" if use.via is None else f"{use.via.field}.modelRef",),
        )
        for use in _uses(state, view)
        if not use.choices
    ]
    if not problems:
        return None
    return outcome_of(ConditionType.MODEL_BOUND, Reason.MODEL_NOT_BOUND, problems)


def _uses(state: ObjectState, view: View) -> Iterator[_Use]:
    """Yield the Bots to which an object leads: itself, or those of its Team or of its Task."""
    if state.key.plural == BOT.plural:
        yield _Use(state, None, (*_named(state, "spec"),))
    for via in state.references:
        referent = view.get(via.target)
        if via.target.plural in (TEAM.plural, BOT.plural) and referent is not None:
            chosen = *_named(state, "spec"), *_named(state, via.field)
            for use in _uses(referent, view):
                yield _Use(use.bot, via, (*chosen, *use.choices))


def _named(state: ObjectState, place: str) -> Iterator[_Choice]:
    """Yield the Model that an object names in the field ``modelRef`` of a place in it."""
    for reference in state.references:
        if reference.field == f"{place}.modelRef":
            yield _Choice(state, reference)


def _problems_of_use(state: ObjectState, use: _Use, view: View) -> Iterable[Problem]:
    if not use.choices:
        return _unbound(state, use, view) if state.key.plural == TASK.plural else ()
    first, *replaced = use.choices
    if first.by is not state:  # the other object is told
        return ()
    kept = _not_replaceable(state, use, first.reference, replaced, view)
    return kept or _unsupported_provider(state, use, first.reference, view)


def _unbound(state: ObjectState, use: _Use, view: View) -> list[Problem]:
    message = (
        f"{_told(state, use, use.bot.key, view)} has no Model; create another Task that names one"
        " here, or name one in the Bot or in its Team"
    )
    return [_problem(Reason.MODEL_NOT_BOUND, state, "spec.modelRef", message)]


def _not_replaceable(
    state: ObjectState, use: _Use, named: Reference, replaced: Sequence[_Choice], view: View
) -> list[Problem]:
    """Return a problem if an object of another namespace names the Model that would be replaced.

    To replace a Model is to have the Bot's prompts and tools' results sent to another place. An
    object that names no Model leaves that to its referrers; permission to use an object that does
    name one is permission to use it as it is. That holds for shared namespaces too: users may have
    no right to read them.
    """
    home = state.key.namespace
    for choice in replaced:
        if choice.by.key.namespace != home:
            message = (
                f"{_told(state, use, choice.by.key, view)} has its own Model, which an object in"
                f" namespace {home} can't replace; leave modelRef out"
            )
            return [_problem(Reason.MODEL_NOT_REPLACEABLE, state, named.field, message)]
    return []


def _unsupported_provider(
    state: ObjectState, use: _Use, named: Reference, view: View
) -> list[Problem]:
    model, shell = view.get(named.target), _shell_of(use.bot, view)
    if not isinstance(model, ModelState) or shell is None or not shell.supported_providers:
        return []
    for called, words in _called(state, named.field, model, view):
        if called.provider not in shell.supported_providers:
            has = f"has the provider {called.provider}"
            field = "spec.shellRef" if use.bot is state else named.field
            if use.bot is state:
                message = (
                    f"{title(shell.key)} supports the providers "
                    f"{_listed(shell.supported_providers)}, but {words} {has}; choose another"
                    " Model or Shell"
                )
            else:
                message = (
                    f"{words} {has}, which the Shell of"
                    f" {_told(state, use, use.bot.key, view)} does not support; choose another"
                    " Model or Bot"
                )
            return [_problem(Reason.PROVIDER_NOT_SUPPORTED, state, field, message)]
    return []


def _called(
    state: ObjectState, field: str, model: ModelState, view: View
) -> Iterator[tuple[ModelState, str]]:
    """Yield the Models that a Bot may call, each with its description for the object's message."""
    main = f"{title(model.key)} in {field}"
    yield model, main
    for reference in model.references:
        fallback = view.get(reference.target)
        if isinstance(fallback, ModelState):
            is_told = is_open(model.key.namespace, state.key.namespace, view)
            name = title(fallback.key) if is_told else "a Model"
            yield fallback, f"{name}, a fallback of {main},"


def _shell_of(bot: ObjectState, view: View) -> ShellState | None:
    referents = (view.get(reference.target) for reference in bot.references)
    return next((it for it in referents if isinstance(it, ShellState)), None)


def _told(state: ObjectState, use: _Use, key: ObjectKey, view: View) -> str:
    """Return the words for the Bot or its Team. Those that a hidden object names stay hidden."""
    via = use.via
    if via is None or via.target == key:
        return title(key)
    if is_open(via.target.namespace, state.key.namespace, view):
        return title(key)
    return f"a Bot of {title(via.target)}"


def _problem(reason: Reason, state: ObjectState, field: str, message: str) -> Problem:
    return Problem(reason, message, (field,), root=(reason, state.key, field, message))


def _listed(names: Sequence[str]) -> str:
    """Return names as text, no more of them than a message has room for."""
    more = len(names) - MAX_PROBLEMS
    return ", ".join(names[:MAX_PROBLEMS]) + (f" and {more} more" if more > 0 else "")
