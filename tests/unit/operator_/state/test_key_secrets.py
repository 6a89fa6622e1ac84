"""The Secrets that runners may read: bounded, Models first, and in an order that stays."""

import itertools
import random

import pytest

from wegent_crds.references import ObjectKey
from wegent_operator.state.key_secrets import KeySecrets

NONE = frozenset[str]()


def key(name: str, plural: str = "models") -> ObjectKey:
    return ObjectKey(plural, "ns", name)


def names(*secrets: str) -> frozenset[str]:
    return frozenset(secrets)


def test_secrets_of_models_come_first() -> None:
    index = KeySecrets(limit=2)
    index.replace(key("g", "ghosts"), NONE, names("a", "b"))
    assert index.readable("ns") == {"a", "b"}
    assert index.replace(key("m"), NONE, names("z")) == {key("g", "ghosts")}
    assert index.readable("ns") == {"a", "z"}
    assert not index.is_readable("ns", "b")
    assert index.readable("other") == NONE


def test_a_shared_secret_counts_once_and_as_a_models() -> None:
    index = KeySecrets(limit=1)
    index.replace(key("g", "ghosts"), NONE, names("b"))
    index.replace(key("h", "ghosts"), NONE, names("a"))
    assert index.readable("ns") == {"a"}
    assert index.replace(key("m"), NONE, names("b")) == {key("g", "ghosts"), key("h", "ghosts")}
    assert index.readable("ns") == {"b"}
    index.replace(key("m"), names("b"), NONE)
    assert index.readable("ns") == {"a"}


def test_nothing_is_left_of_what_has_gone() -> None:
    index = KeySecrets(limit=1)
    index.replace(key("m"), NONE, names("a", "b"))
    index.replace(key("m"), names("a", "b"), NONE)
    assert index.namespaces() == frozenset()
    assert not index._ranks


@pytest.mark.parametrize("seed", range(20))
def test_each_object_whose_right_changes_is_returned(seed: int) -> None:
    """Random changes, compared with the rule applied to all objects at once."""
    chance = random.Random(seed)
    index, limit = KeySecrets(limit=3), 3
    named: dict[ObjectKey, frozenset[str]] = {}
    keys = [key(f"o{n}", plural) for n in range(4) for plural in ("models", "ghosts")]

    def readable() -> frozenset[str]:
        ranks = {
            (not any(it in named[o] for o in named if o.plural == "models"), it)
            for it in itertools.chain.from_iterable(named.values())
        }
        return names(*(it for _, it in sorted(ranks)[:limit]))

    for _ in range(200):
        one, before = chance.choice(keys), readable()
        after = names(*chance.sample("abcdef", chance.randint(0, 2)))
        told = index.replace(one, named.get(one, NONE), after)
        named[one] = after
        now = readable()
        assert index.readable("ns") == now
        for name in itertools.chain.from_iterable(named.values()):
            assert index.is_readable("ns", name) == (name in now)
        crossed = before ^ now
        assert told >= {it for it in keys if it != one and named.get(it, NONE) & crossed}
