"""What an operator keeps that waits for its turn to judge."""

from typing import Any, cast

from tests.unit.objects import body
from wegent_crds.kinds import TASK
from wegent_operator.accounts import Provisions
from wegent_operator.feed import Feed
from wegent_operator.store import Store


def test_one_that_waits_keeps_nothing_of_what_has_gone() -> None:
    untouched = cast("Any", None)
    feed = Feed(Store(), Provisions(), untouched, untouched, "wegent-accounts")
    for number in range(5):
        task = body("Task", f"t{number}", {"botRef": {"name": "b"}, "prompt": "Go."})
        assert feed.seen(TASK, task)
        feed.gone(next(feed.store.keys()), task["metadata"]["uid"])
    assert not len(feed.store)
    assert not feed.store._stirred
