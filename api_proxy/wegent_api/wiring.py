"""Creates the objects that routes ask for, once for each application.

This is the only module that imports all others, and only ``app`` imports it.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, TypedDict

from wegent_api.accounts import password_strength
from wegent_api.accounts.api_tokens import ApiTokens
from wegent_api.accounts.first_admin_gate import FirstAdminGate
from wegent_api.accounts.kubeconfig import Kubeconfigs
from wegent_api.accounts.last_admin import LastAdmin
from wegent_api.accounts.login import Login, LoginThrottle
from wegent_api.accounts.password_change import PasswordChanger
from wegent_api.accounts.password_hashing import PasswordHashing
from wegent_api.accounts.password_secrets import PasswordSecrets
from wegent_api.accounts.password_sweep import Sweeper
from wegent_api.accounts.registration import Registrar
from wegent_api.accounts.store import Accounts
from wegent_api.accounts.throttle import RegistrationLimit
from wegent_api.accounts.tokens import TokenIssuer
from wegent_api.http.bodies import BodyReader
from wegent_api.http.rate_limiter import RateLimiter
from wegent_api.http.worker import Worker
from wegent_api.kinds.creator import Creators
from wegent_api.kinds.field_managers import FieldManagers
from wegent_api.kinds.list import Lister
from wegent_api.kinds.watch import Watcher
from wegent_api.runs.follow import Follower
from wegent_api.server.logs import request_id
from wegent_api.server.metrics import Metrics
from wegent_api.server.readiness import Readiness
from wegent_api.settings import Settings
from wegent_api.upstream.client import UserApi
from wegent_api.upstream.concurrency import ConcurrencyLimiter
from wegent_api.upstream.creator_policy import CreatorPolicy
from wegent_api.upstream.long_answers import LongAnswers
from wegent_api.upstream.long_bodies import LongBodies
from wegent_api.upstream.role_bindings import Bindings
from wegent_api.upstream.runners import Runners
from wegent_api.upstream.usernames import Usernames
from wegent_api.upstream.wait import EventWaiter
from wegent_api.upstream.watches import Watches
from wegent_api.version import USER_AGENT
from wegent_kube import KubeClient, load_connection
from wegent_kube.tracing import Tracing

MODEL_TESTS_AT_ONCE = 32
"""Tests of Models at once, of all users. Each runner has a limit of its own."""


class State(TypedDict):
    """The objects that routes ask for by name. Starlette copies them into each request's state."""

    settings: Settings
    metrics: Metrics
    draining: asyncio.Event
    """Set when the proxy is to stop. Streams, which would go on for ever, end then."""
    readiness: Readiness
    body_reader: BodyReader
    refusals: RateLimiter
    """By client address: refused bodies on routes without a token."""
    user_api: UserApi
    """The API server, called as the caller. It holds none of the proxy's credentials."""
    own_api: KubeClient
    """The API server with the proxy's own rights, which may write in the accounts namespace only.
    """
    event_waiter: EventWaiter
    bindings: Bindings
    """Index of the namespaces in which a caller may have rights."""
    lister: Lister
    watcher: Watcher
    usernames: Usernames
    """Names callers, for notes and field managers."""
    creators: Creators
    """Notes the creator of an object if the API server has no policy for it."""
    field_managers: FieldManagers
    """Names the owner of the fields in a caller's updates."""
    accounts: Accounts
    registrar: Registrar
    first_admin: FirstAdminGate
    """Delays registration until the first admin exists."""
    registrations: RegistrationLimit
    """Registrations by client address, and in total."""
    last_admin: LastAdmin
    login: Login
    tokens: TokenIssuer
    api_tokens: ApiTokens
    password_changer: PasswordChanger
    kubeconfigs: Kubeconfigs
    runners: Runners
    follower: Follower
    run_limiter: ConcurrencyLimiter
    """Streams of runs, in total and per user."""
    model_test_limiter: ConcurrencyLimiter
    """Tests of Models, in total and per user."""


@asynccontextmanager
async def open_state(
    settings: Settings, metrics: Metrics, draining: asyncio.Event, tracing: Tracing
) -> AsyncIterator[State]:
    """Open the clients and start the background tasks. End both on exit.

    Raises:
        ConnectionConfigError: there is no configuration for the API server.
    """
    connection = load_connection(settings.kubeconfig)
    namespace = settings.accounts_namespace
    await asyncio.to_thread(password_strength.preload)
    async with AsyncExitStack() as stack:
        own_api = await stack.enter_async_context(
            KubeClient(
                connection,
                user_agent=USER_AGENT,
                audit_id=request_id.get,
                trace_configs=tracing.of_clients(),
            )
        )
        user_api = await stack.enter_async_context(
            UserApi(
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
        run_watches = await stack.enter_async_context(
            Watches(connection, metrics, at_once=settings.streams)
        )
        waits = await stack.enter_async_context(
            Watches(connection, metrics, at_once=settings.upstream_connections)
        )
        passwords = await stack.enter_async_context(
            PasswordHashing(at_once=settings.hashes_at_once, waiting=settings.hashes_waiting)
        )
        bindings = await stack.enter_async_context(Bindings(own_api))
        worker = await stack.enter_async_context(Worker())
        runners = await stack.enter_async_context(
            Runners(own_api, settings.own_namespace, settings.own_service_account)
        )
        accounts = Accounts(own_api, namespace)
        secrets = PasswordSecrets(own_api, namespace)
        tokens = TokenIssuer(
            own_api, namespace, lifetime_s=settings.token_lifetime_s, wait_s=settings.login_wait_s
        )
        throttle = LoginThrottle(
            RateLimiter(settings.logins_per_user_per_minute),
            RateLimiter(settings.logins_per_address_per_minute),
        )
        policy = CreatorPolicy(own_api)
        usernames = Usernames(user_api)
        long_answers = LongAnswers(
            user_api,
            at_once=max(1, settings.upstream_connections // 4),
            per_user=settings.long_answers_per_user,
        )
        watch_limiter = ConcurrencyLimiter(
            "watches",
            at_once=settings.watches,
            per_user=settings.watches_per_user,
            gauge=metrics.watches.track_inprogress,
        )
        api_tokens = ApiTokens(own_api, accounts, tokens, namespace)
        sweeper = Sweeper(accounts, secrets, api_tokens, metrics, age_s=settings.orphan_age_s)
        stack.push_async_callback(asyncio.to_thread, tracing.shutdown)
        await stack.enter_async_context(_running(policy.run()))
        await stack.enter_async_context(_running(sweeper.run(settings.sweep_interval_s)))
        yield State(
            settings=settings,
            metrics=metrics,
            draining=draining,
            readiness=Readiness(own_api),
            body_reader=BodyReader(
                worker, max_bytes=settings.max_body_bytes, admit=LongBodies(user_api).admit
            ),
            refusals=RateLimiter(settings.logins_per_address_per_minute),
            user_api=user_api,
            own_api=own_api,
            event_waiter=EventWaiter(waits, within_s=settings.operator_wait_s),
            bindings=bindings,
            lister=Lister(user_api, bindings, long_answers),
            watcher=Watcher(user_api, watches, watch_limiter, draining, settings),
            usernames=usernames,
            creators=Creators(policy, user_api, usernames, namespace),
            field_managers=FieldManagers(usernames, namespace),
            accounts=accounts,
            registrar=Registrar(accounts, secrets, passwords),
            first_admin=FirstAdminGate(accounts, settings.first_admin),
            registrations=RegistrationLimit(
                per_address=settings.registrations_per_address_per_minute,
                total=settings.registrations_per_minute,
            ),
            last_admin=LastAdmin(user_api, accounts),
            login=Login(accounts, secrets, passwords, tokens, throttle, metrics),
            tokens=tokens,
            api_tokens=api_tokens,
            password_changer=PasswordChanger(accounts, secrets, passwords, api_tokens),
            kubeconfigs=Kubeconfigs(connection, settings.kubernetes_url),
            runners=runners,
            follower=Follower(user_api, run_watches, runners),
            run_limiter=ConcurrencyLimiter(
                "streams", at_once=settings.streams, per_user=settings.streams_per_user
            ),
            model_test_limiter=ConcurrencyLimiter(
                "tests of Models", at_once=MODEL_TESTS_AT_ONCE, per_user=1
            ),
        )


@asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run ``work`` in a task of its own, which is cancelled at the end."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
