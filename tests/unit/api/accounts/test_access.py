"""The namespaces of a caller, with their roles and sources."""

import pytest

from wegent_api.accounts.access import access_of
from wegent_api.upstream.role_bindings import Grant


def shown(*grants: Grant, username: str | None = "ann", of_account: tuple[str, ...] = ()) -> object:
    found = access_of(grants, username, of_account)
    return [(it.name, it.role, it.sources) for it in found]


@pytest.mark.parametrize(
    ("grant", "source"),
    [
        (Grant("wegent-ann", "admin", "wegent-account-ann-admin"), "own"),
        (Grant("default", "viewer", "wegent-accounts"), "shared"),
        (Grant("red", "editor", "wegent-account-ann-editor"), "account"),
        (Grant("blue", "editor", "wegent-account-ann-editor"), "group"),
        (Grant("blue", "editor", "wegent-member-ann-editor"), "member"),
        (Grant("blue", "editor", "by-hand"), "other"),
        (Grant("blue", "viewer", "wegent-account-ann-editor"), "other"),
    ],
)
def test_the_binding_tells_the_source(grant: Grant, source: str) -> None:
    assert shown(grant, of_account=("red",)) == [(grant.namespace, grant.role, [source])]


def test_one_binding_may_be_of_the_account_and_of_a_group() -> None:
    grant = Grant("blue", "editor", "wegent-account-ann-editor", of_group=True)
    both = [("blue", "editor", ["group", "account"])]
    assert shown(grant, of_account=("blue",)) == both
    assert shown(grant) == [("blue", "editor", ["group"])]


def test_a_namespace_is_listed_once_with_its_highest_role() -> None:
    assert shown(
        Grant("red", "admin", "by-hand"),
        Grant("red", "viewer", "wegent-accounts"),
        Grant("blue", "viewer", "wegent-member-ann-viewer"),
    ) == [("blue", "viewer", ["member"]), ("red", "admin", ["shared", "other"])]


def test_a_caller_without_an_account_has_no_other_sources() -> None:
    grant = Grant("wegent-ann", "admin", "wegent-account-ann-admin")
    assert shown(grant, username=None) == [("wegent-ann", "admin", ["other"])]
