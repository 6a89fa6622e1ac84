"""Connects the runner's parts, and starts and stops them."""

import asyncio
import logging
from contextlib import AsyncExitStack
from functools import partial
from ipaddress import ip_network

from wegent_crds.phases import Phase
from wegent_kube import KubeClient, load_connection
from wegent_kube.event_recorder import EventRecorder
from wegent_kube.informer import Informer
from wegent_kube.tracing import Tracing
from wegent_runner.agents.chat import ChatEngine
from wegent_runner.agents.mcp.client import McpClient
from wegent_runner.claims.dead_runners import DeadRunners
from wegent_runner.claims.own_tasks import OwnTasks
from wegent_runner.claims.pending import PendingTasks
from wegent_runner.claims.presence import Presence
from wegent_runner.claims.requests import TASKS
from wegent_runner.claims.worker import GIVE_BACK_S, Worker
from wegent_runner.engine.egress import EgressPolicy
from wegent_runner.engine.key_condition import KeyConditions
from wegent_runner.engine.keys import Keys
from wegent_runner.engine.model_stream import ModelCaller
from wegent_runner.engine.model_test import ModelTester
from wegent_runner.limits.limits import limits_in
from wegent_runner.plan.loader import PlanLoader
from wegent_runner.runs.hub import Hub
from wegent_runner.serve.callers import Callers
from wegent_runner.serve.server import SHUTDOWN_S, Server
from wegent_runner.settings import Settings
from wegent_runner.store.engine import connect, migrate
from wegent_runner.store.failures import StoreError
from wegent_runner.store.health import StoreHealth
from wegent_runner.store.limits import LimitStore
from wegent_runner.store.retention import Retention
from wegent_runner.store.transcripts import TranscriptStore
from wegent_runner.supervision import Ending, Parts
from wegent_runner.telemetry.metrics import Metrics
from wegent_runner.telemetry.observer import COMPONENT, Observer

logger = logging.getLogger(__name__)

USER_AGENT = "wegent-runner"
LAST_EVENTS_S = 1.0
"""Seconds for the Events on the Tasks that a runner gives back at its end."""
LEASE_END_S = 1.5
"""Seconds for the deletion of the runner's Lease at its end."""


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Run Tasks until ``stop`` is set; then drain."""
    metrics, health, tracing = Metrics(), StoreHealth(), Tracing(USER_AGENT)
    metrics.store_ready.set_function(lambda: not health.problem)
    parts, ending = Parts(), Ending()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(
            ending.step, "traces", partial(asyncio.to_thread, tracing.shutdown)
        )
        client = await stack.enter_async_context(
            KubeClient(
                load_connection(settings.kubeconfig),
                user_agent=USER_AGENT,
                trace_configs=tracing.of_clients(),
            )
        )
        database = connect(settings.store_url.get_secret_value())
        stack.push_async_callback(ending.step, "database", database.dispose)
        await migrate(database)

        def failed(error: StoreError) -> None:
            metrics.store_errors.inc()
            health.failed(error)

        store, hub = TranscriptStore(database, failed=failed), Hub()
        stack.push_async_callback(ending.step, "last writes to the store", store.end)
        recorder = EventRecorder(
            client, COMPONENT, settings.name, lambda outcome: metrics.events.labels(outcome).inc()
        )
        observer = Observer(metrics, recorder)
        caller, mcp = await _outward(
            stack, client, KeyConditions(client, recorder), settings, traced=tracing.on
        )
        limits = limits_in(LimitStore(database, failed=failed), client, settings)
        stack.push_async_callback(ending.step, "last counts in the store", limits.end)
        pending, own = PendingTasks(settings.shared_slots), OwnTasks()
        engine = ChatEngine(
            caller, store, hub, observer, mcp, limits=limits, call_s=settings.call_s
        )
        worker = Worker(
            client,
            pending,
            own,
            plan=PlanLoader(client, settings.shared_namespaces).plan,
            run=engine.run,
            close=engine.close,
            observer=observer,
            able=health.wait,
            settings=settings,
        )
        metrics.follow(
            slots=settings.slots,
            busy=lambda: worker.busy,
            pending=lambda: len(pending),
            oldest_s=pending.oldest_age_s,
        )
        checked: list[PendingTasks | StoreHealth | Presence] = [pending, health]
        server = Server(
            hub,
            store,
            Callers(client, settings.proxy_user),
            metrics=metrics,
            problems=lambda: [it.problem for it in checked if it.problem],
            dead=lambda: parts.dead,
            test_model=ModelTester(client, caller, observer, limits).test,
        )
        await server.start(settings.listen_host, settings.listen_port)
        stack.push_async_callback(ending.step, "open streams", server.stop, SHUTDOWN_S)
        address = _address(settings, server.port)
        presence = Presence(client, settings.lease_namespace, settings.name, address)
        checked.append(presence)
        stack.push_async_callback(ending.step, "Lease", presence.end, LEASE_END_S)
        waiting = Informer(
            client, TASKS.path(), pending, params=_selected("status.phase", Phase.PENDING)
        )
        held = Informer(
            client, TASKS.path(), own, params=_selected("status.claim.holder", settings.name)
        )
        probe = partial(store.probe, f"probe-{settings.name}"[:64])
        logger.info("%s serves at %s with %d slots", settings.name, address, settings.slots)
        async with asyncio.TaskGroup() as group:
            claiming = group.create_task(parts.keep("claims", worker.run))
            others = [
                group.create_task(part)
                for part in (
                    parts.keep("presence", presence.run),
                    parts.keep("store probe", partial(health.run, probe)),
                    parts.keep("watch of waiting Tasks", waiting.run),
                    parts.keep("watch of own Tasks", held.run),
                    parts.keep("events", recorder.run, vital=False),
                    parts.keep(
                        "dead runners",
                        DeadRunners(client, settings.lease_namespace).run,
                        vital=False,
                    ),
                    parts.keep(
                        "sweeps", Retention(client, store, metrics.swept.inc).run, vital=False
                    ),
                    parts.keep("limits", limits.run, vital=False),
                )
            ]
            try:
                await stop.wait()
            finally:
                claiming.cancel()
                await worker.drain(settings.drain_s)
                await ending.step("runs", worker.give_back, GIVE_BACK_S)
                await ending.step("last Events", recorder.flush, LAST_EVENTS_S)
                for task in others:
                    task.cancel()


async def _outward(
    stack: AsyncExitStack,
    client: KubeClient,
    conditions: KeyConditions,
    settings: Settings,
    *,
    traced: bool,
) -> tuple[ModelCaller, McpClient]:
    """Return the clients of addresses that users name, open until the stack is unwound."""
    keys, policy = Keys(client), EgressPolicy(map(ip_network, settings.egress_allow))
    caller = ModelCaller(
        keys, policy, conditions, silence_s=settings.provider_silence_s, traced=traced
    )
    mcp = McpClient(keys, policy, stdio_permitted=settings.stdio_permitted)
    return await stack.enter_async_context(caller), await stack.enter_async_context(mcp)


def _address(settings: Settings, port: int) -> str:
    """Return the URL at which the API proxy reaches the runner."""
    host = settings.advertise_host or settings.listen_host
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _selected(field: str, value: str) -> dict[str, str]:
    return {"fieldSelector": f"{field}={value}"}
