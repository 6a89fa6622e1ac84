"""The state that an operator keeps while it waits for the Lease."""

from datetime import UTC, datetime
from typing import Any, cast
from unittest.mock import Mock

from tests.unit.objects import body, state
from wegent_crds.registry import TASK
from wegent_operator.accounts.provisions import Provisions
from wegent_operator.keys.grants import KeyGrants
from wegent_operator.runtime.dispatcher import Dispatcher
from wegent_operator.runtime.queue import KeyedQueue
from wegent_operator.state.cache import Cache
from wegent_operator.tasks.steps import TaskSteps
from wegent_operator.watch.feed import Feed


def test_one_that_waits_keeps_nothing_of_what_has_gone() -> None:
    untouched = cast("Any", None)
    feed = Feed(
        Cache(), Provisions("wegent-accounts"), untouched, untouched, "wegent-accounts", KeyGrants()
    )
    for number in range(5):
        task = body("Task", f"t{number}", {"botRef": {"name": "b"}, "prompt": "Go."})
        assert feed.upsert(TASK, task)
        feed.remove(next(feed.cache.keys()), task["metadata"]["uid"])
    assert not len(feed.cache)
    assert not feed.cache._dirty


def test_one_whose_turn_has_ended_keeps_no_first_sightings_of_tasks() -> None:
    untouched = cast("Any", None)
    cache = Cache()
    unused = [untouched] * 6
    tasks = TaskSteps(cache, KeyedQueue(), *unused)
    dispatcher = Mock(spec=Dispatcher)
    feed = Feed(
        cache, Provisions("wegent-accounts"), dispatcher, tasks, "wegent-accounts", KeyGrants()
    )
    task = state("Task", "t", {"botRef": {"name": "b"}, "prompt": "Go.", "cancel": True})
    feed.start()
    tasks._sightings.of(task.key, task.uid, task.progress, datetime.now(UTC))
    tasks._collected[task.key] = task.uid
    feed.stop()
    assert not len(tasks._sightings)
    assert not tasks._collected
