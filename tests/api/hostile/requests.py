"""A stream of hostile requests of all sorts. Seeded, so repeatable."""

import random
from collections.abc import Callable, Iterator
from typing import Any

from tests.api.hostile.broken import BrokenHttp
from tests.api.hostile.parts import Hostile
from tests.api.hostile.valid import ValidHttp


def hostile_requests(
    document: dict[str, Any], namespace: str, token: str, *, seed: int
) -> Iterator[Hostile]:
    """Yield requests without end.

    Args:
        document: the OpenAPI document.
        namespace: the namespace in which the user may write.
        token: the user's token.
        seed: selects the requests.
    """
    chance = random.Random(seed)
    valid = ValidHttp(document, namespace, token, chance)
    broken = BrokenHttp(document, namespace, token, chance)
    makers: dict[Callable[[], Hostile], int] = {
        valid.mutated_body: 34,
        valid.wrong_bytes: 12,
        valid.odd_query: 12,
        valid.odd_path: 10,
        valid.odd_headers: 12,
        broken.bad_framing: 8,
        broken.no_http: 6,
        broken.slow: 3,
        broken.websocket: 3,
    }
    while True:
        yield chance.choices(list(makers), list(makers.values()))[0]()
