"""Connects the runner's parts, and starts and stops them."""

import asyncio
import logging
from contextlib import AsyncExitStack
from ipaddress import ip_network

from wegent_crds.phases import Phase
from wegent_kube import KubeClient, load_connection
from wegent_kube.informer import Informer
from wegent_runner.claims.claim import TASKS
from wegent_runner.claims.own_tasks import OwnTasks
from wegent_runner.claims.pending import PendingTasks
from wegent_runner.claims.presence import Presence
from wegent_runner.claims.worker import Worker
from wegent_runner.engine.chat import ChatEngine
from wegent_runner.engine.egress import EgressPolicy
from wegent_runner.engine.keys import Keys
from wegent_runner.engine.model_stream import ModelCaller
from wegent_runner.plan.loader import PlanLoader
from wegent_runner.runs.hub import Hub
from wegent_runner.serve.callers import Callers
from wegent_runner.serve.server import Server
from wegent_runner.settings import Settings
from wegent_runner.store.engine import connect, migrate
from wegent_runner.store.transcripts import TranscriptStore

logger = logging.getLogger(__name__)

USER_AGENT = "wegent-runner"


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Run Tasks until ``stop`` is set; then drain."""
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(
            KubeClient(load_connection(settings.kubeconfig), user_agent=USER_AGENT)
        )
        database = connect(settings.store_url.get_secret_value())
        stack.push_async_callback(database.dispose)
        await migrate(database)
        store, hub = TranscriptStore(database), Hub()
        policy = EgressPolicy(map(ip_network, settings.egress_allow))
        caller = await stack.enter_async_context(ModelCaller(Keys(client), policy))
        pending, own = PendingTasks(), OwnTasks()
        worker = Worker(
            client,
            pending,
            own,
            plan=PlanLoader(client).plan,
            run=ChatEngine(caller, store, hub).run,
            holder=settings.name,
            slots=settings.slots,
            lease_s=settings.lease_s,
        )
        server = Server(
            hub,
            store,
            Callers(client, settings.proxy_user),
            problems=lambda: [it for it in (pending.problem, presence.problem) if it],
        )
        await server.start(settings.listen_host, settings.listen_port)
        stack.push_async_callback(server.stop)
        host = settings.advertise_host or settings.listen_host
        address = f"http://{f'[{host}]' if ':' in host else host}:{server.port}"
        presence = Presence(client, settings.lease_namespace, settings.name, address)
        stack.push_async_callback(presence.end)
        informers = (
            Informer(
                client, TASKS.path(), pending, params=_selected("status.phase", Phase.PENDING)
            ),
            Informer(
                client, TASKS.path(), own, params=_selected("status.claim.holder", settings.name)
            ),
        )
        logger.info("%s serves at %s with %d slots", settings.name, address, settings.slots)
        async with asyncio.TaskGroup() as group:
            always = [group.create_task(presence.run())]
            always += [group.create_task(informer.run()) for informer in informers]
            claiming = group.create_task(worker.run())
            await stop.wait()
            claiming.cancel()
            await worker.drain(settings.drain_s)
            for task in always:
                task.cancel()


def _selected(field: str, value: str) -> dict[str, str]:
    return {"fieldSelector": f"{field}={value}"}
