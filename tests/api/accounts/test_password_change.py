"""Changes of passwords: the access that ends with the old one, and changes that are cut off."""

import asyncio
from typing import Any

import pytest

from tests.api.accounts.conftest import AUTH, ENDS_WITHIN_S, LogIn, SignUp, secrets_of
from tests.api.conftest import ProxyFactory
from tests.api.users import ACCOUNTS, PASSWORD, User
from tests.support.api import Api
from tests.support.audit import AuditLog
from tests.support.identity import token_for
from tests.support.kubectl import Kubectl
from tests.support.proxy import Client
from tests.support.rights import create_account, grant
from tests.support.waiting import eventually

CHANGE = f"{AUTH}/password"
ME = f"{AUTH}/me"
ANOTHER = "correct-horse-battery-staple"
PROXY = "system:serviceaccount:wegent-system:wegent-api"


def change(old: str = PASSWORD, new: str = ANOTHER) -> dict[str, str]:
    return {"oldPassword": old, "newPassword": new}


async def dies(client: Client) -> None:
    """Wait until a client's token is refused."""

    async def refused() -> bool:
        return (await client.get(ME)).status == 401

    await eventually(refused, within_s=ENDS_WITHIN_S, what="the token is refused")


async def test_a_new_password_ends_all_sessions_and_begins_another(
    sign_up: SignUp, log_in: LogIn, api: Api, anonymous: Client
) -> None:
    user = await sign_up()
    elsewhere = anonymous.as_((await log_in(user.name)).expect(200)["accessToken"])
    answer = await user.client.post(CHANGE, change())
    token = answer.expect(200)
    assert set(token) == {"accessToken", "tokenType", "expiresIn"}
    assert answer.headers["Cache-Control"] == "no-store"
    (await log_in(user.name)).refused(401, "Unauthorized")
    (await log_in(user.name, ANOTHER)).expect(200)
    now = anonymous.as_(token["accessToken"])
    assert (await now.get(ME)).expect(200)["username"] == user.name
    await dies(user.client)
    await dies(elsewhere)
    (await now.get(ME)).expect(200)

    [secret] = await secrets_of(api, user.name)
    account = await api.get("accounts", ACCOUNTS, user.name)
    assert account is not None
    assert account["spec"]["passwordSecretRef"] == {"name": secret["metadata"]["name"]}
    [owner] = secret["metadata"]["ownerReferences"]
    assert owner["uid"] == account["metadata"]["uid"]
    assert account["spec"]["email"] == f"{user.name}@example.com"


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        (change(old="wrong-password-123"), "oldPassword", "FieldValueInvalid"),
        (change(new="elevenchars"), "newPassword", "FieldValueInvalid"),
        (change(new="a" * 129), "newPassword", "FieldValueTooLong"),
        ({"newPassword": ANOTHER}, "oldPassword", "FieldValueRequired"),
        (change() | {"username": "somebody-else"}, "username", "FieldValueForbidden"),
    ],
)
async def test_what_is_wrong_changes_nothing(
    sign_up: SignUp,
    log_in: LogIn,
    audit: AuditLog,
    body: dict[str, str],
    field: str,
    reason: str,
) -> None:
    user = await sign_up()
    before = len(audit.writes(user=PROXY))
    answer = await user.client.post(CHANGE, body)
    answer.refused(422, "Invalid")
    assert answer.causes() == {field: reason}
    assert len(audit.writes(user=PROXY)) == before
    (await log_in(user.name)).expect(200)


async def test_wrong_ones_are_limited_together_with_logins(
    sign_up: SignUp, start_proxy: ProxyFactory
) -> None:
    user = await sign_up()
    proxy = Client(user.client.session, start_proxy(logins_per_user_per_minute="3").url)
    theirs = proxy.as_(user.client.token)
    for _ in range(2):
        (await theirs.post(CHANGE, change(old="wrong-password-123"))).refused(422, "Invalid")
    login = {"username": user.name, "password": "wrong-password-123"}
    (await proxy.post(f"{AUTH}/login", login)).refused(401, "Unauthorized")
    limited = await theirs.post(CHANGE, change())
    limited.refused(429, "TooManyRequests")
    assert 1 <= int(limited.headers["Retry-After"]) <= 20
    (await proxy.post(f"{AUTH}/login", login)).refused(429, "TooManyRequests")


async def test_of_two_changes_at_once_one_counts(sign_up: SignUp, log_in: LogIn, api: Api) -> None:
    user = await sign_up()
    passwords = [f"{ANOTHER}-{index}" for index in range(4)]
    answers = await asyncio.gather(
        *(user.client.post(CHANGE, change(new=password)) for password in passwords)
    )
    statuses = [answer.status for answer in answers]
    assert statuses.count(200) == 1
    # The change is refused at its write, or already at the check of the old password.
    assert set(statuses) <= {200, 409, 422}
    for password, status in zip(passwords, statuses, strict=True):
        assert (await log_in(user.name, password)).status == (200 if status == 200 else 401)
    assert len(await secrets_of(api, user.name)) == 1


async def test_who_has_no_password_changes_none(
    anonymous: Client, kubectl: Kubectl, sign_up: SignUp, api: Api, audit: AuditLog
) -> None:
    stranger = anonymous.as_(token_for(kubectl, "kube-public", "default"))
    message = (await stranger.post(CHANGE, change())).refused(403, "Forbidden")
    assert "system:serviceaccount:kube-public:default is not a user of Wegent" in message
    (await anonymous.post(CHANGE, change())).refused(401, "Unauthorized")
    assert not [it for it in audit.writes(user=PROXY) if it.resource == "secrets"]
    user = await sign_up()
    without: dict[str, Any] = {"spec": {"passwordSecretRef": None}}
    await api.merge("accounts", ACCOUNTS, user.name, without)
    answer = await user.client.post(CHANGE, change())
    answer.refused(422, "Invalid")
    assert answer.causes() == {"oldPassword": "FieldValueInvalid"}


async def test_it_acts_for_its_caller_alone(sign_up: SignUp, log_in: LogIn) -> None:
    """Of two users with the same password, only the token's user gets another one."""
    ann, bob = await sign_up("ann"), await sign_up("bob")
    (await ann.client.post(CHANGE, change())).expect(200)
    (await log_in(bob.name)).expect(200)
    (await log_in(bob.name, ANOTHER)).refused(401, "Unauthorized")


async def test_no_password_and_no_token_is_logged(
    sign_up: SignUp, start_proxy: ProxyFactory, admin: User
) -> None:
    user = await sign_up()
    process = start_proxy(log_level="DEBUG")
    proxy = Client(user.client.session, process.url)
    theirs = proxy.as_(user.client.token)
    (await theirs.post(CHANGE, change(old="hunter2-hunter2"))).expect(422)
    (await theirs.post(CHANGE, change(new="hunter2-hunter2"))).expect(200)
    reset = {"newPassword": "hunter2-hunter3"}
    (await proxy.as_(admin.client.token).post(reset_path(user), reset)).expect(204)
    await theirs.get(f"{AUTH}/kubeconfig")
    logged = process.logged()
    assert CHANGE in logged
    assert "hunter2" not in logged
    assert user.client.token
    assert user.client.token.rsplit(".", 1)[1] not in logged
    assert "argon2" not in logged


# Changes by an admin


def reset_path(user: User) -> str:
    return f"{AUTH}/admin/accounts/{user.name}/password"


async def test_an_admin_gives_a_user_another_password(
    sign_up: SignUp, admin: User, log_in: LogIn, api: Api, audit: AuditLog
) -> None:
    user = await sign_up()
    answer = await admin.client.post(reset_path(user), {"newPassword": ANOTHER})
    answer.expect(204)
    (await log_in(user.name)).refused(401, "Unauthorized")
    (await log_in(user.name, ANOTHER)).expect(200)
    await dies(user.client)
    assert len(await secrets_of(api, user.name)) == 1
    changes = [it for it in audit.writes() if (it.resource, it.name) == ("accounts", user.name)]
    by = {it.user for it in changes if it.verb == "patch" and not it.subresource}
    assert by == {f"system:serviceaccount:{ACCOUNTS}:{admin.name}"}


async def test_also_one_who_had_none(sign_up: SignUp, admin: User, log_in: LogIn, api: Api) -> None:
    user = await sign_up()
    without: dict[str, Any] = {"spec": {"passwordSecretRef": None}}
    await api.merge("accounts", ACCOUNTS, user.name, without)
    (await log_in(user.name)).refused(401, "Unauthorized")
    (await admin.client.post(reset_path(user), {"newPassword": ANOTHER})).expect(204)
    (await log_in(user.name, ANOTHER)).expect(200)


async def test_nobody_else_does_and_nothing_is_written(
    sign_up: SignUp, log_in: LogIn, admin: User, audit: AuditLog
) -> None:
    user, other = await sign_up(), await sign_up()
    before = len(audit.writes(user=PROXY))
    for victim in (user, other, admin):
        answer = await other.client.post(reset_path(victim), {"newPassword": ANOTHER})
        answer.refused(403, "Forbidden")
    answer = await admin.client.post(reset_path(user), {"newPassword": "too-short"})
    assert answer.causes() == {"newPassword": "FieldValueInvalid"}
    missing = f"{AUTH}/admin/accounts/nobody-at-all/password"
    (await admin.client.post(missing, {"newPassword": ANOTHER})).refused(404, "NotFound")
    assert len(audit.writes(user=PROXY)) == before
    (await log_in(user.name)).expect(200)


async def test_who_may_read_accounts_may_not_write_passwords(
    sign_up: SignUp, anonymous: Client, api: Api, kubectl: Kubectl, audit: AuditLog
) -> None:
    """The dry run fails before a Secret is written."""
    user = await sign_up()
    where = f"--namespace={ACCOUNTS}"
    auditor = anonymous.as_(await create_account(api, "kube-public", "auditor"))
    rule = ("--verb=get", "--resource=accounts.agent.wecode.io")
    (await kubectl.call("create", "role", "auditor", *rule, where)).ok()
    await grant(api, ("kube-public", "auditor"), "auditor", ACCOUNTS, kind="Role")
    before = len(audit.writes(user=PROXY))
    answer = await auditor.post(reset_path(user), {"newPassword": ANOTHER})
    assert "cannot patch resource" in answer.refused(403, "Forbidden")
    assert len(audit.writes(user=PROXY)) == before
