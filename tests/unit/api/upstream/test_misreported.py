"""Errors 500 of the API server that are the request's own fault."""

import pytest

from wegent_api.upstream.misreported import request_fault

TYPED = "failed to create typed patch object (/g1; agent.wecode.io/v1, Kind=Ghost): "


@pytest.mark.parametrize(
    ("message", "code", "causes"),
    [
        (TYPED + ".spec: expected map, got &{7}", 422, {"spec": "expected map, got &{7}"}),
        (
            TYPED + "errors:\n  .foo: field not declared in schema\n  .spec.a: expected list",
            422,
            {"foo": "field not declared in schema", "spec.a": "expected list"},
        ),
        (TYPED + "something: new", 422, {"patch": "something: new"}),
        (TYPED + "something new", 422, {"patch": "something new"}),
        (
            'strconv.ParseUint: parsing "abc": invalid syntax',
            400,
            {"metadata.resourceVersion": "must be a version from the API server"},
        ),
        (
            "resourceVersion should not be set on objects to be created",
            400,
            {"metadata.resourceVersion": "must be omitted for a new object"},
        ),
    ],
)
def test_faults(message: str, code: int, causes: dict[str, str]) -> None:
    fault = request_fault({"message": message})
    assert fault is not None
    assert fault.code == code
    assert {cause.field: cause.message for cause in fault.causes} == causes


@pytest.mark.parametrize(
    "message", ["", "etcdserver: leader changed", "context deadline exceeded", None]
)
def test_what_is_the_servers_own(message: str | None) -> None:
    assert request_fault({"message": message}) is None
