"""Label selectors: each operator, with and without a match."""

from typing import Any

import pytest

from wegent_crds.selectors import selectors_of


def expression(operator: str, *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": "team", "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("selector", "labels", "matches"),
    [
        ({}, {}, True),
        ({"matchLabels": {"team": "a"}}, {"team": "a", "x": "y"}, True),
        ({"matchLabels": {"team": "a"}}, {"team": "b"}, False),
        ({"matchLabels": {"team": "a", "x": "y"}}, {"team": "a"}, False),
        (expression("In", "a", "b"), {"team": "b"}, True),
        (expression("In", "a", "b"), {}, False),
        (expression("NotIn", "a"), {"team": "b"}, True),
        (expression("NotIn", "a"), {}, True),
        (expression("NotIn", "a"), {"team": "a"}, False),
        (expression("Exists"), {"team": ""}, True),
        (expression("Exists"), {}, False),
        (expression("DoesNotExist"), {}, True),
        (expression("DoesNotExist"), {"team": ""}, False),
        (expression("FromTheFuture"), {"team": "a"}, False),
    ],
)
def test_a_selector(selector: dict[str, Any], labels: dict[str, str], matches: object) -> None:
    assert selectors_of([selector])[0].matches(labels) is matches
