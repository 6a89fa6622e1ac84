"""The installed command against the real proxy, API server, operator and runner."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import aiohttp
import pytest

from devcluster.controlplane import ControlPlane
from tests.api.users import ACCOUNTS, PASSWORD, unique
from tests.runner.conftest import provider, runner, runner_kubeconfig, runner_settings
from tests.support.api import Api
from tests.support.bots import create_bot
from tests.support.cli import Cli
from tests.support.identity import kubectl_as
from tests.support.kubectl import Kubectl
from tests.support.operator import OperatorProcess
from tests.support.provider import Provider
from tests.support.proxy import Client, ProxyProcess
from tests.support.relay import Link, link_to

__all__ = ["provider", "runner", "runner_kubeconfig", "runner_settings"]

Register = Callable[[], Awaitable[str]]
NewUser = Callable[[], Awaitable[Cli]]


@pytest.fixture(scope="session")
def proxy(
    control_plane: ControlPlane, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ProxyProcess]:
    """The API proxy, without limits that many users from one address would meet."""
    directory = tmp_path_factory.mktemp("cli-proxy")
    kubeconfig = kubectl_as(
        control_plane, kubectl, "wegent-system", "wegent-api", directory
    ).kubeconfig
    limits = {
        "logins_per_address_per_minute": "100000",
        "registrations_per_address_per_minute": "100000",
        "registrations_per_minute": "100000",
    }
    with ProxyProcess(kubeconfig, directory / "log", **limits) as proxy:
        yield proxy


@pytest.fixture
def stranger(tmp_path: Path) -> Cli:
    """The command of a user without a configuration."""
    home = tmp_path / "home"
    home.mkdir()
    return Cli(home)


@pytest.fixture
async def anonymous(proxy: ProxyProcess) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield Client(session, proxy.url)


@pytest.fixture
def register(anonymous: Client, api: Api, operator: OperatorProcess) -> Register:
    """Registers a user, whose Account the operator has set up, and returns the name."""
    assert operator.running()

    async def make() -> str:
        name = unique("user")
        body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
        (await anonymous.post("/api/v1/auth/register", body)).expect(201)

        await api.settled("accounts", ACCOUNTS, name)
        return name

    return make


@pytest.fixture
def new_user(register: Register, proxy: ProxyProcess, tmp_path: Path) -> NewUser:
    """Registers a user who has logged in with the command."""

    async def make() -> Cli:
        name = await register()
        home = tmp_path / f"home-{name}"
        home.mkdir()
        cli = Cli(home, {"TEST_USER": name})
        arguments = ("login", proxy.url, "--username", name, "--password-stdin")
        (await cli.run(*arguments, stdin=f"{PASSWORD}\n")).ok()
        return cli

    return make


@pytest.fixture
async def user(new_user: NewUser) -> Cli:
    """A user who has logged in."""
    return await new_user()


@pytest.fixture
def name(user: Cli) -> str:
    """The user's name."""
    return user.variables["TEST_USER"]


@pytest.fixture
def home(name: str) -> str:
    """The user's own namespace."""
    return f"wegent-{name}"


@pytest.fixture
async def at_home(user: Cli, home: str) -> Cli:
    """The user, with the own namespace as the default."""
    (await user.run("config", "set", "namespace", home)).ok()
    return user


@pytest.fixture
async def team(api: Api, home: str, provider: Provider) -> str:
    """A Team in the user's own namespace, which the scripted provider answers."""
    its_bot = await create_bot(api, home, baseUrl=provider.url, allowInsecureBaseUrl=True)
    await api.create("teams", home, "helpers", {"bots": [{"name": its_bot}]})
    await api.settled("teams", home, "helpers")
    return "helpers"


@pytest.fixture
async def stages(api: Api, home: str, team: str) -> str:
    """A pipeline of two Bots: a person confirms the work of the first one."""
    assert team
    bot = await api.get("bots", home, "b")
    assert bot is not None
    await api.create("bots", home, "b2", bot["spec"])
    bots = [{"name": "b", "requireConfirmation": True}, {"name": "b2"}]
    await api.create("teams", home, "stages", {"bots": bots, "collaborationMode": "pipeline"})
    await api.settled("teams", home, "stages")
    return "stages"


@pytest.fixture
async def proxy_link(proxy: ProxyProcess) -> AsyncIterator[Link]:
    """A connection to the proxy that can be cut."""
    async with link_to(proxy.url) as link:
        yield link
