"""Memberships that a namespace's admin gave to a user end when the user is deleted."""

import uuid

import pytest

from tests.support.api import VERDICT_WITHIN_S, Api
from tests.support.audit import AuditLog
from tests.support.operator import OperatorProcess
from tests.support.waiting import eventually
from tests.support.wegent import OPERATOR_USER
from wegent_crds import members
from wegent_kube.resources import ROLE_BINDINGS, SERVICE_ACCOUNTS

ACCOUNTS = "wegent-accounts"


@pytest.fixture
def user() -> str:
    """A user name of the test's own."""
    return f"u{uuid.uuid4().hex[:8]}"


async def sign_up(api: Api, user: str) -> None:
    await api.create("accounts", ACCOUNTS, user, {"email": f"{user}@example.com"})
    await api.settled("accounts", ACCOUNTS, user)


async def let_in(api: Api, namespace: str, user: str, role: str = "viewer") -> None:
    body = members.binding(namespace, ACCOUNTS, user, role)
    await api.client.request("POST", ROLE_BINDINGS.path(namespace), body=body)


async def is_member(api: Api, namespace: str, user: str, role: str = "viewer") -> bool:
    name = members.binding_name(user, role)
    return await api.find(ROLE_BINDINGS, namespace, name) is not None


async def thrown_out(api: Api, namespace: str, user: str) -> None:
    async def probe() -> bool:
        return not await is_member(api, namespace, user)

    what = f"{user} to be no member of {namespace}"
    await eventually(probe, within_s=VERDICT_WITHIN_S, what=what)


async def test_a_membership_ends_with_the_account(
    api: Api, operator: OperatorProcess, user: str, namespace: str
) -> None:
    del operator
    await sign_up(api, user)
    await let_in(api, namespace, user)
    await api.delete("accounts", ACCOUNTS, user)
    await thrown_out(api, namespace, user)


async def test_what_is_given_to_nobody_is_taken_away(
    api: Api, operator: OperatorProcess, user: str, namespace: str
) -> None:
    """Otherwise a later user of that name would get the membership."""
    del operator
    await let_in(api, namespace, user)
    await thrown_out(api, namespace, user)


async def test_a_later_user_of_the_name_is_no_member(
    api: Api, operator: OperatorProcess, user: str, namespace: str, audit: AuditLog
) -> None:
    """The operator sees neither the earlier Account's deletion nor the later one's creation."""
    await sign_up(api, user)
    await let_in(api, namespace, user)
    binding = members.binding_name(user, "viewer")
    given = await api.client.request("GET", ROLE_BINDINGS.path(namespace, binding))
    assert operator.stop() == 0
    await api.delete("accounts", ACCOUNTS, user)
    spec = {"email": f"{user}@example.com"}

    async def younger() -> bool:
        """Sign up in a later second than the one in which the earlier user was let in."""
        account = await api.create("accounts", ACCOUNTS, user, spec)
        if account["metadata"]["creationTimestamp"] > given["metadata"]["creationTimestamp"]:
            return True
        await api.delete("accounts", ACCOUNTS, user)
        return False

    await eventually(younger, within_s=30, what="the next second")
    operator.start()
    await api.settled("accounts", ACCOUNTS, user, "NamespaceTaken")
    assert not await is_member(api, namespace, user)
    writes = [
        (it.verb, it.resource)
        for it in audit.writes(user=OPERATOR_USER)
        if it.name in (user, binding) and it.resource in ("serviceaccounts", "rolebindings")
    ]
    assert writes[-1] == ("patch", SERVICE_ACCOUNTS.plural), "who they are comes last"
    assert ("delete", ROLE_BINDINGS.plural) in writes

    await let_in(api, namespace, user, "editor")
    marker = f"{user}b"
    await sign_up(api, marker)
    assert await is_member(api, namespace, user, "editor"), "this one was given to them"


async def test_suspension_keeps_what_a_restart_finds(
    api: Api, operator: OperatorProcess, user: str, namespace: str
) -> None:
    await sign_up(api, user)
    await let_in(api, namespace, user)
    await api.merge("accounts", ACCOUNTS, user, {"spec": {"suspended": True}})
    await api.settled("accounts", ACCOUNTS, user, "Suspended")
    assert operator.stop() == 0
    operator.start()
    await api.merge("accounts", ACCOUNTS, user, {"spec": {"suspended": False}})
    await api.settled("accounts", ACCOUNTS, user)
    assert await is_member(api, namespace, user)


async def test_bindings_that_only_bear_the_label_are_left_alone(
    api: Api, operator: OperatorProcess, user: str, namespace: str
) -> None:
    """The operator may not delete them, and would try for ever."""
    del operator
    body = members.binding(namespace, ACCOUNTS, user, "viewer")
    body["metadata"]["name"] = "mine"
    await api.client.request("POST", ROLE_BINDINGS.path(namespace), body=body)
    await sign_up(api, user)
    await api.client.request("GET", ROLE_BINDINGS.path(namespace, "mine"))
