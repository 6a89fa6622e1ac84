"""What an Account should have, compared with what is there."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.unit.objects import facts
from wegent_crds import members
from wegent_operator.facts import Facts
from wegent_operator.provisions import (
    ACCOUNT_UID_LABEL,
    Plan,
    ProvisionKey,
    essence,
    plan,
    shared_binding,
)

ACCOUNTS = "wegent-accounts"
SERVICE_ACCOUNT = ProvisionKey("serviceaccounts", ACCOUNTS, "ann")
OWN = ProvisionKey("rolebindings", "wegent-ann", "wegent-account-ann-admin")
CLUSTER = ProvisionKey("clusterrolebindings", "", "wegent-account-ann-admin")
MEMBER = ProvisionKey("rolebindings", "lab", "wegent-member-ann-viewer")
BORN = "2026-03-01T12:00:00Z"


def ann(**spec: Any) -> Facts:
    return facts("Account", "ann", {"email": "ann@example.com", **spec}, namespace=ACCOUNTS)


def planned(
    account: Facts | None,
    namespaces: Mapping[str, Mapping[str, str]] | None = None,
    actual: Mapping[ProvisionKey, dict[str, Any]] | None = None,
) -> Plan:
    return plan(account, ACCOUNTS, (namespaces or {}).get, actual or {})


def owned(account: Facts) -> dict[str, dict[str, str]]:
    return {"wegent-ann": {ACCOUNT_UID_LABEL: account.uid}}


def test_a_new_account_gets_its_serviceaccount_last() -> None:
    todo = planned(ann())
    assert todo.create_namespace is not None
    assert todo.create_namespace["metadata"]["name"] == "wegent-ann"
    assert list(todo.apply) == [OWN, SERVICE_ACCOUNT]
    assert (todo.delete, todo.problems) == ((), ())


def test_a_settled_account_needs_nothing() -> None:
    account = ann()
    there = {key: essence(body) for key, body in planned(account).apply.items()}
    todo = planned(account, owned(account), there)
    assert todo == Plan(create_namespace=None, apply={}, delete=(), problems=())


def test_what_was_edited_is_applied_again() -> None:
    account = ann()
    there = {key: essence(body) for key, body in planned(account).apply.items()}
    there[OWN] |= {"subjects": [("User", "", "mallory")]}
    assert list(planned(account, owned(account), there).apply) == [OWN]


def test_another_role_is_another_binding_and_the_old_one_goes() -> None:
    lab: dict[str, dict[str, str]] = {"lab": {}}
    viewer = ann(namespaces=[{"name": "lab", "role": "viewer"}])
    there = {key: essence(body) for key, body in planned(viewer, lab).apply.items()}
    todo = planned(ann(namespaces=[{"name": "lab", "role": "admin"}]), lab, there)
    assert ProvisionKey("rolebindings", "lab", "wegent-account-ann-admin") in todo.apply
    assert todo.delete == (ProvisionKey("rolebindings", "lab", "wegent-account-ann-viewer"),)


def test_an_admin_is_bound_in_the_whole_cluster_and_a_former_one_is_not() -> None:
    admin = planned(ann(role="admin"))
    assert CLUSTER in admin.apply
    there = {key: essence(body) for key, body in admin.apply.items()}
    assert planned(ann(role="user"), actual=there).delete == (CLUSTER,)


def test_suspension_takes_everything_but_the_namespace() -> None:
    account = ann()
    there = {key: essence(body) for key, body in planned(account).apply.items()}
    todo = planned(ann(suspended=True), owned(account), there)
    assert set(todo.delete) == {OWN, SERVICE_ACCOUNT}
    assert not todo.apply
    assert [problem.reason for problem in todo.problems] == ["Suspended"]


def test_a_deleted_account_leaves_no_rights() -> None:
    there = {key: essence(body) for key, body in planned(ann(role="admin")).apply.items()}
    todo = planned(None, {}, there)
    assert set(todo.delete) == {CLUSTER, OWN, SERVICE_ACCOUNT}
    assert (todo.create_namespace, todo.apply) == (None, {})


def test_a_later_user_of_the_name_gets_nothing_of_an_earlier_one() -> None:
    earlier, later = ann(), ann()
    there = {key: essence(body) for key, body in planned(earlier).apply.items()}
    todo = planned(later, owned(earlier), there)
    assert todo.create_namespace is None
    assert todo.delete == (OWN,)
    assert list(todo.apply) == [SERVICE_ACCOUNT], "it may work in the shared namespaces"
    assert [problem.reason for problem in todo.problems] == ["NamespaceTaken"]


def test_a_missing_namespace_is_named_and_the_rest_is_made() -> None:
    todo = planned(ann(namespaces=[{"name": "gone", "role": "viewer"}]))
    assert SERVICE_ACCOUNT in todo.apply
    assert [problem.message for problem in todo.problems] == [
        "spec.namespaces[0]: namespace gone does not exist; create it or remove the entry"
    ]


def test_a_shared_namespace_has_one_binding_for_all_accounts() -> None:
    key, body = shared_binding("default", ACCOUNTS)
    assert key == ProvisionKey("rolebindings", "default", "wegent-accounts")
    assert body["subjects"][0]["name"] == "system:serviceaccounts:wegent-accounts"
    assert body["roleRef"]["name"] == "wegent-editor"


def test_a_user_is_an_admin_at_home_and_an_editor_where_all_are() -> None:
    todo = planned(ann())
    assert todo.apply[OWN]["roleRef"]["name"] == "wegent-admin"
    _, body = shared_binding("default", ACCOUNTS)
    assert body["roleRef"]["name"] == "wegent-editor"


# What admins of namespaces give


def membership(created: str, **metadata: Any) -> dict[str, Any]:
    body = members.binding("lab", ACCOUNTS, "ann", "viewer")
    body["metadata"] |= {"creationTimestamp": created, **metadata}
    return essence(body)


def born(created: str, **metadata: Any) -> Facts:
    return facts(
        "Account",
        "ann",
        {"email": "ann@example.com"},
        namespace=ACCOUNTS,
        metadata={"creationTimestamp": created, **metadata},
    )


@pytest.mark.parametrize("given", [BORN, "2026-03-01T12:00:01Z", "2027-01-01T00:00:00Z"])
def test_a_membership_is_left_to_who_gave_it(given: str) -> None:
    todo = planned(born(BORN), actual={MEMBER: membership(given)})
    assert todo.delete == ()
    assert MEMBER not in todo.apply


@pytest.mark.parametrize("given", ["2026-03-01T11:59:59Z", "2025-12-31T23:59:59Z"])
def test_a_membership_of_an_earlier_user_of_the_name_goes_first_of_all(given: str) -> None:
    todo = planned(born(BORN), actual={MEMBER: membership(given)})
    assert todo.delete == (MEMBER,)
    assert list(todo.apply)[-1] == SERVICE_ACCOUNT


@pytest.mark.parametrize("account", [None, born(BORN, deletionTimestamp=BORN)])
def test_a_membership_of_nobody_goes(account: Facts | None) -> None:
    assert planned(account, actual={MEMBER: membership(BORN)}).delete == (MEMBER,)


def test_a_suspended_users_memberships_wait_for_them() -> None:
    suspended = facts(
        "Account",
        "ann",
        {"email": "ann@example.com", "suspended": True},
        namespace=ACCOUNTS,
        metadata={"creationTimestamp": BORN},
    )
    assert planned(suspended, actual={MEMBER: membership(BORN)}).delete == ()


@pytest.mark.parametrize(
    "key",
    [
        ProvisionKey("rolebindings", "lab", "mine"),
        ProvisionKey("serviceaccounts", "lab", "wegent-member-ann-viewer"),
        ProvisionKey("clusterrolebindings", "", "wegent-member-ann-viewer"),
    ],
)
def test_what_only_bears_the_label_is_none_of_our_business(key: ProvisionKey) -> None:
    assert planned(None, actual={key: membership(BORN)}).delete == ()
