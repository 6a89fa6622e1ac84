"""Label selectors (metav1.LabelSelector), matched in memory against namespaces' labels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from wegent_crds.reading import items, mapping, text, texts


@dataclass(frozen=True, slots=True)
class Requirement:
    """One expression: ``operator`` is In, NotIn, Exists or DoesNotExist."""

    key: str
    operator: str
    values: tuple[str, ...]

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether the labels satisfy it; an operator from the future matches nothing."""
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels
        return False


NOTHING: Final = Requirement("", "", ())
"""Matches nothing: what a requirement is that can't be read. Without it, a selector would let
more namespaces in than its author wrote."""


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """Every requirement must hold; an empty selector matches everything."""

    requirements: tuple[Requirement, ...]

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether the labels satisfy every requirement."""
        return all(requirement.matches(labels) for requirement in self.requirements)


def selectors_of(bodies: object) -> tuple[LabelSelector, ...]:
    """Return the selectors of a list of metav1.LabelSelector."""
    return tuple(_selector(body) for body in items(bodies))


def _selector(body: object) -> LabelSelector:
    if not isinstance(body, Mapping):
        return LabelSelector((NOTHING,))
    labels, expressions = body.get("matchLabels"), body.get("matchExpressions")
    return LabelSelector((*_of_labels(labels), *_of_expressions(expressions)))


def _of_labels(labels: object) -> tuple[Requirement, ...]:
    if labels is not None and not isinstance(labels, Mapping):
        return (NOTHING,)
    return tuple(
        Requirement(key, "In", (value,)) if isinstance(value, str) else NOTHING
        for key, value in mapping(labels).items()
    )


def _of_expressions(expressions: object) -> tuple[Requirement, ...]:
    if expressions is not None and not isinstance(expressions, list):
        return (NOTHING,)
    return tuple(map(_expression, items(expressions)))


def _expression(body: object) -> Requirement:
    expression = mapping(body)
    key, values = text(expression.get("key")), expression.get("values")
    readable = texts(values)
    if not key or list(readable) != (values or []):
        return NOTHING
    return Requirement(key, text(expression.get("operator")), readable)
