"""The Model that a Bot calls in a Task, by the operator's rules (ADR 43)."""

from collections.abc import Mapping, Sequence
from typing import Any

from wegent_runner.plan.plan import NotServed, NotSettled, full_name

Body = Mapping[str, Any]


def bound_model(places: Sequence[tuple[Body, Body]]) -> tuple[str, Body]:
    """Return the namespace of the object that names the Model, and its reference to the Model.

    Args:
        places: The Task, the Team if there is one, and the Bot, each with the part of it that may
            have a ``modelRef``: the spec of the Task, the Team's member, the spec of the Bot.

    Raises:
        NotServed: The Model would replace that of an object of another namespace.
        NotSettled: None of them names a Model. The operator says so on the Task.
    """
    naming = [(body, part["modelRef"]) for body, part in places if part.get("modelRef")]
    if not naming:
        bot, _ = places[-1]
        raise NotSettled(f"Bot {full_name(bot)} has no Model")
    (first, reference), *replaced = naming
    home = str(first["metadata"]["namespace"])
    for body, _ in replaced:
        if body["metadata"]["namespace"] != home:
            raise NotServed(f"the Model of {full_name(body)} can't be replaced from {home}")
    return home, reference
