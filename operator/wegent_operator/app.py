"""Connects the operator's parts, and starts and stops them with Kopf.

``register`` adds the operator to a Kopf registry. The program creates a registry of
its own; ``kopf run`` uses the default registry (``wegent_operator.autoload``).
"""

import asyncio
import logging
import socket
import uuid
from collections.abc import Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import kopf

from wegent_crds.references import ObjectKey
from wegent_crds.registry import ACCOUNT, GROUP_KIND, KINDS, TASK, TOMBSTONE
from wegent_kube import KubeClient, load_connection
from wegent_kube.resources import NAMESPACES, RBAC_ROLES, Resource
from wegent_kube.tracing import Tracing
from wegent_operator.accounts.controller import AccountController
from wegent_operator.accounts.provisions import Provisions
from wegent_operator.accounts.quota_keeper import QuotaKeeper
from wegent_operator.accounts.shared_namespaces import SharedNamespaceController
from wegent_operator.accounts.writer import ProvisionWriter
from wegent_operator.groups.controller import GroupController
from wegent_operator.keys.controller import KeyRoleController
from wegent_operator.keys.grants import KeyGrants
from wegent_operator.keys.writer import KeyGrantWriter
from wegent_operator.references.controller import ReferencesController
from wegent_operator.runtime.controller import Controller
from wegent_operator.runtime.dispatcher import Dispatcher
from wegent_operator.runtime.election import Elector
from wegent_operator.runtime.events import Recorder
from wegent_operator.runtime.held import HeldKeys
from wegent_operator.runtime.metrics import Metrics
from wegent_operator.runtime.obstacles import Obstacles
from wegent_operator.runtime.pending import Pending
from wegent_operator.runtime.queue import KeyedQueue
from wegent_operator.runtime.status_writer import StatusWriter
from wegent_operator.runtime.verdict_writer import VerdictWriter
from wegent_operator.runtime.visibility import Visibility
from wegent_operator.settings import Settings
from wegent_operator.state.cache import Cache
from wegent_operator.state.objects import ObjectState
from wegent_operator.tasks.controller import TaskController
from wegent_operator.tasks.first_seen import SteadyClock
from wegent_operator.tasks.steps import TaskSteps
from wegent_operator.trash.controller import TrashController
from wegent_operator.trash.object_writer import ObjectWriter
from wegent_operator.trash.restorer import Restorer
from wegent_operator.trash.tombstone_controller import TombstoneController
from wegent_operator.trash.tombstone_store import TombstoneStore
from wegent_operator.watch.feed import Feed
from wegent_operator.watch.handlers import handlers_of
from wegent_operator.watch.health import HealthServer, WatchMonitor
from wegent_operator.watch.kopf_settings import configure, session
from wegent_operator.watch.resources import RESOURCES, list_params
from wegent_operator.watch.resync import Resyncer
from wegent_operator.watch.watcher import WATCH_GRACE_S, Watcher

logger = logging.getLogger(__name__)

USER_AGENT = "wegent-operator"


def clock() -> datetime:
    """Return the current time. All parts of the operator get the time from here."""
    return datetime.now(UTC)


class Operator:
    """One operator: a cache, a queue, and the parts that use them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.connection = load_connection()
        self.metrics = Metrics()
        self.visibility = Visibility((resource.plural for resource in RESOURCES), self.metrics)
        self.monitor = WatchMonitor(
            self.visibility, limit_s=2 * settings.watch_timeout_s + WATCH_GRACE_S
        )
        self._tracing = Tracing(USER_AGENT)
        self._client = KubeClient(
            self.connection, user_agent=USER_AGENT, trace_configs=self._tracing.of_clients()
        )
        self._watching = KubeClient(self.connection, limit=0, user_agent=USER_AGENT)
        self._queue: KeyedQueue[ObjectKey] = KeyedQueue()
        self._cache = Cache(
            settings.shared_namespaces,
            settings.served_shells,
            settings.served_modes,
            reserved_namespaces=settings.reserved_namespaces | {settings.lease_namespace},
            stdio_permitted=settings.stdio_permitted,
        )
        self._pending = Pending(self._queue)
        self._recorder = Recorder(self._client, self.metrics, socket.gethostname())
        self._status_writer = StatusWriter(self._client, self._cache, self._queue, self.metrics)
        self._obstacles = Obstacles(self._status_writer, self._recorder, self.metrics, clock)
        retention = timedelta(seconds=settings.trash_retention_s)
        self._trash = TrashController(
            self._cache,
            ObjectWriter(self._client, self._cache),
            TombstoneStore(self._client, self.metrics, retention, clock),
            clock,
        )
        self._task_steps = TaskSteps(
            self._cache,
            self._queue,
            self._status_writer,
            self._trash,
            self._recorder,
            self.metrics,
            clock,
            SteadyClock(clock),
        )
        self._provisions = Provisions(settings.accounts_namespace)
        self._key_grants = KeyGrants()
        held = HeldKeys(self._cache, self._queue, self.visibility, self._recorder, clock)
        self._dispatcher = Dispatcher(
            self._controllers(held),
            self._cache,
            self._queue,
            self._pending,
            held,
            self._obstacles,
            self.metrics,
        )
        self.feed = Feed(
            self._cache,
            self._provisions,
            self._dispatcher,
            self._task_steps,
            settings.accounts_namespace,
            self._key_grants,
        )
        self.resyncer = Resyncer(self._client, self.feed, self.metrics, self.visibility)
        self.visibility.on_visible = lambda _: self._dispatcher.enqueue_held()
        self.visibility.on_absent = self.feed.remove_kind
        self._health = HealthServer(
            self.monitor,
            self.metrics,
            problems=self._problems,
            counts_by_reason=lambda: self._cache.counts_by_reason,
        )
        self._elector = self._new_elector() if settings.leader_election else None
        self._tasks: list[asyncio.Task[None]] = []

    def _controllers(self, held: HeldKeys) -> dict[str, Controller[Any]]:
        """Return the controllers, by plural.

        A kind that isn't named here gets its verdict from its references alone.
        """
        cache, visibility, settings = self._cache, self.visibility, self.settings
        writer = VerdictWriter(
            self._status_writer, self._pending, self._recorder, self.metrics, clock
        )
        provision_writer = ProvisionWriter(self._client, self._provisions, self.metrics)
        quotas = QuotaKeeper(
            self._provisions, provision_writer, self._queue, settings.account_quota
        )
        provisioning = (
            cache,
            self._queue,
            self._provisions,
            provision_writer,
            writer,
            held,
            visibility,
            settings.accounts_namespace,
            quotas,
        )
        references = ReferencesController[ObjectState](cache, self._trash, writer, held, visibility)
        return {
            **{kind.plural: references for kind in KINDS},
            TASK.plural: TaskController(
                cache, self._trash, writer, held, visibility, self._task_steps, clock
            ),
            ACCOUNT.plural: AccountController(*provisioning),
            GROUP_KIND.plural: GroupController(*provisioning),
            TOMBSTONE.plural: TombstoneController(
                cache,
                self._queue,
                Restorer(self._client, self.metrics),
                writer,
                visibility,
                clock,
            ),
            NAMESPACES.plural: SharedNamespaceController(
                cache,
                self._provisions,
                provision_writer,
                visibility,
                settings.accounts_namespace,
                settings.shared_role,
            ),
            RBAC_ROLES.plural: KeyRoleController(
                cache,
                self._key_grants,
                KeyGrantWriter(self._client, self._key_grants, self.metrics),
                visibility,
                settings.runner_service_account,
            ),
        }

    async def start(self) -> None:
        """Start to fill the cache, and to reconcile once each resource is listed or refused.

        The health server is ready when this returns. This never waits for the API server, because
        Kopf handles no signal before this returns.
        """
        self.metrics.queue_depth.set_function(lambda: len(self._queue))
        self.metrics.queue_oldest.set_function(lambda: self._queue.oldest_age_s)
        self.metrics.pending.set_function(lambda: self._pending.age_s)
        self.metrics.blocked.set_function(lambda: self._obstacles.blocked)
        await self._health.start(self.settings.listen_host, self.settings.listen_port)
        logger.info("Serving health and metrics on port %d.", self._health.port)
        self._spawn("events", self._recorder.run())
        self._spawn("resyncs", self.resyncer.run(self.settings.resync_interval_s))
        for resource, watcher in self._watchers():
            self._spawn(f"watch of {resource.plural}", watcher.run())
        self._spawn("reconciling", self._run())

    async def stop(self) -> None:
        """Stop all tasks and connections. A write that has begun is finished or never sent."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._health.stop()
        await self._watching.close()
        await self._client.close()
        await asyncio.to_thread(self._tracing.shutdown)

    def _watchers(self) -> Iterator[tuple[Resource, Watcher]]:
        for resource, handler in handlers_of(self.feed).items():
            yield (
                resource,
                Watcher(
                    self._watching,
                    resource,
                    handler,
                    self.visibility,
                    self.resyncer.listed,
                    lasts_s=self.settings.watch_timeout_s,
                    params=list_params(resource, self.settings.accounts_namespace),
                ),
            )

    async def _run(self) -> None:
        """Reconcile for ever; with leader election, only while this operator leads."""
        await self.visibility.all_tried()
        logger.info("Listed %d objects.", len(self._cache))
        if self._elector is not None:
            await self._elector.run(self._lead)
        else:
            self.metrics.leading.set(1)
            await self._lead()

    async def _lead(self) -> None:
        """Reconcile for ever, with several workers."""
        self.feed.start()
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self.settings.writers):
                    work = self._dispatcher.work(self._tracing)
                    group.create_task(work, name=f"wegent worker {number}")
        finally:
            self.feed.stop()

    def _problems(self) -> list[str]:
        """Return one line for each resource or Lease without which objects get no verdict."""
        lease = self._elector.problem if self._elector else ""
        return [*self.visibility.problems(), *([f"leases: {lease}"] if lease else [])]

    def _new_elector(self) -> Elector:
        return Elector(
            self._client,
            self.settings.lease_namespace,
            USER_AGENT,
            f"{socket.gethostname()}_{uuid.uuid4()}",
            self.metrics.leading,
            clock,
        )

    def _spawn(self, name: str, coroutine: Coroutine[Any, Any, None]) -> None:
        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled():
                logger.critical("The task %s has ended", name, exc_info=task.exception())
                self.monitor.ended(name)

        task = asyncio.create_task(coroutine, name=f"wegent {name}")
        task.add_done_callback(ended)
        self._tasks.append(task)


def register(registry: kopf.OperatorRegistry) -> None:
    """Add the operator to a Kopf registry."""
    running: list[Operator] = []

    # Wrong settings and a port in use are permanent errors: the program ends.
    @kopf.on.startup(registry=registry, errors=kopf.ErrorsMode.PERMANENT)
    async def start(settings: kopf.OperatorSettings, **_: Any) -> None:
        operator = Operator(Settings())
        configure(settings)
        running.append(operator)
        await operator.start()

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.AiohttpSession:
        return session(running[0].connection.server)

    @kopf.on.cleanup(registry=registry)
    async def stop(**_: Any) -> None:
        while running:
            await running.pop().stop()
