"""A change of password, cut off at each step, loses nothing and leaves nothing behind."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.accounts.conftest import AUTH, ENDS_WITHIN_S, LogIn, SignUp, secrets_of
from tests.api.users import ACCOUNTS, PASSWORD
from tests.support.api import Api
from tests.support.waiting import eventually
from wegent_api.accounts.api_tokens import ApiTokens
from wegent_api.accounts.password_change import PasswordChanger
from wegent_api.accounts.password_hashing import PasswordHashing
from wegent_api.accounts.password_secrets import PasswordSecrets
from wegent_api.accounts.password_sweep import Sweeper
from wegent_api.accounts.store import Accounts
from wegent_api.accounts.tokens import TokenIssuer
from wegent_api.accounts.writers import as_proxy
from wegent_api.http.errors import Conflict
from wegent_api.server.metrics import Metrics
from wegent_kube import KubeClient, load_connection

ANOTHER = "correct-horse-battery-staple"
STEPS = [
    ("GET", "secrets"),
    ("POST", "secrets"),
    ("PATCH", "accounts"),
    ("DELETE", "secrets"),
    ("PATCH", "secrets"),
]
"""The requests of a change to the API server, in order."""
COMMIT = STEPS.index(("PATCH", "accounts"))


class Killed(BaseException):
    """An exception that nothing in the program catches."""


class Mortal(KubeClient):
    """The proxy's client, which dies after a number of requests."""

    left: int | None = None
    asked: list[tuple[str, str]]

    async def request(self, method: str, path: str, **more: Any) -> Any:
        if self.left == 0:
            raise Killed
        answer = await super().request(method, path, **more)
        if self.left is not None:
            self.left -= 1
            self.asked.append((method, path.split("/namespaces/")[1].split("/")[1]))
        return answer


@pytest.fixture
async def kube(proxy_kubeconfig: Path) -> AsyncIterator[Mortal]:
    async with Mortal(load_connection(proxy_kubeconfig)) as client:
        yield client


def tokens_of(kube: KubeClient) -> ApiTokens:
    issuer = TokenIssuer(kube, ACCOUNTS, lifetime_s=600, wait_s=0)
    return ApiTokens(kube, Accounts(kube, ACCOUNTS), issuer, ACCOUNTS)


@pytest.mark.parametrize("steps", range(len(STEPS) + 1))
async def test_it_is_cut_off_after(
    steps: int, kube: Mortal, sign_up: SignUp, log_in: LogIn, api: Api
) -> None:
    user = await sign_up()
    accounts, secrets = Accounts(kube, ACCOUNTS), PasswordSecrets(kube, ACCOUNTS)
    account = await accounts.get(user.name)
    assert account is not None
    async with PasswordHashing(at_once=1, waiting=0) as passwords:
        changer = PasswordChanger(accounts, secrets, passwords, tokens_of(kube))
        kube.left, kube.asked = steps, []
        if steps < len(STEPS):
            with pytest.raises(Killed):
                await changer.change(account, ANOTHER, as_proxy(kube))
        else:
            await changer.change(account, ANOTHER, as_proxy(kube))
    assert kube.asked == STEPS[:steps]
    kube.left = None

    changed = steps > COMMIT
    for password, good in ((PASSWORD, not changed), (ANOTHER, changed)):
        assert (await log_in(user.name, password)).status == (200 if good else 401)

    # The sweep keeps all Secrets while a change may be in progress, then only the one in force.
    await Sweeper(accounts, secrets, tokens_of(kube), Metrics(), age_s=3600).sweep()
    assert (await log_in(user.name, ANOTHER if changed else PASSWORD)).status == 200
    await Sweeper(accounts, secrets, tokens_of(kube), Metrics(), age_s=0).sweep()
    [secret] = await secrets_of(api, user.name)
    [owner] = secret["metadata"]["ownerReferences"]
    assert owner["uid"] == account.uid
    assert (await log_in(user.name, ANOTHER if changed else PASSWORD)).status == 200

    async def ended() -> bool:
        return (await user.client.get(f"{AUTH}/me")).status == 401

    if changed:
        await eventually(ended, within_s=ENDS_WITHIN_S, what="the older session has ended")
    else:
        assert not await ended()


async def test_an_account_of_the_same_name_is_another_one(
    kube: Mortal, sign_up: SignUp, api: Api
) -> None:
    """The Account is deleted and created again between the password's check and its change."""
    user = await sign_up()
    accounts, secrets = Accounts(kube, ACCOUNTS), PasswordSecrets(kube, ACCOUNTS)
    account = await accounts.get(user.name)
    assert account is not None
    await api.delete("accounts", ACCOUNTS, user.name)
    reference = {"name": account.password_secret}
    spec = {"email": "other@example.com", "passwordSecretRef": reference}
    await api.create("accounts", ACCOUNTS, user.name, spec)
    async with PasswordHashing(at_once=1, waiting=0) as passwords:
        changer = PasswordChanger(accounts, secrets, passwords, tokens_of(kube))
        with pytest.raises(Conflict, match="has been modified by another request"):
            await changer.change(account, ANOTHER, as_proxy(kube))
    found = await api.get("accounts", ACCOUNTS, user.name)
    assert found is not None
    assert found["spec"]["passwordSecretRef"] == reference
