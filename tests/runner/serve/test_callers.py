"""Unknown tokens neither displace the verdict on a good one nor hold it up."""

import asyncio
import json
from base64 import urlsafe_b64encode
from typing import Any, cast

import pytest

from wegent_crds.runners import AUDIENCE
from wegent_kube import KubeClient
from wegent_runner.serve.callers import (
    KEPT_S,
    MAX_KEPT,
    MAX_LIKELY_REVIEWS,
    MAX_REVIEWS,
    MAX_WAITING,
    Callers,
    Overloaded,
    claims_to_be,
)

PROXY = "system:serviceaccount:wegent-system:wegent-api"


class Reviews:
    """An API server that reviews tokens. Only the token ``good`` belongs to the proxy."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.good = "good"
        self.open = self.most = 0
        self.answers = asyncio.Event()
        self.answers.set()

    async def request(self, _method: str, _path: str, *, body: Any) -> dict[str, Any]:
        token = body["spec"]["token"]
        self.tokens.append(token)
        self.open += 1
        self.most = max(self.most, self.open)
        if token != self.good:
            await self.answers.wait()
        await asyncio.sleep(0)
        self.open -= 1
        user = {"username": PROXY if token == self.good else "somebody"}
        return {"status": {"authenticated": True, "audiences": [AUDIENCE], "user": user}}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def callers(reviews: Reviews, clock: Clock) -> Callers:
    return Callers(cast("KubeClient", reviews), PROXY, clock)


async def test_verdicts_are_kept_for_a_minute() -> None:
    reviews, clock = Reviews(), Clock()
    asked = callers(reviews, clock)
    for _ in range(3):
        assert await asked.permits("Bearer good")
        assert not await asked.permits("Bearer bad")
    assert reviews.tokens == ["good", "bad"]
    clock.now += KEPT_S
    assert await asked.permits("Bearer good")
    assert len(reviews.tokens) == 3


async def test_many_unknown_tokens_displace_no_good_one() -> None:
    reviews = Reviews()
    asked = callers(reviews, Clock())
    assert await asked.permits("Bearer good")
    for number in range(MAX_KEPT + 1):
        assert not await asked.permits(f"Bearer {number}")
    assert await asked.permits("Bearer good")
    assert reviews.tokens.count("good") == 1


async def test_few_unknown_tokens_are_reviewed_at_once_and_hold_up_no_good_one() -> None:
    reviews, clock = Reviews(), Clock()
    asked = callers(reviews, clock)
    assert await asked.permits("Bearer good")
    reviews.answers.clear()
    asking = [asyncio.create_task(asked.permits(f"Bearer {it}")) for it in range(MAX_WAITING)]
    await asyncio.sleep(0.01)
    assert reviews.open == MAX_REVIEWS
    clock.now += KEPT_S
    async with asyncio.timeout(30):
        assert await asked.permits("Bearer good")
    reviews.answers.set()
    assert set(await asyncio.gather(*asking)) == {False}
    assert reviews.most <= MAX_REVIEWS + 1


async def test_one_token_is_reviewed_once_for_many_requests() -> None:
    reviews = Reviews()
    asked = callers(reviews, Clock())
    many = [asked.permits("Bearer good") for _ in range(5 * MAX_REVIEWS)]
    assert set(await asyncio.gather(*many)) == {True}
    assert reviews.tokens == ["good"]


def token_of(user: str = PROXY, *, audiences: object = (AUDIENCE,), serial: int = 0) -> str:
    """Return an unsigned token."""
    claims = {"sub": user, "aud": audiences, "serial": serial}
    return f"h.{urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.s"


async def flood(asked: Callers, tokens: list[str]) -> list[asyncio.Task[bool]]:
    asking = [asyncio.create_task(asked.permits(f"Bearer {token}")) for token in tokens]
    for _ in range(10):  # each step of all of them
        await asyncio.sleep(0)
    return asking


async def test_a_flood_of_unknown_tokens_is_refused_and_the_proxys_new_one_passes() -> None:
    reviews = Reviews()
    reviews.good = token_of()
    asked = callers(reviews, Clock())
    reviews.answers.clear()
    asking = await flood(asked, [str(it) for it in range(1000)])
    refused = [it for it in asking if it.done()]
    assert len(refused) == 1000 - MAX_REVIEWS - MAX_WAITING
    assert all(isinstance(it.exception(), Overloaded) for it in refused)
    async with asyncio.timeout(30):
        assert await asked.permits(f"Bearer {reviews.good}")
    reviews.answers.set()
    assert {await it for it in asking if it not in refused} == {False}


async def test_tokens_that_claim_to_be_the_proxys_are_reviewed_all_the_same() -> None:
    reviews = Reviews()
    asked = callers(reviews, Clock())
    reviews.answers.clear()
    asking = await flood(asked, [token_of(serial=it) for it in range(1000)])
    assert reviews.open == MAX_LIKELY_REVIEWS
    assert sum(it.done() for it in asking) == 1000 - MAX_LIKELY_REVIEWS - MAX_WAITING
    reviews.answers.set()
    verdicts = await asyncio.gather(*asking, return_exceptions=True)
    assert {it for it in verdicts if isinstance(it, bool)} == {False}


async def test_a_caller_that_leaves_ends_no_review_of_others() -> None:
    reviews = Reviews()
    asked = callers(reviews, Clock())
    reviews.answers.clear()
    first, second = await flood(asked, ["bad", "bad"])
    first.cancel()
    await asyncio.sleep(0)
    reviews.answers.set()
    assert await second is False
    assert reviews.tokens == ["bad"]


@pytest.mark.parametrize(
    ("token", "likely"),
    [
        (token_of(), True),
        (token_of(audiences=AUDIENCE), True),
        (token_of("somebody"), False),
        (token_of(audiences=["other"]), False),
        (token_of(audiences=7), False),
        ("h..s", False),
        ("h.\u00e9.s", False),
        ("opaque", False),
        (f"h.{urlsafe_b64encode(b'[' * 9000).decode()}.s", False),
        (f"h.{urlsafe_b64encode(b'[]').decode()}.s", False),
    ],
)
def test_any_text_may_come_as_a_token(token: str, likely: bool) -> None:  # noqa: FBT001
    assert claims_to_be(token, PROXY) is likely
