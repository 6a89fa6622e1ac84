"""The resource that an object waits for, while the resource isn't visible."""

from tests.unit.objects import BOT_SPEC, state
from wegent_crds.registry import KINDS
from wegent_operator.runtime.metrics import Metrics
from wegent_operator.runtime.visibility import Visibility, hidden_referent
from wegent_operator.state.cache import Cache


def test_references_within_a_kind_may_form_a_cycle() -> None:
    visibility, cache = Visibility([kind.plural for kind in KINDS], Metrics()), Cache()
    visibility.listed("models")
    one = state("Model", "m", {"fallbackRefs": [{"name": "n"}]})
    other = state("Model", "n", {"fallbackRefs": [{"name": "m"}]})
    for it in (one, other):
        cache.put(it)
    assert hidden_referent(one, cache, visibility) is None
    assert hidden_referent(state("Bot", "b", BOT_SPEC), cache, visibility) == "ghosts"
    assert hidden_referent(
        state("Task", "t", {"previousTaskRef": {"name": "p"}}), cache, visibility
    ) == ("tasks")
