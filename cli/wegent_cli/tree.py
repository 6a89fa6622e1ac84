"""The graph of an object: its references downwards, with the fault of each, to the root cause.

A fault spreads upwards: a Task waits for its Team, the Team for its Bot, the Bot for a Ghost that
does not exist. The root cause is each object with a fault of its own, below which nothing is wrong.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from wegent_cli.text import one_line
from wegent_crds.conditions import conditions_of, find_condition
from wegent_crds.phases import Phase
from wegent_crds.references import ObjectKey, references_of
from wegent_crds.registry import BY_PLURAL, TASK, Kind

MAX_NODES: Final = 500
"""Objects of one graph. A Team has 64 Bots, and each of them a few objects of its own."""
MAX_DEPTH: Final = 100
"""Objects on one way down. Only Tasks that continue each other are as deep."""
FAULTS: Final = ("Ready", "Served", "KeyUsable", "ToolsServed")
"""Conditions that are False if something is wrong, the most important first."""


class State(Enum):
    """The state of one object, by its conditions."""

    GOOD = "good"
    PENDING = "pending"
    """The operator has not evaluated this version, or a Task waits for people."""
    BAD = "bad"
    MISSING = "missing"
    UNREADABLE = "unreadable"
    """The user may not read the object."""


class Absent(Enum):
    """The reason why there is no object to show."""

    MISSING = State.MISSING
    UNREADABLE = State.UNREADABLE


Fetch = Callable[[ObjectKey], Mapping[str, Any] | Absent]
"""Reads one object."""


@dataclass
class Node:
    """One object of the graph.

    Attributes:
        key: its identity.
        path: path of the reference to it, such as ``spec.ghostRef``; empty for the first one.
        state: its state.
        reason: the reason of the condition that shows the state; the phase for a Task that is well.
        message: the words of that condition.
        children: its referents. Those of an object that is shown before are left out.
        shown_before: True if the object is in the graph already, with its referents.
        is_root_cause: True if it has a fault that follows from no other object of the graph.
    """

    key: ObjectKey
    path: str
    state: State
    reason: str = ""
    message: str = ""
    children: list["Node"] = field(default_factory=list)
    shown_before: bool = False
    is_root_cause: bool = False

    @property
    def kind(self) -> Kind:
        """The object's kind."""
        return BY_PLURAL[self.key.plural]

    @property
    def title(self) -> str:
        """The object's kind, namespace and name."""
        return f"{self.kind.kind} {self.key.namespace}/{self.key.name}"

    @property
    def is_faulty(self) -> bool:
        """True if the object is missing or has a fault."""
        return self.state in {State.BAD, State.MISSING}

    def walk(self) -> Iterator["Node"]:
        """Yield the node and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()

    def as_json(self) -> dict[str, Any]:
        """Return the graph for ``-o json``."""
        facts = {
            "kind": self.kind.kind,
            "namespace": self.key.namespace,
            "name": self.key.name,
            "field": self.path,
            "state": self.state.value,
            "reason": self.reason,
            "message": self.message,
            "rootCause": self.is_root_cause,
            "references": [child.as_json() for child in self.children],
        }
        return {key: value for key, value in facts.items() if value not in ("", [], False)}


def graph(key: ObjectKey, fetch: Fetch) -> Node:
    """Return the graph of an object, with its root causes marked. It has at most MAX_NODES."""
    seen: dict[ObjectKey, State] = {}
    root = _grown(key, "", fetch, seen, MAX_DEPTH)
    faulty = _mark(root, {})
    if root.is_faulty and not faulty:
        root.is_root_cause = True
    return root


def _grown(
    key: ObjectKey, path: str, fetch: Fetch, seen: dict[ObjectKey, State], depth: int
) -> Node:
    body = fetch(key)
    if isinstance(body, Absent):
        seen[key] = body.value
        return Node(key, path, body.value, *_words_for(body))
    kind = BY_PLURAL[key.plural]
    node = Node(key, path, *judged(kind, body))
    seen[key] = node.state
    if path.endswith("previousTaskRef") and node.state is State.GOOD:
        return node  # a conversation may have hundreds of Tasks, and this part of it is well
    for reference in references_of(kind, key.namespace, body):
        if reference.target in seen:
            state = seen[reference.target]
            child = Node(reference.target, reference.field, state, shown_before=True)
        elif len(seen) >= MAX_NODES or not depth:
            break
        else:
            child = _grown(reference.target, reference.field, fetch, seen, depth - 1)
        node.children.append(child)
    return node


def _words_for(absent: Absent) -> tuple[str, str]:
    if absent is Absent.MISSING:
        return "NotFound", "the object does not exist; create it, or change the reference"
    return "Forbidden", "you may not read this object"


def judged(kind: Kind, body: Mapping[str, Any]) -> tuple[State, str, str]:
    """Return the state of an object, with the reason and the message that show it."""
    status = body.get("status") or {}
    phase = status.get("phase", "")
    conditions = conditions_of(body)
    if kind is TASK:
        if phase == Phase.COMPLETED:
            return State.GOOD, phase, ""
        failed = find_condition(conditions, "Failed")
        if phase in {Phase.FAILED, Phase.CANCELLED}:
            message = failed.message if failed else status.get("message", "")
            return State.BAD, phase, one_line(message)
    found = {type_: find_condition(conditions, type_) for type_ in FAULTS}
    for condition in found.values():
        if condition is not None and condition.is_false:
            return State.BAD, condition.reason, one_line(condition.message)
    ready = found["Ready"]
    generation = (body.get("metadata") or {}).get("generation")
    if ready is None or not ready.is_true or ready.observed_generation not in {None, generation}:
        return State.PENDING, "Pending", "the operator has not evaluated this version yet"
    if kind is TASK:
        state = State.PENDING if phase == Phase.WAITING else State.GOOD
        return state, phase or "Pending", one_line(status.get("message", ""))
    return State.GOOD, ready.reason, ""


def _mark(node: Node, known: dict[ObjectKey, bool]) -> bool:
    """Mark the root causes in a part of the graph; return True if something in it is wrong."""
    if node.shown_before:
        return known.get(node.key, node.is_faulty)
    known[node.key] = node.is_faulty  # for a cycle, which leads here again
    below = [_mark(child, known) for child in node.children]
    node.is_root_cause = node.is_faulty and not any(below)
    known[node.key] = node.is_faulty or any(below)
    return known[node.key]
