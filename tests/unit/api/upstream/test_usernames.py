"""The API server names a caller once for each token."""

from typing import Any

import pytest

from wegent_api.http.bearer import Caller
from wegent_api.http.errors import Unauthorized
from wegent_api.upstream import usernames
from wegent_api.upstream.usernames import Usernames


class Api:
    """Names each caller after the token, and refuses some."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.refused: set[str] = set()

    async def request_json(self, caller: Caller, *_: Any, **__: Any) -> Any:
        self.asked.append(caller.token)
        if caller.token in self.refused:
            raise Unauthorized("the token is not accepted", error="invalid_token")
        return {"status": {"userInfo": {"username": f"user-{caller.token}"}}}


async def test_each_token_is_asked_for_once() -> None:
    api = Api()
    names = Usernames(api)  # type: ignore[arg-type]
    for token in ("a", "b", "a", "b"):
        assert await names.of(Caller(token)) == f"user-{token}"
    assert api.asked == ["a", "b"]


async def test_a_refusal_is_not_kept() -> None:
    api = Api()
    names = Usernames(api)  # type: ignore[arg-type]
    api.refused.add("a")
    with pytest.raises(Unauthorized):
        await names.of(Caller("a"))
    api.refused.clear()
    assert await names.of(Caller("a")) == "user-a"


async def test_the_name_that_is_unused_for_longest_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(usernames, "MAX_KNOWN", 2)
    api = Api()
    names = Usernames(api)  # type: ignore[arg-type]
    for token in ("a", "b", "a", "c", "a", "b"):
        await names.of(Caller(token))
    assert api.asked == ["a", "b", "c", "b"]
