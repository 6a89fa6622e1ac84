"""Changes of a member's role at the same time, in an order that the real API server seldom has."""

from typing import Any, cast

import pytest

from wegent_api.accounts.store import Accounts
from wegent_api.http.bearer import Caller
from wegent_api.http.errors import UpstreamStatus
from wegent_api.members.store import GIVEN_AT_MOST, Members
from wegent_api.upstream.client import UserApi
from wegent_crds.members import binding
from wegent_kube import KubeClient


class Api:
    """Answers each list with no member, and creations with a conflict at first."""

    def __init__(self, conflicts: int, between: list[dict[str, Any]]) -> None:
        self.creations = 0
        self._conflicts = conflicts
        self._between = between

    async def request_json(self, _: Caller, method: str, *__: Any, **___: Any) -> Any:
        if method == "GET":
            return {"items": self._between if self.creations else []}
        self.creations += 1
        if self.creations <= self._conflicts:
            raise UpstreamStatus({"reason": "AlreadyExists"}, 409, {})
        return {}


class Everybody:
    namespace = "accounts"

    async def get(self, username: str) -> dict[str, Any]:
        return {"metadata": {"name": username}}


def members(api: Api) -> Members:
    return Members(
        cast("UserApi", api),
        cast("Caller", None),
        cast("Accounts", Everybody()),
        cast("KubeClient", None),
    )


async def test_a_role_that_another_change_has_taken_away_is_given_again() -> None:
    api = Api(conflicts=1, between=[])
    await members(api).put("ours", "bob", "viewer")
    assert api.creations == 2


async def test_a_role_that_another_change_has_given_stays() -> None:
    given = binding("ours", "accounts", "bob", "viewer")
    given["metadata"]["uid"] = "1"
    api = Api(conflicts=1, between=[given])
    await members(api).put("ours", "bob", "viewer")
    assert api.creations == 1


async def test_it_is_not_tried_for_ever() -> None:
    api = Api(conflicts=100, between=[])
    with pytest.raises(UpstreamStatus):
        await members(api).put("ours", "bob", "viewer")
    assert api.creations == GIVEN_AT_MOST


async def test_a_binding_of_another_form_is_refused_at_once() -> None:
    foreign = binding("ours", "accounts", "bob", "viewer")
    foreign["roleRef"]["name"] = "view"
    api = Api(conflicts=1, between=[foreign])
    with pytest.raises(UpstreamStatus):
        await members(api).put("ours", "bob", "viewer")
    assert api.creations == 1
