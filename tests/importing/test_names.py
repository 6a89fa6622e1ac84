"""Names: one function of the original name, for objects and for references."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wegent_crds.kinds.account import NAME_MAX
from wegent_crds.schema.fields import DNS_LABEL, DNS_SUBDOMAIN
from wegent_import.names import account_name, namespace_name, object_name, server_name


@pytest.mark.parametrize(
    ("original", "name"),
    [
        ("ClaudeCode", "claudecode"),
        ("my_bot", "my-bot"),
        ("My Bot", "my-bot"),
        ("reviewer-ghost", "reviewer-ghost"),
        ("gpt-4.1", "gpt-4.1"),
        ("Review Team!", "review-team-a49d4d"),
        ("a/b", "ab-c14cdd"),
        ("-edge-", "edge-8074bf"),
        ("代码审查", "bot-1fa324"),
        ("", "bot-e3b0c4"),
    ],
)
def test_names_of_objects(original: str, name: str) -> None:
    assert object_name(original, "Bot") == name


def test_similar_names_stay_apart() -> None:
    assert object_name("a!", "Bot") != object_name("a?", "Bot")


@given(st.text(max_size=400), st.sampled_from(["Bot", "Skill"]))
def test_every_text_gives_a_valid_name_that_stays_the_same(original: str, kind: str) -> None:
    name = object_name(original, kind)
    assert re.fullmatch(DNS_SUBDOMAIN, name)
    assert len(name) <= 253
    assert object_name(original, kind) == name
    assert object_name(name, kind) == name


@given(st.text(max_size=200))
def test_every_text_gives_a_valid_namespace_account_and_server(original: str) -> None:
    namespace, account = namespace_name(original), account_name(original)
    assert re.fullmatch(DNS_LABEL, namespace)
    assert len(namespace) <= 63
    assert re.fullmatch(DNS_LABEL, account)
    assert len(account) <= NAME_MAX
    assert re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", server_name(original))


@pytest.mark.parametrize("reserved", ["default", "System", "accounts"])
def test_an_account_has_no_reserved_name(reserved: str) -> None:
    assert account_name(reserved).startswith(f"{reserved.lower()}-")
