"""The objects that the cache remembers, and the dependents of a change."""

from dataclasses import replace

from tests.unit.objects import BOT_SPEC, evaluate, state
from wegent_crds.api_keys import ROLE
from wegent_crds.references import ObjectKey
from wegent_operator.state.cache import REMEMBERED, Cache
from wegent_operator.state.conditions import with_verdict

GHOST = ObjectKey("ghosts", "default", "g")
KEY_ROLE = ObjectKey("roles", "default", ROLE)
"""The Role of the runner on the namespace's keys, which depends on each Model, Ghost and Skill."""


def test_a_missing_target_already_has_its_referrers() -> None:
    cache, bot = Cache(), state("Bot", "b", BOT_SPEC)
    cache.put(bot)
    assert cache.referrers(GHOST) == {bot.key}


def test_a_changed_reference_leaves_the_old_target() -> None:
    cache, bot = Cache(), state("Bot", "b", BOT_SPEC)
    cache.put(bot)
    cache.put(state("Bot", "b", BOT_SPEC | {"ghostRef": {"name": "other"}}))
    assert cache.referrers(GHOST) == frozenset()
    assert cache.referrers(ObjectKey("ghosts", "default", "other")) == {bot.key}


def test_old_news_is_no_news() -> None:
    cache, first, second = Cache(), state("Ghost", "g"), state("Ghost", "g")
    assert cache.put(second)
    assert not cache.put(first)
    assert not cache.put(second)
    assert cache.get(GHOST) == second


def test_the_deletion_of_an_earlier_object_does_not_remove_its_successor() -> None:
    cache, earlier, successor = Cache(), state("Ghost", "g"), state("Ghost", "g")
    cache.put(successor)
    assert not cache.remove(GHOST, earlier.uid)
    assert cache.remove(GHOST, successor.uid)
    assert cache.get(GHOST) is None


def test_nothing_is_left_of_what_has_gone() -> None:
    cache = Cache()
    bot = state("Bot", "b", BOT_SPEC | {"ghostRef": {"name": "g", "namespace": "away"}})
    cache.put(bot)
    cache.remove(bot.key)
    assert not cache._objects
    assert not cache._referrers
    assert not cache._crossing


def test_a_change_goes_through_the_whole_chain_once() -> None:
    cache, bot = Cache(), state("Bot", "b", BOT_SPEC)
    team = state("Team", "t", {"bots": [{"name": "b"}]})
    for one in (bot, team, state("Ghost", "g")):
        cache.put(one)
    cache.clear_dirty()
    cache.remove(GHOST)
    assert cache.pop_dependents(GHOST) == {bot.key, KEY_ROLE}
    assert cache.pop_dependents(GHOST) == frozenset()
    assert cache.pop_dependents(bot.key) == {team.key}
    assert cache.pop_dependents(team.key) == frozenset()
    assert cache.pop_dependents(bot.key) == frozenset()


def test_a_cycle_within_a_kind_is_gone_through_once() -> None:
    """A Task depends on the phase of the previous one, and not on that one's verdict."""
    cache, bot = Cache(), state("Bot", "b", BOT_SPEC)
    spec = {"provider": "openai", "fallbackRefs": [{"name": "n"}]}
    model = state("Model", "m", spec)
    other = state("Model", "n", spec | {"fallbackRefs": [{"name": "m"}]})
    for one in (bot, model, other):
        cache.put(one)
    cache.clear_dirty()
    cache.remove(other.key)
    assert cache.pop_dependents(other.key) == {model.key, KEY_ROLE}
    assert cache.pop_dependents(KEY_ROLE) == frozenset()
    assert cache.pop_dependents(model.key) == {bot.key}
    assert cache.pop_dependents(other.key) == frozenset()
    assert cache.pop_dependents(bot.key) == frozenset()
    assert not cache._dirty


def test_an_object_that_changes_beside_its_referent_concerns_its_own_kind() -> None:
    cache = Cache()
    first = state("Task", "a")
    second = state("Task", "b", {"previousTaskRef": {"name": "a"}})
    third = state("Task", "c", {"previousTaskRef": {"name": "b"}})
    for one in (first, second, third):
        cache.put(one)
    cache.clear_dirty()
    cache.put(state("Task", "a", status={"phase": "Running"}))
    assert cache.pop_dependents(first.key) == frozenset(), "it has not ended"
    cache.put(state("Task", "a", status={"phase": "Completed"}))
    assert cache.pop_dependents(first.key) == {second.key}
    assert cache.pop_dependents(second.key) == frozenset()
    cache.remove(first.key)
    assert cache.pop_dependents(first.key) == {second.key}
    cache.remove(second.key)
    assert cache.pop_dependents(second.key) == {third.key}


def test_what_is_undone_before_its_turn_is_passed_on() -> None:
    """Referrers evaluated in between have seen the change, and must be evaluated again."""
    cache, bot, ghost = Cache(), state("Bot", "b", BOT_SPEC), state("Ghost", "g")
    cache.put(bot)
    cache.put(ghost)
    cache.clear_dirty()
    cache.remove(GHOST, ghost.uid)
    cache.put(state("Ghost", "g"))
    assert cache.pop_dependents(GHOST) == {bot.key, KEY_ROLE}


def test_what_concerns_no_referrer_is_not_passed_on() -> None:
    cache = Cache()
    cache.put(state("Bot", "b", BOT_SPEC))
    cache.put(state("Ghost", "g"))
    cache.clear_dirty()
    cache.put(state("Ghost", "g", {"systemPrompt": "Another."}))
    assert cache.pop_dependents(GHOST) == frozenset()


def test_the_counts_by_reason_follow_each_object() -> None:
    cache, ghost = Cache(), state("Ghost", "g")
    cache.put(ghost)
    cache.put(state("Ghost", "h"))
    assert +cache.counts_by_reason == {("Ghost", ""): 2}
    cache.put(with_verdict(replace(ghost, version=10**6), evaluate(ghost, cache), "now"))
    assert +cache.counts_by_reason == {("Ghost", ""): 1, ("Ghost", "Ready"): 1}
    cache.remove(ghost.key)
    assert +cache.counts_by_reason == {("Ghost", ""): 1}


def test_a_namespaces_labels_concern_what_refers_abroad_from_it() -> None:
    cache = Cache()
    abroad = state("Bot", "abroad", BOT_SPEC | {"ghostRef": {"name": "g", "namespace": "away"}})
    cache.put(abroad)
    cache.put(state("Bot", "at-home", BOT_SPEC))
    assert cache.put_namespace("default", {"team": "a"}) == {abroad.key}
    assert cache.put_namespace("default", {"team": "a"}) == frozenset()
    assert cache.put_namespace("away", {"team": "a"}) == frozenset()


def test_a_namespace_that_an_account_needs_concerns_it() -> None:
    cache = Cache()
    account = state(
        "Account",
        "ann",
        {"namespaces": [{"name": "lab", "role": "viewer"}]},
        namespace="wegent-accounts",
    )
    cache.put(account)
    assert cache.put_namespace("lab", {}) == {account.key}
    assert cache.put_namespace("wegent-ann", {}) == {account.key}
    assert cache.put_namespace("wegent-ann", None) == {account.key}


def test_a_namespaces_older_labels_and_end_are_no_news() -> None:
    cache = Cache()
    cache.put_namespace("n", {"team": "new"}, version=7)
    assert cache.put_namespace("n", {"team": "old"}, version=5) == frozenset()
    assert cache.namespace_labels("n") == {"team": "new"}
    cache.put_namespace("n", {"team": "old"}, terminating=True, version=6)
    assert not cache.is_terminating("n")
    cache.put_namespace("n", None, version=6)
    assert cache.has_namespace("n")


def test_an_older_list_brings_no_namespace_back_and_ends_no_deletion() -> None:
    cache = Cache()
    cache.put_namespace("n", {}, terminating=True, version=5)
    cache.put_namespace("n", {}, version=4)
    assert cache.is_terminating("n")
    cache.put_namespace("n", None, version=6)
    cache.put_namespace("n", {"team": "old"}, version=5)
    assert not cache.has_namespace("n")
    cache.put_namespace("n", {"team": "next"}, version=8)
    assert cache.namespace_labels("n") == {"team": "next"}


def test_an_older_list_brings_no_object_back() -> None:
    cache, ghost = Cache(), state("Ghost", "g")
    cache.put(ghost)
    assert cache.remove(GHOST, ghost.uid, version=ghost.version + 1)
    assert not cache.put(ghost)
    assert cache.put(replace(ghost, uid="next", version=ghost.version + 2))


def test_deletions_are_not_remembered_for_ever() -> None:
    cache = Cache()
    for number in range(3 * REMEMBERED):
        cache.remove(ObjectKey("ghosts", "default", f"g{number}"), version=number + 1)
    assert len(cache._gone._versions) == REMEMBERED
