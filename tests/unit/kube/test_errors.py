"""The predicates of a failure, which agree with client-go's ``apierrors``."""

from typing import Any, Final

import pytest

from wegent_api.http.errors import Conflict, TooManyRequests, Unavailable, UpstreamStatus
from wegent_kube import ApiError, Unreachable, delete_or_none, get_or_none
from wegent_kube.errors import KNOWN_REASONS, StatusError

PREDICATES: Final = {
    "is_bad_request": {("BadRequest", 400)},
    "is_unauthorized": {("Unauthorized", 401)},
    "is_forbidden": {("Forbidden", 403)},
    "is_not_found": {("NotFound", 404)},
    "is_method_not_supported": {("MethodNotAllowed", 405)},
    "is_already_exists": {("AlreadyExists", 409)},
    "is_conflict": {("Conflict", 409)},
    "is_resource_expired": {("Expired", 410), ("Gone", 410)},
    "is_request_entity_too_large": {("RequestEntityTooLarge", 413)},
    "is_invalid": {("Invalid", 422)},
    "is_too_many_requests": {("TooManyRequests", 429)},
    "is_internal_error": {("InternalError", 500)},
    "is_service_unavailable": {("ServiceUnavailable", 503)},
    "is_timeout": {("Timeout", 504)},
}
"""The reasons for which each predicate is true, with the codes that the API server sends."""


def failure(reason: str, code: int, **details: Any) -> ApiError:
    return ApiError(code, {"kind": "Status", "reason": reason, "code": code, "details": details})


def true_of(error: StatusError) -> set[str]:
    return {name for name in PREDICATES if getattr(error, name)}


def test_the_table_has_every_predicate() -> None:
    properties = {name for name in vars(StatusError) if name.startswith("is_")}
    assert properties == PREDICATES.keys() | {"is_server_error"}


@pytest.mark.parametrize(
    ("reason", "code"), sorted(pair for pairs in PREDICATES.values() for pair in pairs)
)
def test_a_reason_has_one_predicate(reason: str, code: int) -> None:
    assert reason in KNOWN_REASONS
    expected = {name for name, pairs in PREDICATES.items() if (reason, code) in pairs}
    status = failure(reason, code).status
    assert true_of(failure(reason, code)) == expected
    assert true_of(UpstreamStatus(status, code, {})) == expected
    assert true_of(failure(reason, 418)) == expected, "the reason decides, whatever the code"


@pytest.mark.parametrize("reason", ["", "QuotaOfOurs"])
def test_without_a_reason_of_kubernetes_the_code_decides(reason: str) -> None:
    for name, pairs in PREDICATES.items():
        for _, code in pairs:
            expected = "is_conflict" if name == "is_already_exists" else name
            assert true_of(failure(reason, code)) == {expected}, code
    assert true_of(failure(reason, 502)) == set()
    assert true_of(ApiError(404, None)) == {"is_not_found"}, "a page that is no Status"


def test_a_known_reason_is_not_overruled_by_the_code() -> None:
    assert true_of(failure("ServerTimeout", 500)) == set()
    assert true_of(failure("AlreadyExists", 409)) == {"is_already_exists"}
    # As in client-go: what waits for a 429 must not be misled.
    assert true_of(failure("Conflict", 429)) == {"is_conflict", "is_too_many_requests"}


def test_codes_of_500_and_above_leave_the_outcome_open() -> None:
    assert failure("InternalError", 500).is_server_error
    assert failure("", 502).is_server_error
    assert not failure("TooManyRequests", 429).is_server_error


def test_the_proxys_own_problems_have_the_predicates() -> None:
    assert true_of(Conflict("")) == {"is_conflict"}
    assert true_of(TooManyRequests("")) == {"is_too_many_requests"}
    assert true_of(Unavailable("")) == {"is_service_unavailable"}


@pytest.mark.parametrize("details", [None, [], "x", {"causes": None}, {"causes": 5}])
def test_details_of_another_shape_count_as_absent(details: Any) -> None:
    error = ApiError(409, {"kind": "Status", "details": details})
    assert error.status_causes == []
    assert not error.has_cause("x")
    assert error.details.get("kind") is None


def test_causes_are_found_by_their_reason() -> None:
    error = failure("Forbidden", 403, causes=[None, {"reason": "NamespaceTerminating"}])
    assert error.has_cause("NamespaceTerminating")
    assert not error.has_cause("FieldManagerConflict")


async def _answer(result: str | Exception) -> str:
    if isinstance(result, Exception):
        raise result
    return result


async def test_only_an_absent_object_is_none() -> None:
    assert await get_or_none(_answer("found")) == "found"
    for absent in (failure("NotFound", 404), UpstreamStatus({"reason": "NotFound"}, 404, {})):
        assert await get_or_none(_answer(absent)) is None
    for error in (failure("Forbidden", 403), failure("Conflict", 409), Unreachable("lost")):
        with pytest.raises(type(error)):
            await get_or_none(_answer(error))


async def test_the_deletion_of_an_object_that_is_gone_or_another_is_none() -> None:
    assert await delete_or_none(_answer("deleted")) == "deleted"
    for gone in (failure("NotFound", 404), failure("Conflict", 409)):
        assert await delete_or_none(_answer(gone)) is None
    for error in (failure("Forbidden", 403), Unreachable("lost")):
        with pytest.raises(type(error)):
            await delete_or_none(_answer(error))
