"""Objects as requests, with fields that the models don't know."""

from typing import Any

import pytest

from wegent_crds import Bot, Team
from wegent_sdk import ConfigurationError, Unreadable
from wegent_sdk.objects import body_of, encoded, read


def bot(**spec: Any) -> dict[str, Any]:
    refs = {"ghostRef": {"name": "g"}, "shellRef": {"name": "s"}}
    return {
        "apiVersion": "agent.wecode.io/v1",
        "kind": "Bot",
        "metadata": {"name": "b", "namespace": "n", "resourceVersion": "7"},
        "spec": {**refs, **spec},
    }


def test_unknown_fields_are_sent_back() -> None:
    body = bot(other=[1, {"a": None}], ghostRef={"name": "g", "newer": {"x": 1}})
    body["metadata"]["unknown"] = True
    found = read(Bot, {**body, "status": {"conditions": [], "unknown": 1}, "newer": 1})
    assert found.spec.model_extra == {"other": [1, {"a": None}]}
    assert body_of(found) == body


def test_unknown_fields_in_lists_are_sent_back() -> None:
    body = {
        "apiVersion": "agent.wecode.io/v1",
        "kind": "Team",
        "metadata": {"name": "t"},
        "spec": {"bots": [{"name": "a"}, {"name": "b", "newer": 1}]},
    }
    assert body_of(read(Team, body)) == body


def test_defaults_are_not_sent() -> None:
    found = read(Bot, bot())
    assert body_of(found)["spec"] == bot()["spec"]
    assert "status" not in body_of(found)


def test_an_object_that_the_models_cant_read() -> None:
    with pytest.raises(Unreadable, match=r"Bot n/b can't be read .*spec\.ghostRef"):
        read(Bot, bot(ghostRef=None))


@pytest.mark.parametrize("body", [{}, {"apiVersion": "v1", "kind": "Bot"}, bot() | {"kind": "Pod"}])
def test_a_mapping_that_is_no_object(body: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="apiVersion and kind"):
        body_of(body)


def test_encoding() -> None:
    assert encoded({"a": "é"}) == '{"a":"é"}'.encode()
    assert encoded({"a": "\ud800"}) == b'{"a":"\\ud800"}'
