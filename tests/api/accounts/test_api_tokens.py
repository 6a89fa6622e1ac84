"""Long-lived tokens of users for their programs, and logins that are renewed."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api import jwts
from tests.api.accounts.conftest import AUTH, ENDS_WITHIN_S, LogIn, SignUp, token_of
from tests.api.conftest import ProxyFactory
from tests.api.objects import BASE
from tests.api.users import ACCOUNTS, PASSWORD, User
from tests.support.api import VERDICT_WITHIN_S, Api
from tests.support.identity import token_for
from tests.support.kubectl import Kubectl
from tests.support.proxy import Client
from tests.support.waiting import eventually
from wegent_api.accounts.api_tokens import EXPIRES_ANNOTATION, MAX_TOKENS, SECRET_TYPE
from wegent_kube.content_types import MERGE_PATCH
from wegent_kube.resources import SECRETS

TOKENS = f"{AUTH}/tokens"
ANOTHER = "correct-horse-battery-staple"
DAY_S = 86_400


async def created(user: User, name: str = "laptop", **more: Any) -> Client:
    """Create a token, and return a client with it."""
    made = (await user.client.post(TOKENS, {"name": name, **more})).expect(201)
    return user.client.as_(made["token"])


async def dead(client: Client, within_s: float = ENDS_WITHIN_S) -> None:
    async def probe() -> bool:
        return (await client.get(f"{AUTH}/me")).status == 401

    await eventually(probe, within_s=within_s, what="the token is refused")


async def names(client: Client) -> list[str]:
    return [it["name"] for it in (await client.get(TOKENS)).expect(200)["items"]]


async def secrets_of_tokens(api: Api, user: User) -> list[str]:
    params = {"fieldSelector": f"type={SECRET_TYPE}"}
    found = (await api.client.request("GET", SECRETS.path(ACCOUNTS), params=params))["items"]
    listed = [it["metadata"]["name"] for it in found]
    return [it for it in listed if it.startswith(f"token.{user.name}.")]


async def test_a_token_works_until_it_is_deleted(sign_up: SignUp, api: Api) -> None:
    user = await sign_up()
    answer = await user.client.post(TOKENS, {"name": "laptop", "expiresInSeconds": DAY_S})
    made = answer.expect(201)
    assert set(made) == {"name", "createdAt", "expiresAt", "token"}
    assert answer.headers["Cache-Control"] == "no-store"
    left = datetime.fromisoformat(made["expiresAt"]) - datetime.now(UTC)
    assert timedelta(hours=23) < left <= timedelta(days=1)
    theirs = user.client.as_(made["token"])
    (await theirs.get(f"{BASE}/ghosts?namespace={user.home}")).expect(200)
    [listed] = (await theirs.get(TOKENS)).expect(200)["items"]
    assert listed == {field: made[field] for field in ("name", "createdAt", "expiresAt")}
    secret = await api.find(SECRETS, ACCOUNTS, f"token.{user.name}.laptop")
    assert "data" not in secret
    assert made["token"] not in str(secret)
    (await user.client.delete(f"{TOKENS}/laptop")).expect(204)
    await dead(theirs)
    assert await names(user.client) == []
    (await user.client.get(f"{AUTH}/me")).expect(200)


async def test_a_name_is_used_once(sign_up: SignUp) -> None:
    user = await sign_up()
    await created(user)
    answer = await user.client.post(TOKENS, {"name": "laptop"})
    assert answer.refused(409, "Conflict") == 'tokens "laptop" already exists'
    assert await names(user.client) == ["laptop"]


async def test_a_secret_that_is_no_token_takes_its_name(user: User, api: Api) -> None:
    secret = f"token.{user.name}.taken"
    body = {"metadata": {"name": secret}, "type": "Opaque"}
    await api.client.request("POST", SECRETS.path(ACCOUNTS), body=body)
    try:
        answer = await asyncio.wait_for(user.client.post(TOKENS, {"name": "taken"}), 20)
        assert "choose another" in answer.refused(409, "Conflict")
        await created(user, "free")
    finally:
        await api.client.request("DELETE", SECRETS.path(ACCOUNTS, secret))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "with.dot"},
        {"name": "Upper"},
        {"name": "n" * 64},
        {"name": "n", "expiresInSeconds": 599},
        {"name": "n", "expiresInSeconds": 365 * DAY_S + 1},
        {"name": "n", "expiresInSeconds": "long"},
        {"name": "n", "expiresIn": 600},
    ],
    ids=str,
)
async def test_bad_bodies_are_refused(user: User, body: dict[str, Any]) -> None:
    (await user.client.post(TOKENS, body)).refused(422, "Invalid")


async def test_only_own_names_are_deleted(user: User) -> None:
    (await user.client.delete(f"{TOKENS}/with.dot")).refused(400, "BadRequest")
    (await user.client.delete(f"{TOKENS}/absent")).refused(404, "NotFound")


async def test_tokens_of_others_are_neither_listed_nor_deleted(sign_up: SignUp) -> None:
    ann, bob = await sign_up("ann"), await sign_up("bob")
    theirs = await created(ann)
    assert await names(bob.client) == []
    (await bob.client.delete(f"{TOKENS}/laptop")).refused(404, "NotFound")
    (await theirs.get(f"{AUTH}/me")).expect(200)


async def test_a_user_has_so_many_and_no_more(sign_up: SignUp, api: Api) -> None:
    user = await sign_up()
    several = [user.client.post(TOKENS, {"name": f"t{it}"}) for it in range(MAX_TOKENS)]
    made = await asyncio.gather(*several)
    assert {it.status for it in made} <= {201, 403}
    for number in range(MAX_TOKENS):
        await user.client.post(TOKENS, {"name": f"t{number}"})
    assert len(await names(user.client)) == MAX_TOKENS
    answer = await user.client.post(TOKENS, {"name": "more"})
    assert f"may have {MAX_TOKENS} API tokens" in answer.refused(403, "Forbidden")
    assert len(await secrets_of_tokens(api, user)) == MAX_TOKENS


async def test_a_token_makes_no_further_tokens(sign_up: SignUp) -> None:
    """Else a stolen one would outlive its deletion."""
    theirs = await created(await sign_up())
    for path, body in ((TOKENS, {"name": "more"}), (f"{AUTH}/refresh", None)):
        answer = await theirs.post(path, body)
        assert "does not come from a login" in answer.refused(403, "Forbidden")


async def test_a_renewed_login_makes_no_tokens(sign_up: SignUp, api: Api) -> None:
    """Else a stolen token could make one for a year, a day after it should have expired."""
    user = await sign_up()
    answer = await (await refreshed(user.client)).post(TOKENS, {"name": "laptop"})
    assert "log in with the password" in answer.refused(403, "Forbidden")
    assert await secrets_of_tokens(api, user) == []
    await created(user)


async def test_who_has_no_account_has_no_tokens(
    anonymous: Client, kubectl: Kubectl, admin_client: Client
) -> None:
    """A token that names no Secret, and a ServiceAccount elsewhere."""
    (await admin_client.post(TOKENS, {"name": "n"})).refused(403, "Forbidden")
    outsider = anonymous.as_(token_for(kubectl, "default", "default"))
    for answer in (
        await outsider.get(TOKENS),
        await outsider.post(TOKENS, {"name": "n"}),
        await outsider.delete(f"{TOKENS}/n"),
        await outsider.post(f"{AUTH}/refresh"),
    ):
        assert "is not a user of Wegent" in answer.refused(403, "Forbidden")
    for answer in (await anonymous.get(TOKENS), await anonymous.post(f"{AUTH}/refresh")):
        answer.refused(401, "Unauthorized")


async def change_password(user: User, _: Api) -> None:
    body = {"oldPassword": PASSWORD, "newPassword": ANOTHER}
    (await user.client.post(f"{AUTH}/password", body)).expect(200)


async def suspend(user: User, api: Api) -> None:
    await api.merge("accounts", ACCOUNTS, user.name, {"spec": {"suspended": True}})


async def delete_account(user: User, api: Api) -> None:
    await api.delete("accounts", ACCOUNTS, user.name)


@pytest.mark.parametrize("event", [change_password, suspend, delete_account])
async def test_tokens_and_logins_end_with(
    sign_up: SignUp, api: Api, event: Callable[[User, Api], Awaitable[None]]
) -> None:
    user = await sign_up()
    theirs = await created(user)
    renewed = await refreshed(user.client)
    await event(user, api)
    for client in (theirs, renewed, user.client):
        await dead(client, VERDICT_WITHIN_S + ENDS_WITHIN_S)
    (await renewed.post(f"{AUTH}/refresh")).refused(401, "Unauthorized")


async def test_a_changed_password_leaves_no_tokens(
    sign_up: SignUp, log_in: LogIn, api: Api
) -> None:
    user = await sign_up()
    await created(user)
    await change_password(user, api)
    assert await secrets_of_tokens(api, user) == []
    again = user.client.as_(await token_of(log_in, user.name, ANOTHER))
    assert await names(again) == []
    (await again.post(TOKENS, {"name": "laptop"})).expect(201)


async def test_an_unsuspended_user_begins_without_tokens(
    sign_up: SignUp, log_in: LogIn, api: Api
) -> None:
    user = await sign_up()
    theirs = await created(user)
    await suspend(user, api)
    await dead(theirs, VERDICT_WITHIN_S + ENDS_WITHIN_S)
    await api.merge("accounts", ACCOUNTS, user.name, {"spec": {"suspended": False}})
    again = User(user.name, user.client.as_(await token_of(log_in, user.name)))
    assert await names(again.client) == []
    (await theirs.get(f"{AUTH}/me")).refused(401, "Unauthorized")
    (await (await created(again)).get(f"{AUTH}/me")).expect(200)


async def test_the_secret_of_the_password_owns_those_of_tokens(sign_up: SignUp, api: Api) -> None:
    user = await sign_up()
    await created(user)
    account = await api.get("accounts", ACCOUNTS, user.name)
    assert account is not None
    password = await api.find(SECRETS, ACCOUNTS, account["spec"]["passwordSecretRef"]["name"])
    secret = await api.find(SECRETS, ACCOUNTS, f"token.{user.name}.laptop")
    [owner] = secret["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("Secret", password["metadata"]["uid"])


async def test_the_sweep_deletes_expired_ones_alone(
    sign_up: SignUp, api: Api, start_proxy: ProxyFactory
) -> None:
    user = await sign_up()
    kept = await created(user, "kept")
    expired = await created(user, "expired")
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    body = {"metadata": {"annotations": {EXPIRES_ANNOTATION: past}}}
    path = SECRETS.path(ACCOUNTS, f"token.{user.name}.expired")
    await api.client.request("PATCH", path, body=body, content_type=MERGE_PATCH)
    assert await names(user.client) == ["kept"]
    start_proxy(sweep_interval_s="1", orphan_age_s="0")

    async def swept() -> bool:
        return await secrets_of_tokens(api, user) == [f"token.{user.name}.kept"]

    await eventually(swept, within_s=30, what="the expired token is deleted")
    await dead(expired)
    (await kept.get(f"{AUTH}/me")).expect(200)


async def test_users_write_no_secrets_of_tokens(
    sign_up: SignUp, admin: User, kubectl_with: Callable[[str], Kubectl]
) -> None:
    """Not even an admin, whose role holds in all namespaces."""
    user = await sign_up()
    theirs = await created(user)
    for client, told in (
        (user.client, "cannot delete"),
        (admin.client, "only Secrets of the type agent.wecode.io/api-key"),
    ):
        delete = ("delete", "secret", f"token.{user.name}.laptop", f"--namespace={ACCOUNTS}")
        assert told in kubectl_with(str(client.token)).run(*delete).refused()
    (await theirs.get(f"{AUTH}/me")).expect(200)


async def refreshed(client: Client) -> Client:
    answer = await client.post(f"{AUTH}/refresh")
    renewed = answer.expect(200)
    assert renewed["tokenType"] == "bearer"
    assert answer.headers["Cache-Control"] == "no-store"
    return client.as_(renewed["accessToken"])


async def test_a_login_is_renewed_and_its_time_stays(sign_up: SignUp) -> None:
    user = await sign_up()
    assert user.client.token
    _, first, _ = jwts.read(user.client.token)
    once = await refreshed(user.client)
    twice = await refreshed(once)
    (await twice.get(f"{BASE}/ghosts?namespace={user.home}")).expect(200)
    assert twice.token
    _, last, _ = jwts.read(twice.token)
    assert last["aud"] == [*first["aud"], f"agent.wecode.io/login-at/{first['iat']}"]
    assert last["kubernetes.io"]["secret"] == first["kubernetes.io"]["secret"]


async def test_a_renewal_ends_with_the_login(
    sign_up: SignUp, start_proxy: ProxyFactory, kubectl: Kubectl
) -> None:
    user = await sign_up()
    proxy = start_proxy(login_max_s="900", token_lifetime_s="1800")
    client = Client(user.client.session, proxy.url, user.client.token)
    body = (await client.post(f"{AUTH}/refresh")).expect(200)
    assert 600 <= body["expiresIn"] <= 900
    strict = start_proxy(login_max_s="600")
    issued_at = jwts.read(str(user.client.token))[1]["iat"]
    await eventually(lambda: time.time() > issued_at + 1, within_s=30, what="a later second")
    for token in (user.client.token, body["accessToken"]):
        late = Client(user.client.session, strict.url, token)
        answer = await late.post(f"{AUTH}/refresh")
        assert "can't be renewed any more" in answer.refused(403, "Forbidden")
    # One from elsewhere, with a claim of its own, is bound to no password.
    forged = ["--audience=https://kubernetes.default.svc.cluster.local"]
    later = f"--audience=agent.wecode.io/login-at/{int(time.time()) + DAY_S}"
    made = kubectl.run("create", "token", user.name, f"-n={ACCOUNTS}", *forged, later).ok().stdout
    answer = await client.as_(made.strip()).post(f"{AUTH}/refresh")
    assert answer.status in {401, 403}
