"""The condition ``KeysReadable``: it names the keys that the runner may not read."""

from tests.unit.objects import evaluate, state
from wegent_crds.conditions import Reason
from wegent_operator.state.cache import Cache


def spec(secret: str) -> dict[str, object]:
    return {"provider": "openai", "apiKeySecretRef": {"name": secret, "key": "key"}}


def test_the_excess_is_told_on_its_objects_alone() -> None:
    cache = Cache(max_key_secrets=1)
    first, second = state("Model", "m", spec("a")), state("Model", "n", spec("b"))
    for one in (second, first):
        cache.put(one)
    verdict = evaluate(first, cache)
    assert verdict.keys_readable is None
    verdict = evaluate(second, cache)
    assert verdict.ready.status
    told = verdict.keys_readable
    assert told is not None
    assert (told.status, told.reason) == (False, Reason.TOO_MANY_KEYS)
    told_of = "spec.apiKeySecretRef: Secret b: the objects of the namespace name more than 1,000"
    assert told.message.startswith(told_of)


def test_the_headers_that_name_the_excess_are_named() -> None:
    cache = Cache(max_key_secrets=2)
    named = {
        header: {"secretKeyRef": {"name": secret, "key": "k"}}
        for header, secret in (("X-B", "b"), ("X-C", "c"), ("Authorization", "a"))
    }
    ghost = state("Ghost", "g", {"mcpServers": {"files": {"headersFrom": named}}})
    cache.put(ghost)
    told = evaluate(ghost, cache).keys_readable
    assert told is not None
    assert told.message.startswith("spec.mcpServers[files].headersFrom[X-C]: Secret c: ")
    assert "Secret b" not in told.message


def test_an_object_whose_key_is_crowded_out_depends_on_the_newcomer() -> None:
    cache = Cache(max_key_secrets=1)
    old, newcomer = state("Model", "m", spec("b")), state("Model", "n", spec("a"))
    cache.put(old)
    cache.clear_dirty()
    cache.put(newcomer)
    assert old.key in cache.pop_dependents(newcomer.key)
    cache.remove(newcomer.key)
    assert old.key in cache.pop_dependents(newcomer.key)
    assert evaluate(old, cache).keys_readable is None
