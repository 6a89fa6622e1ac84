"""The operator's memory and verdicts against a naive evaluator, under random changes.

The operator doesn't evaluate an object again unless something that it depends on has changed. These
tests show that it misses nothing, in whatever order changes arrive and workers take them.
"""

import os
import random
from typing import Any

import pytest

from tests.support.naive_verdicts import Cluster
from tests.support.reference_events import Changes, Event
from tests.unit.objects import body, evaluate
from wegent_crds.references import ObjectKey
from wegent_crds.registry import BY_PLURAL
from wegent_operator.state.cache import Cache
from wegent_operator.state.objects import state_of
from wegent_operator.state.verdict import Verdict

CHANGES = 30
each_world = pytest.mark.parametrize("seed", range(int(os.environ.get("WEGENT_WORLDS", "300"))))
"""Each seed is another world. ``WEGENT_WORLDS`` makes the tests longer."""


class Incremental:
    """The operator without its cluster: a cache, a queue and the verdicts written so far."""

    def __init__(self, chance: random.Random) -> None:
        self.cache = Cache({"default"}, {"Chat"}, {"solo"})
        self.queue: list[ObjectKey] = []
        self.written: dict[ObjectKey, Verdict] = {}
        self._random = chance

    def enqueue(self, *keys: ObjectKey) -> None:
        self.queue += (key for key in keys if key not in self.queue and key.plural in BY_PLURAL)

    def work(self, count: int | None = None) -> None:
        """Reconcile some keys of the queue in a random order, or all of them."""
        while self.queue and count != 0:
            key = self.queue.pop(self._random.randrange(len(self.queue)))
            self.enqueue(*self.cache.pop_dependents(key))
            state = self.cache.get(key)
            if state is None:
                self.written.pop(key, None)
            else:
                self.written[key] = evaluate(state, self.cache)
            count = None if count is None else count - 1


def place(key: ObjectKey) -> tuple[str, str, str]:
    """Return the place of an object in the naive evaluator."""
    return key.plural, key.namespace, key.name


Delivery = tuple[str, Any, Any, int]
"""``put`` with a body, ``remove`` with key and uid, ``labels`` with a namespace; and a version."""


def deliveries(events: list[Event], naive: Cluster) -> list[Delivery]:
    """Apply the changes to the naive model; return what a watch would deliver of them."""
    uids: dict[ObjectKey, str] = {}
    found: list[Delivery] = []
    for version, (sort, subject, value, phase) in enumerate(events, start=1):
        if sort == "label":
            naive.labels[subject] = value
            found.append(("labels", subject, naive.labels[subject], version))
        elif sort == "delete":
            if naive.objects.pop(place(subject), None) is not None:
                found.append(("remove", subject, uids.pop(subject), version))
        else:
            uid = uids.setdefault(subject, f"uid-{version}")
            metadata = {"uid": uid, "resourceVersion": str(version)}
            made = body(
                BY_PLURAL[subject.plural].kind,
                subject.name,
                value,
                namespace=subject.namespace,
                metadata=metadata,
                status={"phase": phase} if phase else {},
            )
            naive.objects[place(subject)] = made
            found.append(("put", subject, made, version))
    return found


def deliver(operator: Incremental, delivery: Delivery) -> None:
    """Do as the feed does with one event of a watch, or one item of a list."""
    sort, subject, value, version = delivery
    cache = operator.cache
    if sort == "labels":
        operator.enqueue(*cache.put_namespace(subject, value, version=version))
    elif sort == "remove":
        if cache.remove(subject, value, version=version):
            operator.enqueue(subject)
    elif cache.put(state_of(BY_PLURAL[subject.plural], value)):
        operator.enqueue(subject)


def assert_right(operator: Incremental, naive: Cluster, chance: random.Random) -> None:
    """Check the verdicts against the naive ones, and against those of a fresh operator."""
    operator.work()
    assert {place(key) for key in operator.written} == naive.objects.keys()
    fresh = Cache({"default"}, {"Chat"}, {"solo"})
    for plural, namespace, name in chance.sample([*naive.objects], len(naive.objects)):
        fresh.put(state_of(BY_PLURAL[plural], naive.objects[plural, namespace, name]))
    for namespace, labels in naive.labels.items():
        fresh.put_namespace(namespace, labels)
    for key, verdict in operator.written.items():
        state = fresh.get(key)
        assert state is not None
        assert verdict == evaluate(state, fresh), key
        expected = naive.expected(key.plural, naive.objects[place(key)])
        for outcome in (verdict.resolved_refs, verdict.ready):
            told = str(outcome.status), str(outcome.reason)
            assert told == expected[str(outcome.type)], key


@each_world
def test_changes_in_their_order_with_workers_between(seed: int) -> None:
    chance, naive = random.Random(seed), Cluster({}, {})
    operator = Incremental(chance)
    for delivery in deliveries(Changes(chance).events(CHANGES), naive):
        deliver(operator, delivery)
        operator.work(chance.choice((0, 0, 1, 3, None)))
    assert_right(operator, naive, chance)


@each_world
def test_the_same_changes_in_any_order_and_twice(seed: int) -> None:
    """Watches of several kinds aren't ordered among one another, and lists repeat them."""
    chance, naive = random.Random(seed), Cluster({}, {})
    operator = Incremental(chance)
    told = deliveries(Changes(chance).events(CHANGES), naive)
    told += chance.sample(told, len(told) // 3)
    for delivery in chance.sample(told, len(told)):
        deliver(operator, delivery)
        operator.work(chance.choice((0, 0, 1, 3, None)))
    assert_right(operator, naive, chance)
