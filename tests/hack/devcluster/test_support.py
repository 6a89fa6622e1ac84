"""Tests of the helpers that other tests use."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.support.kubectl import Kubectl
from tests.support.waiting import eventually


async def test_eventually_gives_what_the_probe_found() -> None:
    answers: Iterator[object] = iter([None, [], "found"])
    assert await eventually(lambda: next(answers), within_s=5, what="an answer") == "found"


async def test_eventually_awaits() -> None:
    async def probe() -> int:
        await asyncio.sleep(0)
        return 3

    assert await eventually(probe, within_s=5, what="three") == 3


async def test_eventually_says_what_it_saw_last() -> None:
    def probe() -> bool:
        raise AssertionError("Ready is False: RefNotFound")

    with pytest.raises(AssertionError) as caught:
        await eventually(probe, within_s=0.1, what="the Bot is Ready")
    assert str(caught.value) == (
        "not within 0.1 s: the Bot is Ready; last seen: Ready is False: RefNotFound"
    )


async def test_eventually_lets_mistakes_through_at_once() -> None:
    def probe() -> bool:
        raise KeyError("status")

    with pytest.raises(KeyError):
        await eventually(probe, within_s=60, what="anything")


async def test_kubectl_takes_objects_and_says_what_it_said(kubectl: Kubectl) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "Not_A_Name"}}
    done = await kubectl.call("create", "-f", "-", stdin=body)
    assert done.exit_code == 1
    with pytest.raises(AssertionError, match=r"kubectl create -f -: .*Not_A_Name"):
        done.ok()
