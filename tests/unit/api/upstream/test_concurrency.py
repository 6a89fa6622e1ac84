"""Open streams are counted for each user and in total; ended ones aren't."""

from contextlib import ExitStack

import pytest

from wegent_api.http.errors import TooManyRequests, Unavailable
from wegent_api.upstream.concurrency import ConcurrencyLimiter


def test_each_user_has_so_many_and_all_have_so_many() -> None:
    slots = ConcurrencyLimiter("watches", at_once=3, per_user=2)
    with ExitStack() as held:
        first = held.enter_context(ExitStack())
        first.enter_context(slots.one("a"))
        held.enter_context(slots.one("a"))
        with pytest.raises(TooManyRequests) as refused, slots.one("a"):
            pass
        assert refused.value.retry_after_s
        held.enter_context(slots.one("b"))
        with pytest.raises(Unavailable), slots.one("c"):
            pass
        first.close()
        with pytest.raises(ZeroDivisionError), slots.one("a"):
            raise ZeroDivisionError
        held.enter_context(slots.one("a"))
    for user in "abc":
        with slots.one(user):
            pass
