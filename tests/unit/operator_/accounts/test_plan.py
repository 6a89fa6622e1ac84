"""The objects that an Account should have, compared with the existing ones."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.unit.objects import state
from wegent_crds import members
from wegent_operator.accounts.manifests import shared_binding
from wegent_operator.accounts.plan import Plan, plan
from wegent_operator.accounts.provisioned import (
    ACCOUNT_UID_LABEL,
    ProvisionKey,
    account_of,
    managed_subset,
)
from wegent_operator.state.objects import AccountState

ACCOUNTS = "wegent-accounts"
SERVICE_ACCOUNT = ProvisionKey("serviceaccounts", ACCOUNTS, "ann")
OWN = ProvisionKey("rolebindings", "wegent-ann", "wegent-account-ann-admin")
CLUSTER = ProvisionKey("clusterrolebindings", "", "wegent-account-ann-admin")
MEMBER = ProvisionKey("rolebindings", "lab", "wegent-member-ann-viewer")
BORN = "2026-03-01T12:00:00Z"


def ann(uid: str = "uid-ann", **spec: Any) -> AccountState:
    spec = {"email": "ann@example.com", **spec}
    return state("Account", "ann", spec, namespace=ACCOUNTS, metadata={"uid": uid})


def planned(
    account: AccountState | None,
    namespaces: Mapping[str, Mapping[str, str]] | None = None,
    actual: Mapping[ProvisionKey, dict[str, Any]] | None = None,
) -> Plan:
    return plan(account, ACCOUNTS, (namespaces or {}).get, actual or {})


def owned(account: AccountState) -> dict[str, dict[str, str]]:
    return {"wegent-ann": {ACCOUNT_UID_LABEL: account.uid}}


def test_a_new_account_gets_its_serviceaccount_last() -> None:
    todo = planned(ann())
    assert todo.create_namespace is not None
    assert todo.create_namespace["metadata"]["name"] == "wegent-ann"
    assert list(todo.apply) == [OWN, SERVICE_ACCOUNT]
    assert (todo.delete, todo.problems) == ((), ())


def test_a_settled_account_needs_nothing() -> None:
    account = ann()
    there = {key: managed_subset(body) for key, body in planned(account).apply.items()}
    todo = planned(account, owned(account), there)
    assert todo == Plan(create_namespace=None, apply={}, delete=(), problems=(), home="wegent-ann")


def test_what_was_edited_is_applied_again() -> None:
    account = ann()
    there = {key: managed_subset(body) for key, body in planned(account).apply.items()}
    there[OWN] |= {"subjects": [("User", "", "mallory")]}
    assert list(planned(account, owned(account), there).apply) == [OWN]


def test_another_role_is_another_binding_and_the_old_one_goes() -> None:
    lab: dict[str, dict[str, str]] = {"lab": {}}
    viewer = ann(namespaces=[{"name": "lab", "role": "viewer"}])
    there = {key: managed_subset(body) for key, body in planned(viewer, lab).apply.items()}
    todo = planned(ann(namespaces=[{"name": "lab", "role": "admin"}]), lab, there)
    assert ProvisionKey("rolebindings", "lab", "wegent-account-ann-admin") in todo.apply
    assert todo.delete == (ProvisionKey("rolebindings", "lab", "wegent-account-ann-viewer"),)


def test_an_admin_is_bound_in_the_whole_cluster_and_a_former_one_is_not() -> None:
    admin = planned(ann(role="admin"))
    assert CLUSTER in admin.apply
    there = {key: managed_subset(body) for key, body in admin.apply.items()}
    assert planned(ann(role="user"), actual=there).delete == (CLUSTER,)


def test_suspension_takes_everything_but_the_namespace() -> None:
    account = ann()
    there = {key: managed_subset(body) for key, body in planned(account).apply.items()}
    todo = planned(ann(suspended=True), owned(account), there)
    assert set(todo.delete) == {OWN, SERVICE_ACCOUNT}
    assert not todo.apply
    assert todo.problems == ()


def test_a_deleted_account_leaves_no_rights() -> None:
    there = {key: managed_subset(body) for key, body in planned(ann(role="admin")).apply.items()}
    todo = planned(None, {}, there)
    assert set(todo.delete) == {CLUSTER, OWN, SERVICE_ACCOUNT}
    assert (todo.create_namespace, todo.apply) == (None, {})


def test_a_later_user_of_the_name_gets_nothing_of_an_earlier_one() -> None:
    earlier, later = ann("uid-earlier"), ann("uid-later")
    there = {key: managed_subset(body) for key, body in planned(earlier).apply.items()}
    todo = planned(later, owned(earlier), there)
    assert todo.create_namespace is None
    assert todo.delete == (SERVICE_ACCOUNT, OWN), "with it go tokens that are still good"
    assert list(todo.apply) == [SERVICE_ACCOUNT], "it may work in the shared namespaces"
    assert [problem.reason for problem in todo.problems] == ["NamespaceTaken"]


def test_a_missing_namespace_is_named_and_the_rest_is_made() -> None:
    todo = planned(ann(namespaces=[{"name": "gone", "role": "viewer"}]))
    assert SERVICE_ACCOUNT in todo.apply
    assert [problem.message for problem in todo.problems] == [
        "spec.namespaces[0]: namespace gone does not exist; create it or remove the entry"
    ]


def test_a_shared_namespace_has_one_binding_for_all_accounts() -> None:
    key, body = shared_binding("default", ACCOUNTS, "editor")
    assert key == ProvisionKey("rolebindings", "default", "wegent-accounts")
    assert body["subjects"][0]["name"] == "system:serviceaccounts:wegent-accounts"
    assert body["roleRef"]["name"] == "wegent-editor"


def test_a_user_is_an_admin_at_home_and_what_is_set_where_all_are() -> None:
    todo = planned(ann())
    assert todo.apply[OWN]["roleRef"]["name"] == "wegent-admin"
    _, body = shared_binding("default", ACCOUNTS, "viewer")
    assert body["roleRef"]["name"] == "wegent-viewer"


# RoleBindings of the namespaces' admins


def membership(created: str, **metadata: Any) -> dict[str, Any]:
    body = members.binding("lab", ACCOUNTS, "ann", "viewer")
    body["metadata"] |= {"creationTimestamp": created, **metadata}
    return managed_subset(body)


def born(created: str, **metadata: Any) -> AccountState:
    return state(
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
def test_a_membership_of_nobody_goes(account: AccountState | None) -> None:
    assert planned(account, actual={MEMBER: membership(BORN)}).delete == (MEMBER,)


def test_a_suspended_users_memberships_wait_for_them() -> None:
    suspended = state(
        "Account",
        "ann",
        {"email": "ann@example.com", "suspended": True},
        namespace=ACCOUNTS,
        metadata={"creationTimestamp": BORN},
    )
    assert planned(suspended, actual={MEMBER: membership(BORN)}).delete == ()


def test_the_namespace_of_accounts_has_no_members_whatever_its_name() -> None:
    """An admin of the accounts' namespace would be an admin of everything."""
    asked = {"email": "ann@example.com", "namespaces": [{"name": "people", "role": "admin"}]}
    account = state("Account", "ann", asked, namespace="people")
    todo = plan(account, "people", {"people": {}}.get, {})
    assert [problem.reason for problem in todo.problems] == ["RefNotPermitted"]
    assert ProvisionKey("rolebindings", "people", "wegent-account-ann-admin") not in todo.apply
    given = members.binding("people", "people", "ann", "admin")
    given["metadata"]["creationTimestamp"] = BORN
    key = ProvisionKey("rolebindings", "people", "wegent-member-ann-admin")
    assert key in plan(account, "people", {"people": {}}.get, {key: managed_subset(given)}).delete


def test_memberships_in_system_namespaces_go() -> None:
    in_accounts = ProvisionKey("rolebindings", ACCOUNTS, "wegent-member-ann-admin")
    assert planned(born(BORN), actual={in_accounts: membership(BORN)}).delete == (in_accounts,)


@pytest.mark.parametrize("namespace", [ACCOUNTS, "wegent-system", "kube-system"])
def test_an_account_gives_no_rights_in_system_namespaces(namespace: str) -> None:
    account = ann(namespaces=[{"name": namespace, "role": "admin"}])
    todo = planned(account, {namespace: {}})
    assert list(todo.apply) == [OWN, SERVICE_ACCOUNT]
    assert [problem.reason for problem in todo.problems] == ["RefNotPermitted"]


# Name and namespace decide, never a label


def tied(key: tuple[str, str, str], body: Mapping[str, Any]) -> str | None:
    return account_of(ProvisionKey(*key), body, ACCOUNTS)


@pytest.mark.parametrize(
    ("key", "account"),
    [
        (("serviceaccounts", ACCOUNTS, "ann"), "ann"),
        (("serviceaccounts", "lab", "ann"), None),
        (("rolebindings", "lab", "wegent-account-ann-viewer"), "ann"),
        (("rolebindings", "lab", "wegent-account-ann-lee-admin"), "ann-lee"),
        (("rolebindings", "lab", "wegent-account-ann"), None),
        (("rolebindings", "lab", "wegent-account-ann-owner"), None),
        (("rolebindings", "lab", "wegent-account--admin"), None),
        (("rolebindings", "lab", "mine"), None),
        (("rolebindings", "default", "wegent-accounts"), ""),
        (("clusterrolebindings", "", "wegent-account-ann-admin"), "ann"),
        (("clusterrolebindings", "", "wegent-accounts"), None),
        (("clusterrolebindings", "", "wegent-member-ann-admin"), None),
    ],
)
def test_name_and_place_say_whose_an_object_is(
    key: tuple[str, str, str], account: str | None
) -> None:
    labels = {"metadata": {"labels": {members.MANAGED_BY: "wegent-operator"}}}
    assert tied(key, {}) == account
    assert tied(key, labels) == account


def test_a_membership_is_one_by_what_it_gives() -> None:
    body = members.binding("lab", ACCOUNTS, "ann", "viewer")
    body["metadata"]["labels"] = {}
    where = ("rolebindings", "lab", "wegent-member-ann-viewer")
    assert tied(where, body) == "ann"
    others: list[dict[str, Any]] = [
        {"roleRef": {**body["roleRef"], "name": "view"}},
        {"roleRef": {**body["roleRef"], "kind": "Role"}},
        {"subjects": []},
        {"subjects": [*body["subjects"], *body["subjects"]]},
        {"subjects": [{**body["subjects"][0], "namespace": "lab"}]},
        {"subjects": [{**body["subjects"][0], "name": "bob"}]},
    ]
    for change in others:
        assert tied(where, {**body, **change}) is None, change


def test_access_is_taken_before_rights_and_rights_in_the_cluster_before_others() -> None:
    admin = ann(role="admin", namespaces=[{"name": "lab", "role": "viewer"}])
    there = {key: managed_subset(body) for key, body in planned(admin, {"lab": {}}).apply.items()}
    todo = planned(ann(suspended=True), actual=there)
    lab = ProvisionKey("rolebindings", "lab", "wegent-account-ann-viewer")
    assert todo.delete == (SERVICE_ACCOUNT, CLUSTER, lab, OWN)


def service_account(**metadata: Any) -> dict[str, Any]:
    body = planned(ann()).apply[SERVICE_ACCOUNT]
    return managed_subset({**body, "metadata": {**body["metadata"], **metadata}})


def test_a_serviceaccount_without_its_labels_is_still_taken_and_else_repaired() -> None:
    there = {SERVICE_ACCOUNT: service_account(labels={})}
    assert planned(ann(suspended=True), actual=there).delete == (SERVICE_ACCOUNT,)
    todo = planned(ann(), owned(ann()), there)
    assert (todo.delete, list(todo.apply)) == ((), [OWN, SERVICE_ACCOUNT])


@pytest.mark.parametrize(
    "metadata",
    [
        {"labels": {}, "ownerReferences": []},
        {"deletionTimestamp": BORN, "finalizers": ["example.com/held"]},
    ],
)
def test_a_serviceaccount_that_is_another_is_made_again(metadata: dict[str, Any]) -> None:
    todo = planned(ann(), owned(ann()), {SERVICE_ACCOUNT: service_account(**metadata)})
    assert todo.delete == (SERVICE_ACCOUNT,)
    assert list(todo.apply)[-1] == SERVICE_ACCOUNT


def test_serviceaccounts_of_other_programs_stay() -> None:
    there = {SERVICE_ACCOUNT: service_account(labels={}, ownerReferences=[])}
    assert planned(None, actual=there).delete == ()


def test_a_binding_to_another_role_is_made_again() -> None:
    there = {key: managed_subset(body) for key, body in planned(ann()).apply.items()}
    there[OWN] |= {"roleRef": ("ClusterRole", "cluster-admin")}
    todo = planned(ann(), owned(ann()), there)
    assert (todo.delete, list(todo.apply)) == ((OWN,), [OWN])


def test_a_binding_that_is_emptied_and_held_needs_nothing_more() -> None:
    there = {key: managed_subset(body) for key, body in planned(ann()).apply.items()}
    there[OWN] |= {"deleting": True, "subjects": []}
    assert planned(None, actual={OWN: there[OWN]}).delete == ()
    there[OWN] |= {"subjects": [("ServiceAccount", ACCOUNTS, "ann")]}
    assert planned(None, actual={OWN: there[OWN]}).delete == (OWN,)


# The namespace of an earlier Account of the name


def test_an_admin_gets_the_namespace_of_an_earlier_one_of_the_name() -> None:
    """This happens to the first admin after the CRDs were deleted and installed again."""
    marks = planned(ann("uid-earlier")).create_namespace
    assert marks is not None
    namespaces = {"wegent-ann": marks["metadata"]["labels"]}
    later = ann("uid-later", role="admin")
    assert planned(later, namespaces).problems == ()
    for stranger in (ann("uid-later"), ann("uid-later", role="user")):
        assert [it.reason for it in planned(stranger, namespaces).problems] == ["NamespaceTaken"]
    assert planned(later, {"wegent-ann": {}}).problems, "not made by Wegent"
