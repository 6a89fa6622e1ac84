"""The resource that an object waits for, while the resource isn't visible."""

from tests.unit.objects import BOT_SPEC, state
from wegent_crds.registry import KINDS
from wegent_operator.runtime.metrics import Metrics
from wegent_operator.runtime.sight import Sight, unseen_referent
from wegent_operator.state.cache import Cache


def test_references_within_a_kind_may_form_a_cycle() -> None:
    sight, cache = Sight([kind.plural for kind in KINDS], Metrics()), Cache()
    sight.listed("models")
    one = state("Model", "m", {"fallbackRefs": [{"name": "n"}]})
    other = state("Model", "n", {"fallbackRefs": [{"name": "m"}]})
    for it in (one, other):
        cache.put(it)
    assert unseen_referent(one, cache, sight) is None
    assert unseen_referent(state("Bot", "b", BOT_SPEC), cache, sight) == "ghosts"
    assert unseen_referent(
        state("Task", "t", {"previousTaskRef": {"name": "p"}}), cache, sight
    ) == ("tasks")
