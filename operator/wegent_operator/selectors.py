"""Label selectors (metav1.LabelSelector), matched in memory against namespaces' labels."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Requirement:
    """One expression: ``operator`` is In, NotIn, Exists or DoesNotExist."""

    key: str
    operator: str
    values: tuple[str, ...]

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether the labels satisfy it; an operator from the future matches nothing."""
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


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """Every requirement must hold; an empty selector matches everything."""

    requirements: tuple[Requirement, ...]

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether the labels satisfy every requirement."""
        return all(requirement.matches(labels) for requirement in self.requirements)


def selectors_of(bodies: Iterable[Mapping[str, Any]]) -> tuple[LabelSelector, ...]:
    """Return the selectors of a list of metav1.LabelSelector."""
    return tuple(_selector(body) for body in bodies)


def _selector(body: Mapping[str, Any]) -> LabelSelector:
    labels = (
        Requirement(key, "In", (value,)) for key, value in (body.get("matchLabels") or {}).items()
    )
    expressions = (
        Requirement(item["key"], item["operator"], tuple(item.get("values") or ()))
        for item in body.get("matchExpressions") or ()
    )
    return LabelSelector((*labels, *expressions))
