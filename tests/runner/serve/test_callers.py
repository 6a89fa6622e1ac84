"""Unknown tokens neither displace the verdict on a good one nor hold it up."""

import asyncio
from typing import Any, cast

from wegent_kube import KubeClient
from wegent_runner.serve.callers import AUDIENCE, KEPT_S, MAX_KEPT, MAX_REVIEWS, Callers

PROXY = "system:serviceaccount:wegent-system:wegent-api"


class Reviews:
    """An API server that reviews tokens. Only ``good`` belongs to the proxy."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.open = self.most = 0
        self.answers = asyncio.Event()
        self.answers.set()

    async def request(self, _method: str, _path: str, *, body: Any) -> dict[str, Any]:
        token = body["spec"]["token"]
        self.tokens.append(token)
        self.open += 1
        self.most = max(self.most, self.open)
        if token != "good":
            await self.answers.wait()
        await asyncio.sleep(0)
        self.open -= 1
        user = {"username": PROXY if token == "good" else "somebody"}
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
    asking = [asyncio.create_task(asked.permits(f"Bearer {it}")) for it in range(100)]
    await asyncio.sleep(0.01)
    assert reviews.open == MAX_REVIEWS
    clock.now += KEPT_S
    async with asyncio.timeout(5):
        assert await asked.permits("Bearer good")
    reviews.answers.set()
    assert set(await asyncio.gather(*asking)) == {False}
    assert reviews.most <= MAX_REVIEWS + 1


async def test_one_token_is_reviewed_once_for_many_requests() -> None:
    reviews = Reviews()
    asked = callers(reviews, Clock())
    many = [asked.permits("Bearer good") for _ in range(5 * MAX_REVIEWS)]
    assert set(await asyncio.gather(*many)) == {True}
    assert len(reviews.tokens) <= MAX_REVIEWS
