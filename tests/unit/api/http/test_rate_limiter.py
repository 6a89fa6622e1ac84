"""Token buckets, with a clock that the test sets."""

import pytest

from wegent_api.accounts.throttle import RegistrationLimit
from wegent_api.http.errors import TooManyRequests
from wegent_api.http.rate_limiter import RateLimiter, address_key


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_bucket_holds_a_minutes_worth_and_fills_up_steadily(clock: Clock) -> None:
    limiter = RateLimiter(6, clock=clock)
    assert [limiter.take("a") for _ in range(7)] == [0] * 6 + [10]
    clock.now += 9.5
    assert limiter.take("a") == 1
    clock.now += 0.5
    assert [limiter.take("a"), limiter.take("a")] == [0, 10]
    clock.now += 3600  # a bucket gets no fuller than full
    assert [limiter.take("a") for _ in range(7)] == [0] * 6 + [10]


def test_keys_do_not_share(clock: Clock) -> None:
    limiter = RateLimiter(1, clock=clock)
    assert [limiter.take("a"), limiter.take("b"), limiter.take("a")] == [0, 0, 60]


def test_what_is_given_back_can_be_spent_again_but_not_saved_up(clock: Clock) -> None:
    limiter = RateLimiter(2, clock=clock)
    for _ in range(5):
        assert limiter.take("a") == 0
        limiter.refund("a")
    limiter.refund("a")
    assert [limiter.take("a") for _ in range(3)] == [0, 0, 30]


def test_memory_is_bounded_and_the_one_untouched_for_longest_goes(clock: Clock) -> None:
    limiter = RateLimiter(1, max_keys=3, clock=clock)
    for key in ("a", "b", "c"):
        limiter.take(key)
    assert limiter.take("a") > 0  # touched
    limiter.take("d")
    assert len(limiter._buckets) == 3
    assert limiter.take("a") > 0
    assert limiter.take("b") == 0  # evicted, so full again


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("unknown", "unknown", True),
        ("fe80::1%eth0", "fe80::1%eth0", True),
    ],
)
def test_what_counts_as_one_address(one: str, other: str, *, same: bool) -> None:
    assert (address_key(one) == address_key(other)) is same


def test_registrations_are_bounded_for_an_address_and_for_all_together() -> None:
    clock = Clock()
    limit = RegistrationLimit(per_address=2, total=3, clock=clock)
    for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2"):
        limit.check(address)
    with pytest.raises(TooManyRequests, match="from your address; try again in 30 s"):
        limit.check("192.0.2.1")
    for _ in range(9):  # these refusals don't count for the address
        with pytest.raises(TooManyRequests, match="from all addresses; try again in 20 s"):
            limit.check("192.0.2.2")
    clock.now += 20
    limit.check("192.0.2.2")
