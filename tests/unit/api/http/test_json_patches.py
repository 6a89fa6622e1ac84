"""The requirements of RFC 6902 for each operation."""

from typing import Any

import pytest

from wegent_api.http.json_patches import operation_errors


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "/a", "value": None},
        {"op": "test", "path": "", "value": {}},
        {"op": "remove", "path": "/a", "more": 1},
        {"op": "move", "path": "/a", "from": "/b"},
    ],
)
def test_nothing_is_wrong_with(operation: dict[str, Any]) -> None:
    assert not list(operation_errors([operation]))


@pytest.mark.parametrize(
    ("operation", "field"),
    [
        (5, "[1]"),
        (None, "[1]"),
        ({}, "[1].op"),
        ({"op": ["add"]}, "[1].op"),
        ({"op": "bogus", "path": ""}, "[1].op"),
        ({"op": "add", "value": 1}, "[1].path"),
        ({"op": "remove", "path": 1}, "[1].path"),
        ({"op": "replace", "path": ""}, "[1].value"),
        ({"op": "test", "path": ""}, "[1].value"),
        ({"op": "copy", "path": "/a"}, "[1].from"),
    ],
)
def test_what_is_wrong_is_named_by_its_place(operation: Any, field: str) -> None:
    fine = {"op": "remove", "path": "/a"}
    assert [cause.field for cause in operation_errors([fine, operation])] == [field]
