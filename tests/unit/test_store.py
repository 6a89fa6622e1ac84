"""What the store remembers, and whom a change concerns."""

from dataclasses import replace

from tests.unit.objects import BOT_SPEC, facts
from wegent_crds.references import ObjectKey
from wegent_operator.store import Appearance, Store

GHOST = ObjectKey("ghosts", "default", "g")
READY = Appearance(ready=True, access_from=(), provider=None, supported_providers=())


def test_a_missing_target_already_has_its_referrers() -> None:
    store, bot = Store(), facts("Bot", "b", BOT_SPEC)
    store.put(bot)
    assert store.referrers(GHOST) == {bot.key}


def test_a_changed_reference_leaves_the_old_target() -> None:
    store, bot = Store(), facts("Bot", "b", BOT_SPEC)
    store.put(bot)
    store.put(facts("Bot", "b", BOT_SPEC | {"ghostRef": {"name": "other"}}))
    assert store.referrers(GHOST) == frozenset()
    assert store.referrers(ObjectKey("ghosts", "default", "other")) == {bot.key}


def test_old_news_is_no_news() -> None:
    store, first, second = Store(), facts("Ghost", "g"), facts("Ghost", "g")
    assert store.put(second)
    assert not store.put(first)
    assert not store.put(second)
    assert store.get(GHOST) == second


def test_the_deletion_of_an_earlier_object_does_not_remove_its_successor() -> None:
    store, earlier, successor = Store(), facts("Ghost", "g"), facts("Ghost", "g")
    store.put(successor)
    assert not store.remove(GHOST, earlier.uid)
    assert store.remove(GHOST, successor.uid)
    assert store.get(GHOST) is None


def test_nothing_is_left_of_what_has_gone() -> None:
    store = Store()
    bot = facts("Bot", "b", BOT_SPEC | {"ghostRef": {"name": "g", "namespace": "away"}})
    store.put(bot)
    store.remove(bot.key)
    assert not store._objects
    assert not store._referrers
    assert not store._crossing


def test_only_a_changed_appearance_is_a_change() -> None:
    store = Store()
    assert store.appear(GHOST, READY)
    assert not store.appear(GHOST, replace(READY))
    assert store.appear(GHOST, replace(READY, ready=False))
    assert store.appear(GHOST, None)
    assert not store.appear(GHOST, None)


def test_a_namespaces_labels_concern_what_refers_abroad_from_it() -> None:
    store = Store()
    abroad = facts("Bot", "abroad", BOT_SPEC | {"ghostRef": {"name": "g", "namespace": "away"}})
    store.put(abroad)
    store.put(facts("Bot", "at-home", BOT_SPEC))
    assert store.put_namespace("default", {"team": "a"}) == {abroad.key}
    assert store.put_namespace("default", {"team": "a"}) == frozenset()
    assert store.put_namespace("away", {"team": "a"}) == frozenset()


def test_a_namespace_that_an_account_needs_concerns_it() -> None:
    store = Store()
    account = facts(
        "Account",
        "ann",
        {"namespaces": [{"name": "lab", "role": "viewer"}]},
        namespace="wegent-accounts",
    )
    store.put(account)
    assert store.put_namespace("lab", {}) == {account.key}
    assert store.put_namespace("wegent-ann", {}) == {account.key}
    assert store.put_namespace("wegent-ann", None) == {account.key}
