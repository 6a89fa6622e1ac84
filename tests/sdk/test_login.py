"""Logins, tokens, members and keys over the SDK."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api.conftest import ProxyFactory
from tests.api.users import PASSWORD, User, unique
from tests.sdk.conftest import Person
from tests.support.api import Api
from tests.support.kubectl import Kubectl
from tests.support.waiting import eventually
from wegent_crds import Ghost
from wegent_sdk import (
    AlreadyExists,
    AsyncClient,
    Conflict,
    Forbidden,
    Invalid,
    Login,
    LoginExpired,
    NeedsLogin,
    NotFound,
    TooManyRequests,
    Unavailable,
)

pytestmark = pytest.mark.usefixtures("operator")
NewUser = Callable[[], Awaitable[User]]


@pytest.fixture
def nobody(sort: Any, opened: Callable[[Any], Person], proxy_url: str) -> Person:
    """A client without a login."""
    return opened(sort(proxy_url))


async def test_a_login_is_used_from_then_on(nobody: Person, new_user: NewUser) -> None:
    person = await new_user()
    with pytest.raises(LoginExpired):
        await nobody.call(lambda c: c.me())
    with pytest.raises(LoginExpired) as wrong:
        await nobody.call(lambda c: c.login(person.name, "not the password"))
    assert "not the password" not in str(wrong.value)
    login = await nobody.call(lambda c: c.login(person.name, PASSWORD))
    left = login.expires_at - datetime.now(UTC)
    assert timedelta(minutes=25) < left < timedelta(minutes=31)
    assert login.token not in repr(login)
    assert login.token not in repr(nobody.client)
    found = await nobody.call(lambda c: c.me())
    assert (found.username, found.role) == (person.name, "user")
    assert found.email == f"{person.name}@example.com"
    assert found.body["username"] == person.name


async def test_registering_and_changing_the_password(nobody: Person) -> None:
    name, new = unique("user"), "another long password 7"
    await nobody.call(lambda c: c.register(name, PASSWORD, f"{name}@example.com"))
    with pytest.raises(AlreadyExists):
        await nobody.call(lambda c: c.register(name, PASSWORD, f"{name}@example.com"))
    with pytest.raises(Invalid) as short:
        await nobody.call(lambda c: c.register(unique("user"), "short", "a@example.com"))
    assert [it.field for it in short.value.causes] == ["password"]

    async def set_up() -> Login:
        try:
            login: Login = await nobody.call(lambda c: c.login(name, PASSWORD))
        except Unavailable as error:
            raise AssertionError(error.message) from error
        return login

    first = (await eventually(set_up, within_s=30, what="the Account")).token
    with pytest.raises(Invalid) as wrong:
        await nobody.call(lambda c: c.change_password("not the password", new))
    assert [it.field for it in wrong.value.causes] == ["oldPassword"]
    login = await nobody.call(lambda c: c.change_password(PASSWORD, new))
    assert login.token != first
    assert (await nobody.call(lambda c: c.me())).username == name
    with pytest.raises(LoginExpired):
        await nobody.call(lambda c: c.login(name, PASSWORD))


async def test_a_login_is_renewed_before_it_expires(nobody: Person, new_user: NewUser) -> None:
    person = await new_user()
    login = await nobody.call(lambda c: c.login(person.name, PASSWORD))
    first, stored = login.token, []
    login.on_renewed = lambda it: stored.append(it.token)
    await nobody.call(lambda c: c.me())
    assert stored == []
    login.expires_at = datetime.now(UTC) + timedelta(seconds=60)
    await nobody.call(lambda c: c.me())
    assert stored == [login.token]
    assert login.token != first
    assert login.expires_at > datetime.now(UTC) + timedelta(minutes=20)
    again = await nobody.call(lambda c: c.renew())
    assert again is login
    assert stored[1] == login.token


async def test_a_login_is_renewed_during_a_stream(
    nobody: Person, new_user: NewUser, api: Api
) -> None:
    person = await new_user()
    login = await nobody.call(lambda c: c.login(person.name, PASSWORD))
    home, renewed = person.home, asyncio.Event()
    loop = asyncio.get_running_loop()
    login.on_renewed = lambda _: loop.call_soon_threadsafe(renewed.set)
    await api.create("ghosts", home, "g", {"systemPrompt": "0"})
    await api.settled("ghosts", home, "g")
    events: list[Any] = []
    reading = asyncio.create_task(nobody.take(lambda c: c.watch(Ghost, home), 2, events))
    await eventually(lambda: events, within_s=30, what="the first event")
    login.expires_at = datetime.now(UTC) + timedelta(seconds=60)
    await api.merge("ghosts", home, "g", {"spec": {"systemPrompt": "1"}})
    await asyncio.wait_for(renewed.wait(), 20)
    assert [it.type for it in await reading] == ["ADDED", "MODIFIED"]


async def test_an_expired_login(
    sort: Any, opened: Callable[[Any], Person], proxy_url: str, new_user: NewUser
) -> None:
    """The password is changed elsewhere, which ends all logins."""
    person = await new_user()
    login = Login(str(person.client.token))
    assert login.expires_at is not None, "it is read from the token"
    client = opened(sort(proxy_url, token=login))
    await client.call(lambda c: c.me())
    change = {"oldPassword": PASSWORD, "newPassword": f"{PASSWORD}-another"}
    (await person.client.post("/api/v1/auth/password", change)).expect(200)

    async def refused() -> LoginExpired | None:
        try:
            await client.call(lambda c: c.me())
        except LoginExpired as error:
            return error
        return None

    expired = await eventually(refused, within_s=30, what="the end of the login")
    assert expired
    assert expired.status == 401
    assert login.token not in str(expired)
    with pytest.raises(LoginExpired):
        await client.call(lambda c: c.renew())
    with pytest.raises(LoginExpired):
        await client.take(lambda c: c.watch(Ghost), 1)
    with pytest.raises(LoginExpired):
        await client.take(lambda c: c.tasks.events("t"))


async def test_a_login_that_is_not_renewed_works_until_its_end(
    sort: Any, opened: Callable[[Any], Person], proxy_url: str, new_user: NewUser
) -> None:
    """A token of a program takes the place of a login that is too old: it can't be renewed."""
    person = await new_user()
    made = await person.client.post("/api/v1/auth/tokens", {"name": "t"})
    token = made.expect(201)["token"]
    login = Login(token, datetime.now(UTC) + timedelta(seconds=60))
    client = opened(sort(proxy_url, token=login))
    assert (await client.call(lambda c: c.me())).username == person.name
    assert not login.renewable
    with pytest.raises(Forbidden):
        await client.call(lambda c: c.renew())


async def test_tokens_of_programs(
    nobody: Person, sort: Any, opened: Any, proxy_url: str, new_user: NewUser
) -> None:
    person = await new_user()
    await nobody.call(lambda c: c.login(person.name, PASSWORD))
    made = await nobody.call(lambda c: c.tokens.create("ci", expires_in_s=3600))
    assert made.token not in repr(made)
    assert timedelta(minutes=58) < made.expires_at - datetime.now(UTC) < timedelta(minutes=61)
    with pytest.raises(Conflict, match="already exists"):
        await nobody.call(lambda c: c.tokens.create("ci"))
    program = opened(sort(proxy_url, token=made.token))
    assert (await program.call(lambda c: c.me())).username == person.name
    assert [it.name for it in await nobody.call(lambda c: c.tokens.list())] == ["ci"]
    await nobody.call(lambda c: c.tokens.revoke("ci"))
    assert await nobody.call(lambda c: c.tokens.list()) == []
    with pytest.raises(NotFound):
        await nobody.call(lambda c: c.tokens.revoke("ci"))


async def test_too_many_wrong_passwords(
    sort: Any, opened: Callable[[Any], Person], start_proxy: ProxyFactory
) -> None:
    proxy = start_proxy(logins_per_user_per_minute="1")
    client = opened(sort(proxy.url))
    with pytest.raises(LoginExpired):
        await client.call(lambda c: c.login("nobody-here", "wrong-password-1"))
    with pytest.raises(TooManyRequests) as refused:
        await client.call(lambda c: c.login("nobody-here", "wrong-password-2"))
    assert refused.value.retry_after_s


async def test_members(
    nobody: Person, new_user: NewUser, kubectl: Kubectl, direct: Person, namespace: str
) -> None:
    owner, guest = await new_user(), await new_user()
    admin = f"--serviceaccount=wegent-accounts:{owner.name}"
    role = ("create", "rolebinding", "owner", "--clusterrole=wegent-admin", admin)
    kubectl.run(*role, f"--namespace={namespace}").ok()
    await nobody.call(lambda c: c.login(owner.name, PASSWORD))
    for person in (nobody, direct):
        members: Any = person.client.members(namespace)

        async def call(name: str, *given: str, of: Any = members, by: Person = person) -> Any:
            method = getattr(of, name)
            if isinstance(by.client, AsyncClient):
                return await method(*given)
            return await asyncio.to_thread(method, *given)

        await call("put", guest.name, "viewer")
        await call("put", guest.name, "editor")
        await call("put", guest.name, "editor")
        found = [(it.username, it.role, it.by_account) for it in await call("list")]
        assert (guest.name, "editor", False) in found
        assert (guest.name, "viewer", False) not in found
        await call("delete", guest.name)
        assert guest.name not in {it.username for it in await call("list")}
        with pytest.raises(NotFound):
            await call("delete", guest.name)
    with pytest.raises(NotFound):
        await nobody.call(lambda c: c.members(namespace).put("nobody-here", "viewer"))
    with pytest.raises(Forbidden):
        await nobody.call(lambda c: c.members("default").list())


async def test_keys(me: Person, direct: Person, namespace: str, kubectl: Kubectl) -> None:
    model = {
        "apiVersion": "agent.wecode.io/v1",
        "kind": "Model",
        "metadata": {"name": "m", "namespace": namespace},
        "spec": {"provider": "openai", "model": "gpt-4"},
    }
    await me.call(lambda c: c.apply([model]))
    done = await me.call(lambda c: c.keys.put("m", "sk-very-secret", namespace=namespace))
    assert done["hosts"] == ["api.openai.com"]
    secret = done["secretKeyRef"]["name"]
    kubectl.run("get", "secret", secret, f"--namespace={namespace}").ok()
    with pytest.raises(Invalid) as invalid:
        await me.call(lambda c: c.keys.put("m", "sk very secret", namespace=namespace))
    assert "sk very secret" not in repr(invalid.value.__dict__)
    await me.call(lambda c: c.keys.delete("m", namespace))
    with pytest.raises(Unavailable, match="runner"):
        await me.call(lambda c: c.keys.test("m", namespace))
    for use in (
        lambda c: c.keys.put("m", "sk-x"),
        lambda c: c.keys.test("m"),
        lambda c: c.tokens.list(),
        lambda c: c.login("a", "b"),
    ):
        with pytest.raises(NeedsLogin):
            await direct.call(use)


async def test_a_kubeconfig_says_who_the_user_is(direct: Person, namespace: str) -> None:
    me = await direct.call(lambda c: c.me())
    assert me.username == f"system:serviceaccount:{namespace}:person"
    assert me.default_namespace == namespace


@pytest.mark.parametrize("over", ["rest", "kubernetes"])
async def test_the_trash(over: str, me: Person, direct: Person, namespace: str, api: Api) -> None:
    person = me if over == "rest" else direct
    await api.create("ghosts", namespace, "g", {"systemPrompt": "Once."})
    await person.call(lambda c: c.delete(Ghost, "g", namespace))
    await api.gone("ghosts", namespace, "g")
    (tombstone,) = await person.take(lambda c: c.trash.list(namespace, kind=Ghost, name="g"))
    assert tombstone.spec.object["spec"]["systemPrompt"] == "Once."
    assert await person.take(lambda c: c.trash.list(namespace, name="other")) == []
    restored = await person.call(lambda c: c.trash.restore(tombstone))
    assert restored.spec.system_prompt == "Once."
    await api.delete("ghosts", namespace, "g")
    await api.create("ghosts", namespace, "g", {"systemPrompt": "Another."})
    (second,) = await person.take(lambda c: c.trash.list(namespace))
    with pytest.raises((AlreadyExists, Conflict)):
        await person.call(lambda c: c.trash.restore(second.metadata.name, namespace))
