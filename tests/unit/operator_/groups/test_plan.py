"""Decisions on Groups: which Account a member is, its role, and the problems."""

from typing import Any

import pytest

from tests.unit.objects import state
from wegent_crds.conditions import Reason
from wegent_crds.members import GROUP_LABEL, GROUP_UID_LABEL
from wegent_crds.well_known import REQUESTS_PER_MINUTE, TOKENS_PER_DAY
from wegent_operator.accounts.groups import group_roles, is_closed, name_problem
from wegent_operator.accounts.manifests import role_bindings
from wegent_operator.accounts.provisioned import managed_subset
from wegent_operator.groups.plan import (
    bound_members,
    member_problems,
    must_apply_limits,
    namespace_problem,
    quota_problems,
)
from wegent_operator.names import FIELD_MANAGER
from wegent_operator.state.limits import LIMITS, Limit, limits_of
from wegent_operator.state.objects import AccountState, GroupState

ACCOUNTS = "wegent-accounts"
BEFORE, THEN, AFTER = (f"2026-01-0{day}T00:00:00Z" for day in (1, 2, 3))


def account(uid: str = "uid-ann", created: str = BEFORE, **metadata: Any) -> AccountState:
    metadata = {"uid": uid, "creationTimestamp": created, **metadata}
    return state("Account", "ann", {}, namespace=ACCOUNTS, metadata=metadata)


def group_of(*members: dict[str, str], bound: dict[str, str] | None = None, **more: Any) -> Any:
    spec = {"members": [{"username": "ann", "role": "editor", **it} for it in members]}
    status = {"members": [{"username": k, "accountUid": v} for k, v in (bound or {}).items()]}
    metadata = {"uid": "uid-blue", "creationTimestamp": THEN, **more.pop("metadata", {})}
    more = {"status": status, **more}
    spec |= more.pop("spec", {})
    return state("Group", "blue", spec, namespace=ACCOUNTS, metadata=metadata, **more)


def roles(group: GroupState, of: AccountState, labels: Any = None) -> dict[str, str]:
    there = {"blue": {GROUP_UID_LABEL: "uid-blue"} if labels is None else labels}
    return group_roles(of, [group], there.get)


def test_a_member_is_the_account_that_exists_when_it_is_first_seen() -> None:
    group = group_of({})
    assert bound_members(group, {"ann": account()}.get) == (("ann", "uid-ann"),)
    assert roles(group, account()) == {}, "no role before the Account is recorded"
    assert roles(group_of({}, bound={"ann": "uid-ann"}), account()) == {"blue": "editor"}


def test_a_later_account_of_the_name_inherits_nothing() -> None:
    group, other = group_of({}, bound={"ann": "uid-ann"}), account("uid-other")
    assert bound_members(group, {"ann": other}.get) == (("ann", "uid-ann"),)
    assert roles(group, other) == {}
    [problem] = member_problems(group, {"ann": other}.get)
    assert problem.reason == Reason.REF_NOT_PERMITTED
    assert "set accountUid to uid-other" in problem.message


def test_a_member_who_is_no_user_yet_gets_no_role_later() -> None:
    group = group_of({})
    assert bound_members(group, lambda _: None) == (("ann", ""),)
    [problem] = member_problems(group, lambda _: None)
    assert problem.reason == Reason.REF_NOT_FOUND
    known = group_of({}, bound={"ann": ""})
    assert bound_members(known, {"ann": account()}.get) == (("ann", ""),)
    assert roles(known, account()) == {}


def test_an_account_younger_than_the_last_change_is_not_the_member() -> None:
    """It was registered while no operator ran, perhaps by another person."""
    assert bound_members(group_of({}), {"ann": account(created=AFTER)}.get) == (("ann", ""),)
    assert bound_members(group_of({}), {"ann": account(created=THEN)}.get) == (("ann", "uid-ann"),)
    fields = [{"time": AFTER}, {"time": "2026-01-09T00:00:00Z", "subresource": "status"}]
    edited = group_of({}, metadata={"managedFields": fields})
    assert bound_members(edited, {"ann": account(created=AFTER)}.get) == (("ann", "uid-ann"),)


def test_the_spec_may_name_the_account() -> None:
    group = group_of({"accountUid": "uid-other"})
    assert bound_members(group, {"ann": account()}.get) == ()
    assert roles(group, account("uid-other")) == {"blue": "editor"}
    assert roles(group, account()) == {}
    [problem] = member_problems(group, {"ann": account()}.get)
    assert problem.message.startswith("spec.members[0].accountUid: Account ann has the UID uid-ann")


@pytest.mark.parametrize("labels", [{}, {GROUP_UID_LABEL: "another"}])
def test_a_namespace_of_another_owner_gives_no_roles(labels: dict[str, str]) -> None:
    group = group_of({}, bound={"ann": "uid-ann"})
    assert roles(group, account(), labels) == {}
    problem = namespace_problem(group, labels, ())
    assert problem is not None
    assert problem.reason == Reason.NAMESPACE_TAKEN
    remedies = ("use another name", f"{GROUP_UID_LABEL}=uid-blue", "if nobody needs its objects")
    assert sorted(problem.message.index(it) for it in remedies) == [
        problem.message.index(it) for it in remedies
    ]


def test_a_group_that_is_being_deleted_gives_no_roles() -> None:
    going = group_of({}, bound={"ann": "uid-ann"}, metadata={"deletionTimestamp": AFTER})
    assert roles(going, account()) == {}
    assert is_closed(going, {GROUP_UID_LABEL: "uid-blue"})


@pytest.mark.parametrize(
    ("labels", "closed"),
    [
        (None, False),
        ({}, False),
        ({"team": "blue"}, False),
        ({GROUP_UID_LABEL: "uid-blue"}, False),
        ({GROUP_UID_LABEL: "uid-former"}, True),
    ],
)
def test_the_namespace_of_a_former_group_is_closed(
    labels: dict[str, str] | None,
    closed: bool,  # noqa: FBT001 - a parameter of the table
) -> None:
    assert is_closed(group_of(), labels) is closed
    assert is_closed(None, labels) is (bool(labels) and GROUP_UID_LABEL in (labels or {}))


@pytest.mark.parametrize(
    ("name", "namespace", "reason"),
    [
        ("blue", ACCOUNTS, None),
        ("blue", "default", Reason.WRONG_NAMESPACE),
        ("shared", ACCOUNTS, Reason.NAME_RESERVED),
        ("people", ACCOUNTS, None),
        ("kube-system", ACCOUNTS, Reason.NAME_RESERVED),
        ("wegent-ann", ACCOUNTS, Reason.NAME_RESERVED),
    ],
)
def test_names_of_groups(name: str, namespace: str, reason: Reason | None) -> None:
    group: Any = state("Group", name, {}, namespace=namespace)
    problem = name_problem(group, ACCOUNTS, {"shared"})
    assert (problem and problem.reason) == reason


@pytest.mark.parametrize(
    ("labels", "reserved", "reason"),
    [
        (None, {"other", "*-blue"}, None),
        (None, {"bl*"}, Reason.NAME_RESERVED),
        ({}, {"blue"}, Reason.NAME_RESERVED),
        ({}, (), Reason.NAMESPACE_TAKEN),
        ({GROUP_UID_LABEL: "uid-blue"}, {"blue"}, None),
    ],
)
def test_a_reserved_namespace_is_a_groups_only_if_it_was(
    labels: dict[str, str] | None, reserved: set[str], reason: Reason | None
) -> None:
    problem = namespace_problem(group_of(), labels, reserved)
    assert (problem and problem.reason) == reason
    if reason is Reason.NAME_RESERVED:
        assert problem is not None
        assert problem.message.startswith("metadata.name: blue is reserved for the cluster, by b")


def test_the_namespace_of_accounts_is_no_groups_whatever_its_name() -> None:
    group: Any = state("Group", "people", {}, namespace="people")
    problem = name_problem(group, "people", ())
    assert problem is not None


@pytest.mark.parametrize(
    ("limits", "actual", "applied"),
    [
        ({}, {}, False),
        ({}, {TOKENS_PER_DAY: Limit("5", applied=False)}, False),
        ({}, {TOKENS_PER_DAY: Limit("5", applied=True)}, True),
        ({"requestsPerMinute": 5}, {}, True),
        ({"requestsPerMinute": 5}, {REQUESTS_PER_MINUTE: Limit("5", applied=True)}, False),
        ({"requestsPerMinute": 5}, {REQUESTS_PER_MINUTE: Limit("5", applied=False)}, False),
        ({"requestsPerMinute": 5}, {REQUESTS_PER_MINUTE: Limit("6", applied=True)}, True),
    ],
)
def test_limits_are_applied_where_they_differ(
    limits: dict[str, int],
    actual: dict[str, Limit],
    applied: bool,  # noqa: FBT001 - a parameter of the table
) -> None:
    """The last verdict doesn't matter: it may have been that the step had failed."""
    for observed in (None, 1):
        group = group_of(spec={"limits": limits}, status={"observedGeneration": observed})
        assert must_apply_limits(group, actual) is applied


def test_limits_are_the_operators_by_their_manager() -> None:
    fields: dict[str, Any] = {"f:metadata": {"f:annotations": {".": {}, f"f:{TOKENS_PER_DAY}": {}}}}
    both = {TOKENS_PER_DAY: "5", REQUESTS_PER_MINUTE: "6", "other": "7"}
    for manager, operation in (("kubectl", "Apply"), (FIELD_MANAGER, "Update")):
        entry = {"manager": manager, "operation": operation, "fieldsV1": fields}
        found = limits_of({"annotations": both, "managedFields": [entry]})
        assert found == {name: Limit(both[name], applied=False) for name in LIMITS}
    entry = {"manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": fields}
    assert limits_of({"annotations": both, "managedFields": [entry]}) == {
        TOKENS_PER_DAY: Limit("5", applied=True),
        REQUESTS_PER_MINUTE: Limit("6", applied=False),
    }


def test_a_resource_that_is_not_counted_is_a_problem_of_its_field() -> None:
    quota = {"count/botss.agent.wecode.io": 5, "count/teams.agent.wecode.io": 5}
    unknown = {"count/botss.agent.wecode.io", "count/others"}
    [problem] = quota_problems(group_of(spec={"quota": quota}), unknown)
    assert problem.message.startswith("spec.quota[count/botss.agent.wecode.io]: ")
    assert quota_problems(group_of(), unknown) == [], "the default is no field of the Group"


def test_the_binding_of_a_member_names_the_group() -> None:
    made = dict(role_bindings(account(), {"blue": "editor", "red": "viewer"}, {"blue"}))
    found = {key.namespace: managed_subset(body)["labels"] for key, body in made.items()}
    assert found["blue"][GROUP_LABEL] == "blue"
    assert GROUP_LABEL not in found["red"]
