"""A proxy under its own ServiceAccount, with Wegent's roles and policies, and its users."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import aiohttp
import pytest

from devcluster.controlplane import ControlPlane
from devcluster.kubeconfig import write_kubeconfig
from tests.api.users import ACCOUNTS, PASSWORD, User, answered, provision, unique
from tests.support.api import Api
from tests.support.audit import AuditLog
from tests.support.identity import kubectl_as, token_for
from tests.support.kubectl import Kubectl
from tests.support.proxy import Client, ProxyProcess
from tests.support.rights import create_account, grant

ProxyFactory = Callable[..., ProxyProcess]


@pytest.fixture(scope="session")
def proxy_kubeconfig(
    control_plane: ControlPlane, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A kubeconfig of the proxy's own identity, the ServiceAccount wegent-api."""
    return write_kubeconfig(
        tmp_path_factory.mktemp("proxy") / "kubeconfig",
        name="wegent-api",
        server=control_plane.server,
        ca_file=control_plane.ca_file,
        credentials=token_for(kubectl, "wegent-system", "wegent-api"),
    )


@pytest.fixture(scope="session")
def proxy_url(proxy_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A proxy shared by all tests that need no special settings."""
    log = tmp_path_factory.mktemp("proxy-log") / "log"
    with ProxyProcess(
        proxy_kubeconfig,
        log,
        logins_per_address_per_minute="100000",
        registrations_per_address_per_minute="100000",
        registrations_per_minute="100000",
        login_wait_s="5",
    ) as proxy:
        yield proxy.url


@pytest.fixture
def start_proxy(proxy_kubeconfig: Path, tmp_path: Path) -> Iterator[ProxyFactory]:
    """Start a proxy with settings of its own; it is stopped after the test."""
    started: list[ProxyProcess] = []

    def start(kubeconfig: Path = proxy_kubeconfig, **settings: str) -> ProxyProcess:
        proxy = ProxyProcess(kubeconfig, tmp_path / f"proxy-{len(started)}.log", **settings)
        started.append(proxy)
        proxy.start()
        return proxy

    yield start
    for proxy in started:
        if proxy.running():
            proxy.stop()


@pytest.fixture(scope="session")
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=200), auto_decompress=False
    ) as session:
        yield session


@pytest.fixture(scope="session")
def anonymous(session: aiohttp.ClientSession, proxy_url: str) -> Client:
    """A client without a token."""
    return Client(session, proxy_url)


@pytest.fixture(scope="session")
def new_user(anonymous: Client, api: Api) -> Callable[[], Awaitable[User]]:
    """Register, provision and log in a user who did not exist before."""

    async def make() -> User:
        name = unique("user")
        body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
        (await anonymous.post("/api/v1/auth/register", body)).expect(201)
        await provision(api, name)
        credentials = {"username": name, "password": PASSWORD}
        token = (await anonymous.post("/api/v1/auth/login", credentials)).expect(200)
        user = User(name, anonymous.as_(token["accessToken"]))
        path = f"/api/v1/kinds/ghosts?namespace={user.home}&limit=1"
        await answered(user, path, 200, within_s=60)
        return user

    return make


@pytest.fixture(scope="module")
async def user(new_user: Callable[[], Awaitable[User]]) -> User:
    """A user shared by those tests of a file that need no special user.

    Each file has another one: an operator gives every user a quota, which stays after the operator.
    """
    return await new_user()


@pytest.fixture(scope="module")
def client(user: User) -> Client:
    """A client with that user's token."""
    return user.client


@pytest.fixture(scope="session")
async def admin_client(anonymous: Client, api: Api) -> Client:
    """A client with the token of an admin of Wegent who has no Account."""
    name = unique("admin")
    token = await create_account(api, ACCOUNTS, name)
    await grant(api, (ACCOUNTS, name), "wegent-admin", None)
    return anonymous.as_(token)


@pytest.fixture
def audit(control_plane: ControlPlane) -> AuditLog:
    """The requests that the API server receives from now on, from its audit log."""
    return AuditLog(control_plane.audit_log)


@pytest.fixture(scope="session")
def proxy_kubectl(control_plane: ControlPlane, proxy_kubeconfig: Path) -> Kubectl:
    """kubectl with the proxy's own rights."""
    return Kubectl(control_plane.binaries.kubectl, proxy_kubeconfig)


@pytest.fixture(scope="session")
def maintainer(
    control_plane: ControlPlane, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory
) -> Kubectl:
    """kubectl as a user who may write Accounts, but lacks grant-admin."""
    name = unique("maintainer")
    where = f"--namespace={ACCOUNTS}"
    verbs = "--verb=get,create,update,patch"
    kubectl.run("create", "serviceaccount", name, "--namespace=kube-public").ok()
    kubectl.run("create", "role", name, verbs, "--resource=accounts.agent.wecode.io", where).ok()
    subject = f"--serviceaccount=kube-public:{name}"
    kubectl.run("create", "rolebinding", name, f"--role={name}", subject, where).ok()
    return kubectl_as(
        control_plane, kubectl, "kube-public", name, tmp_path_factory.mktemp("maintainer")
    )


@pytest.fixture
async def place(user: User, api: Api) -> str:
    """A namespace of the test's own, in which the user is an editor."""
    name = unique("watched")
    await api.create_namespace(name)
    await grant(api, (ACCOUNTS, user.name), "wegent-editor", name)
    return name
