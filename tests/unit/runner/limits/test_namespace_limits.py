"""The limits of a namespace: settings, annotations, and what is kept of them."""

from typing import Any, Final, cast

import pytest

from wegent_crds.well_known import REQUESTS_PER_MINUTE, TOKENS_PER_DAY
from wegent_kube import KubeClient, KubeError
from wegent_runner.claims.outcome import GiveBack
from wegent_runner.limits.namespace_limits import (
    KEPT_S,
    LimitReached,
    LimitReader,
    NamespaceLimits,
    limits_of,
)

DEFAULTS: Final = NamespaceLimits(60, None)


@pytest.mark.parametrize(
    ("annotations", "limits"),
    [
        ({}, DEFAULTS),
        ({"other": "1"}, DEFAULTS),
        ({REQUESTS_PER_MINUTE: "5"}, NamespaceLimits(5, None)),
        ({REQUESTS_PER_MINUTE: "none"}, NamespaceLimits(None, None)),
        ({TOKENS_PER_DAY: "1000000000000"}, NamespaceLimits(60, 10**12)),
        ({TOKENS_PER_DAY: "0001"}, NamespaceLimits(60, 1)),
    ],
)
def test_annotations_precede_the_settings(
    annotations: dict[str, str], limits: NamespaceLimits
) -> None:
    assert limits_of("n", annotations, DEFAULTS) == limits


@pytest.mark.parametrize("value", ["", "0", "-1", "1.5", "1OOO", "1e3", "²", "9" * 5000, "None"])
def test_an_annotation_that_can_not_be_read_is_told(value: str) -> None:
    with pytest.raises(LimitReached) as reached:
        limits_of("n", {TOKENS_PER_DAY: value}, DEFAULTS)
    assert reached.value.reason == "NamespaceLimitInvalid"
    told = str(reached.value)
    assert told.startswith("NamespaceLimitInvalid: Namespace n: the annotation agent.wecode.io/tok")
    assert "must be a whole number from 1 to 1000000000000, or none, and is" in told
    assert len(told) < 400


class Namespaces:
    """An API server with one Namespace."""

    def __init__(self) -> None:
        self.annotations: dict[str, str] = {}
        self.error: KubeError | None = None
        self.asked = 0

    async def request(self, _: str, path: str) -> Any:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return {"metadata": {"name": path, "annotations": {**self.annotations, "note": "x" * 99}}}


async def test_they_are_read_once_a_minute() -> None:
    now, api = [0.0], Namespaces()
    reader = LimitReader(cast("KubeClient", api), DEFAULTS, lambda: now[0])
    assert await reader.get("n") == DEFAULTS
    api.annotations = {REQUESTS_PER_MINUTE: "5"}
    assert await reader.get("n") == DEFAULTS
    assert api.asked == 1
    now[0] += KEPT_S + 1
    assert await reader.get("n") == NamespaceLimits(5, None)


async def test_without_an_api_server_the_last_ones_hold() -> None:
    now, api = [0.0], Namespaces()
    api.annotations = {REQUESTS_PER_MINUTE: "5"}
    reader = LimitReader(cast("KubeClient", api), DEFAULTS, lambda: now[0])
    await reader.get("n")
    api.error = KubeError("away")
    now[0] += KEPT_S + 1
    assert await reader.get("n") == NamespaceLimits(5, None)
    with pytest.raises(GiveBack, match="limits of the namespace can't be read now: away"):
        await reader.get("other")
