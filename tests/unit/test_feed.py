"""The state that an operator keeps while it waits for the Lease."""

from datetime import UTC, datetime
from typing import Any, cast
from unittest.mock import Mock

from tests.unit.objects import body, facts
from wegent_crds.registry import TASK
from wegent_operator.accounts.controller import Provisions
from wegent_operator.runtime.queue import KeyedQueue
from wegent_operator.runtime.worker import Reconciler
from wegent_operator.state.store import Store
from wegent_operator.tasks.controller import TaskLife
from wegent_operator.watch.feed import Feed


def test_one_that_waits_keeps_nothing_of_what_has_gone() -> None:
    untouched = cast("Any", None)
    feed = Feed(Store(), Provisions("wegent-accounts"), untouched, untouched, "wegent-accounts")
    for number in range(5):
        task = body("Task", f"t{number}", {"botRef": {"name": "b"}, "prompt": "Go."})
        assert feed.seen(TASK, task)
        feed.gone(next(feed.store.keys()), task["metadata"]["uid"])
    assert not len(feed.store)
    assert not feed.store._stirred


def test_one_whose_turn_has_ended_keeps_no_first_sightings_of_tasks() -> None:
    untouched = cast("Any", None)
    store = Store()
    tasks = TaskLife(store, KeyedQueue(), untouched, untouched, untouched, untouched, untouched)
    reconciler = Mock(spec=Reconciler)
    feed = Feed(store, Provisions("wegent-accounts"), reconciler, tasks, "wegent-accounts")
    task = facts("Task", "t", {"botRef": {"name": "b"}, "prompt": "Go.", "cancel": True})
    assert task.task is not None
    feed.begin()
    tasks._sightings.of(task.key, task.uid, task.task, datetime.now(UTC))
    tasks._collected[task.key] = task.uid
    feed.cease()
    assert not len(tasks._sightings)
    assert not tasks._collected
