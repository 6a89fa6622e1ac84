"""The store's content, and the objects that a change concerns."""

from dataclasses import replace

from tests.unit.objects import BOT_SPEC, facts
from wegent_crds.references import ObjectKey
from wegent_operator.references.verdict import judge
from wegent_operator.state.conditions import with_verdict
from wegent_operator.state.store import REMEMBERED, Store

GHOST = ObjectKey("ghosts", "default", "g")


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


def test_a_change_goes_through_the_whole_chain_once() -> None:
    store, bot = Store(), facts("Bot", "b", BOT_SPEC)
    team = facts("Team", "t", {"bots": [{"name": "b"}]})
    for one in (bot, team, facts("Ghost", "g")):
        store.put(one)
    store.calm()
    store.remove(GHOST)
    assert store.pass_on(GHOST) == {bot.key}
    assert store.pass_on(GHOST) == frozenset()
    assert store.pass_on(bot.key) == {team.key}
    assert store.pass_on(team.key) == frozenset()
    assert store.pass_on(bot.key) == frozenset()


def test_what_is_undone_before_its_turn_is_passed_on() -> None:
    """Objects evaluated in between have seen the change, and must be evaluated once more."""
    store, bot, ghost = Store(), facts("Bot", "b", BOT_SPEC), facts("Ghost", "g")
    store.put(bot)
    store.put(ghost)
    store.calm()
    store.remove(GHOST, ghost.uid)
    store.put(facts("Ghost", "g"))
    assert store.pass_on(GHOST) == {bot.key}


def test_what_concerns_no_referrer_is_not_passed_on() -> None:
    store = Store()
    store.put(facts("Bot", "b", BOT_SPEC))
    store.put(facts("Ghost", "g"))
    store.calm()
    store.put(facts("Ghost", "g", {"systemPrompt": "Another."}))
    assert store.pass_on(GHOST) == frozenset()


def test_the_census_follows_each_object() -> None:
    store, ghost = Store(), facts("Ghost", "g")
    store.put(ghost)
    store.put(facts("Ghost", "h"))
    assert +store.census == {("Ghost", ""): 2}
    store.put(with_verdict(replace(ghost, version=10**6), judge(ghost, store), "now"))
    assert +store.census == {("Ghost", ""): 1, ("Ghost", "Ready"): 1}
    store.remove(ghost.key)
    assert +store.census == {("Ghost", ""): 1}


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


def test_a_namespaces_older_labels_and_end_are_no_news() -> None:
    store = Store()
    store.put_namespace("n", {"team": "new"}, version=7)
    assert store.put_namespace("n", {"team": "old"}, version=5) == frozenset()
    assert store.namespace_labels("n") == {"team": "new"}
    store.put_namespace("n", {"team": "old"}, terminating=True, version=6)
    assert not store.is_terminating("n")
    store.put_namespace("n", None, version=6)
    assert store.has_namespace("n")


def test_an_older_list_brings_no_namespace_back_and_ends_no_deletion() -> None:
    store = Store()
    store.put_namespace("n", {}, terminating=True, version=5)
    store.put_namespace("n", {}, version=4)
    assert store.is_terminating("n")
    store.put_namespace("n", None, version=6)
    store.put_namespace("n", {"team": "old"}, version=5)
    assert not store.has_namespace("n")
    store.put_namespace("n", {"team": "next"}, version=8)
    assert store.namespace_labels("n") == {"team": "next"}


def test_an_older_list_brings_no_object_back() -> None:
    store, ghost = Store(), facts("Ghost", "g")
    store.put(ghost)
    assert store.remove(GHOST, ghost.uid, version=ghost.version + 1)
    assert not store.put(ghost)
    assert store.put(replace(ghost, uid="next", version=ghost.version + 2))


def test_deletions_are_not_remembered_for_ever() -> None:
    store = Store()
    for number in range(3 * REMEMBERED):
        store.remove(ObjectKey("ghosts", "default", f"g{number}"), version=number + 1)
    assert len(store._gone._versions) == REMEMBERED
