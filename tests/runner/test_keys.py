"""A key goes to the hosts that its Secret names, and to no others."""

import base64
from typing import Any

import pytest

from wegent_crds.api_keys import HOSTS_ANNOTATION, SECRET_TYPE
from wegent_runner.engine.keys import ApiKey, KeyNotUsable, api_key
from wegent_runner.plan.plan import SecretKey

PLACE = SecretKey("ns", "openai", "key")


def secret(**changes: Any) -> dict[str, Any]:
    return {
        "type": SECRET_TYPE,
        "metadata": {"annotations": {HOSTS_ANNOTATION: "api.openai.com, Other.example:8443"}},
        "data": {"key": base64.b64encode(b"sk-secret\n").decode()},
        **changes,
    }


@pytest.mark.parametrize(
    ("url", "permitted"),
    [
        ("https://api.openai.com/v1", True),
        ("https://API.OpenAI.com/v1", True),
        ("https://api.openai.com:443/v1", True),
        ("https://other.example:8443/", True),
        ("https://other.example/", False),
        ("https://api.openai.com:8443/v1", False),
        ("http://api.openai.com/v1", False),
        ("https://api.openai.com.evil.example/v1", False),
        ("https://api.openai.com@evil.example/v1", False),
        ("https://evil.example/api.openai.com", False),
        ("https://evil.example#api.openai.com", False),
        ("https://evil.example\\@api.openai.com", False),
    ],
)
def test_only_named_hosts_are_permitted(url: str, permitted: bool) -> None:  # noqa: FBT001
    assert api_key(secret(), PLACE).permits(url) is permitted


def test_http_needs_a_name_with_http() -> None:
    key = ApiKey("k", ("http://127.0.0.1:9000",))
    assert key.permits("http://127.0.0.1:9000/v1")
    assert not key.permits("http://127.0.0.1:9001/v1")
    assert not key.permits("https://127.0.0.1:9000/v1")


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ({"type": "Opaque"}, f"type must be {SECRET_TYPE}"),
        ({"metadata": {}}, f"{HOSTS_ANNOTATION} must name the hosts"),
        ({"data": {"other": "eA=="}}, "has no key key"),
        ({"data": None}, "has no key key"),
        ({"data": {"key": "/w=="}}, "not text"),
        ({"data": {"key": base64.b64encode(b"a\nb: c").decode()}}, "not printable"),
        ({"data": {"key": ""}}, "not printable"),
    ],
)
def test_other_secrets_are_no_keys(broken: dict[str, Any], told: str) -> None:
    with pytest.raises(KeyNotUsable, match=told):
        api_key(secret(**broken), PLACE)


def test_a_key_doesnt_show_itself() -> None:
    assert "sk-secret" not in repr(api_key(secret(), PLACE))
