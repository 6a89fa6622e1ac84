"""What the lifespan owns and routes use: one object, made once for each application."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Final, cast

from fastapi import Depends, Request

from wegent_api.accounts import password_strength
from wegent_api.accounts.first_admin_gate import FirstAdminGate
from wegent_api.accounts.kubeconfig import Kubeconfigs
from wegent_api.accounts.last_admin import LastAdmin
from wegent_api.accounts.login import Gate, Login
from wegent_api.accounts.password_change import PasswordChanger
from wegent_api.accounts.password_hashing import PasswordHashing
from wegent_api.accounts.password_secrets import PasswordSecrets
from wegent_api.accounts.password_sweep import Sweeper
from wegent_api.accounts.registration import Registrar
from wegent_api.accounts.store import Accounts
from wegent_api.accounts.throttle import RegistrationLimit
from wegent_api.accounts.tokens import TokenIssuer
from wegent_api.http.rate_limiter import RateLimiter
from wegent_api.http.worker import Worker
from wegent_api.kinds.creator import Creators
from wegent_api.kinds.field_managers import FieldManagers
from wegent_api.server.logs import request_id
from wegent_api.server.metrics import Metrics
from wegent_api.server.readiness import Readiness
from wegent_api.settings import Settings
from wegent_api.upstream.client import CallersApi
from wegent_api.upstream.long_answers import LongAnswers
from wegent_api.upstream.role_bindings import Bindings
from wegent_api.upstream.stream_limits import Slots
from wegent_api.upstream.watches import Watches
from wegent_api.version import USER_AGENT
from wegent_kube import KubeClient, load_connection
from wegent_kube.tracing import Tracing

MAX_BODIES_BYTES: Final = 256 << 20
"""Of long bodies of authenticated users, as they are sent; parsed, they take some times more."""
MAX_BODIES_BYTES_PER_USER: Final = 64 << 20
"""Those of one user."""


@dataclass(frozen=True, slots=True)
class Services:
    """Clients and what is built on them, for as long as the application runs."""

    settings: Settings
    metrics: Metrics
    draining: asyncio.Event
    """Set when the proxy is to stop: answers that would go on for ever end then."""
    callers: CallersApi
    """The API server as the caller: holds no credentials of the proxy."""
    watches: Watches
    """Watches as the caller, on connections of their own."""
    waits: Watches
    """The same for what waits for the operator, which streams can't take away."""
    slots: Slots
    """Of watches."""
    long_answers: LongAnswers
    """Those that the client reads while the API server still sends."""
    bodies: Slots
    """Of the memory for long bodies."""
    worker: Worker
    """Parses long bodies."""
    refusals: RateLimiter
    """By client address: bodies refused on routes that need no token."""
    kube: KubeClient
    """The API server as the proxy itself, which may write in the accounts namespace only."""
    bindings: Bindings
    """In which namespaces a caller may have rights."""
    creators: Creators
    """Notes who created what, where the API server doesn't."""
    field_managers: FieldManagers
    """Names the owner of the fields that a caller writes."""
    accounts: Accounts
    registrar: Registrar
    first_admin: FirstAdminGate
    """Without whom nobody registers."""
    registrations: RegistrationLimit
    """By client address."""
    last_admin: LastAdmin
    login: Login
    tokens: TokenIssuer
    password_changer: PasswordChanger
    kubeconfigs: Kubeconfigs
    readiness: Readiness
    sweeper: Sweeper


@asynccontextmanager
async def open_services(
    settings: Settings, metrics: Metrics, draining: asyncio.Event, tracing: Tracing
) -> AsyncIterator[Services]:
    """Open the clients of ``settings`` and close them in the end.

    Raises:
        ConnectionConfigError: nothing says where the API server is.
    """
    connection = load_connection(settings.kubeconfig)
    namespace = settings.accounts_namespace
    await asyncio.to_thread(password_strength.preload)
    async with AsyncExitStack() as stack:
        kube = await stack.enter_async_context(
            KubeClient(
                connection,
                user_agent=USER_AGENT,
                audit_id=request_id.get,
                trace_configs=tracing.of_clients(),
            )
        )
        callers = await stack.enter_async_context(
            CallersApi(
                connection,
                metrics,
                connections=settings.upstream_connections,
                timeout_s=settings.upstream_timeout_s,
                trace_configs=tracing.of_clients(),
            )
        )
        watches = await stack.enter_async_context(
            Watches(connection, metrics, at_once=settings.watches)
        )
        waits = await stack.enter_async_context(
            Watches(connection, metrics, at_once=settings.upstream_connections)
        )
        passwords = await stack.enter_async_context(
            PasswordHashing(at_once=settings.hashes_at_once, waiting=settings.hashes_waiting)
        )
        bindings = await stack.enter_async_context(Bindings(kube))
        worker = await stack.enter_async_context(Worker())
        accounts = Accounts(kube, namespace)
        secrets = PasswordSecrets(kube, namespace)
        tokens = TokenIssuer(
            kube, namespace, lifetime_s=settings.token_lifetime_s, wait_s=settings.login_wait_s
        )
        gate = Gate(
            RateLimiter(settings.logins_per_user_per_minute),
            RateLimiter(settings.logins_per_address_per_minute),
        )
        yield Services(
            settings=settings,
            metrics=metrics,
            draining=draining,
            callers=callers,
            watches=watches,
            waits=waits,
            slots=Slots(
                "watches",
                at_once=settings.watches,
                per_user=settings.watches_per_user,
                gauge=metrics.watches.track_inprogress,
            ),
            long_answers=LongAnswers(
                callers,
                at_once=max(1, settings.upstream_connections // 4),
                per_user=settings.long_answers_per_user,
            ),
            bodies=Slots(
                "bytes of long bodies", at_once=MAX_BODIES_BYTES, per_user=MAX_BODIES_BYTES_PER_USER
            ),
            worker=worker,
            refusals=RateLimiter(settings.logins_per_address_per_minute),
            kube=kube,
            bindings=bindings,
            creators=Creators(kube, callers, namespace),
            field_managers=FieldManagers(callers, namespace),
            accounts=accounts,
            registrar=Registrar(accounts, secrets, passwords),
            first_admin=FirstAdminGate(accounts, settings.first_admin),
            registrations=RegistrationLimit(
                per_address=settings.registrations_per_address_per_minute,
                total=settings.registrations_per_minute,
            ),
            last_admin=LastAdmin(callers, accounts),
            login=Login(accounts, secrets, passwords, tokens, gate, metrics),
            tokens=tokens,
            password_changer=PasswordChanger(accounts, secrets, passwords),
            kubeconfigs=Kubeconfigs(connection, settings.kubernetes_url),
            readiness=Readiness(kube),
            sweeper=Sweeper(accounts, secrets, metrics, age_s=settings.orphan_age_s),
        )


def services_of(request: Request) -> Services:
    """Return the services of the application that serves ``request``."""
    return cast("Services", request.state.services)


async def _services(request: Request) -> Services:
    return services_of(request)  # async: FastAPI runs other dependencies in a thread each


ServicesDep = Annotated[Services, Depends(_services)]
"""Parameter type of a route that needs them."""
