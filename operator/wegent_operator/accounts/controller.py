"""Carries out what Accounts need: reads the plan, applies the differences, says how it went.

ServiceAccounts and bindings are watched like everything else, so drift is a
change like any other: something deleted or edited by hand is put back at once,
and where nothing differs nothing is written.

Every step of a plan is tried, whatever became of the others: one object that the
API server doesn't let go must not keep the rest of a user's access alive.
"""

import logging
from collections import defaultdict
from collections.abc import Awaitable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from wegent_crds.conditions import ConditionType, Reason
from wegent_crds.references import ObjectKey
from wegent_kube import ApiError, KubeClient, KubeError
from wegent_kube.client import APPLY_PATCH, MERGE_PATCH
from wegent_kube.resources import NAMESPACES, RESOURCE_QUOTAS, SERVICE_ACCOUNTS, Resource
from wegent_operator.accounts.plan import (
    PROVISIONED,
    Plan,
    ProvisionKey,
    account_of,
    essence,
    plan,
    serves_everybody,
    shared_binding,
)
from wegent_operator.accounts.quota import QUOTA_NAME, Counted, Pauses, quota_manifest
from wegent_operator.runtime.metrics import Metrics
from wegent_operator.runtime.queue import KeyedQueue
from wegent_operator.state.objects import Facts, version_of
from wegent_operator.state.store import Gone, Store
from wegent_operator.state.verdict import Outcome, Problem, Verdict, refused

logger = logging.getLogger(__name__)

FIELD_MANAGER: Final = "wegent-operator"
MAX_MESSAGE_BYTES: Final = 1024
"""Bytes of the API server's answer that a condition repeats; a webhook may send any number."""
PASSING: Final = frozenset({409, 429, 503, 504})
"""Answers that another try, soon after, usually doesn't get."""
QUIET_TRIES: Final = 3
"""How often such an answer is met before the Account says so."""
SUSPENDED: Final = Outcome(
    ConditionType.READY,
    status=True,
    reason=Reason.SUSPENDED,
    message="spec.suspended: access is withdrawn; set it to false to give it back",
)
"""It is as its spec says, and nothing is to come: to kstatus, Ready=False is work in progress."""
Refusal = tuple[str, KubeError]
"""A step of a plan in words, and the API server's answer to it."""
_RESOURCES: Final = {resource.plural: resource for resource in PROVISIONED}
_KINDS: Final = {
    NAMESPACES.plural: "Namespace",
    SERVICE_ACCOUNTS.plural: "ServiceAccount",
    "rolebindings": "RoleBinding",
    "clusterrolebindings": "ClusterRoleBinding",
    RESOURCE_QUOTAS.plural: "ResourceQuota",
}


class Provisions:
    """The objects that the operator made or looks after, by key and by Account."""

    def __init__(self, accounts_namespace: str) -> None:
        self._accounts_namespace = accounts_namespace
        self._known: dict[ProvisionKey, tuple[str, dict[str, Any]]] = {}
        self._versions: dict[ProvisionKey, int] = {}
        self._by_account: defaultdict[str, set[ProvisionKey]] = defaultdict(set)
        self._gone: Gone[ProvisionKey] = Gone()

    def put(self, resource: Resource, body: Mapping[str, Any]) -> str | None:
        """Take in a watched object; return the account it concerns if that is news.

        Objects that are none of Wegent's leave nothing behind, however many there are.
        """
        key = provision_key(resource, body)
        account = account_of(key, body, self._accounts_namespace)
        version = int(body["metadata"]["resourceVersion"])
        if account is None:
            return self.remove(key, version)
        if version < self._versions.get(key, 0):
            return None  # a watch may deliver what was there before our own write
        if self._gone.outdates(key, version):
            return None
        now = (account, essence(body))
        if self._known.get(key) == now:
            self._versions[key] = version
            return None
        self.remove(key)
        self._known[key], self._versions[key] = now, version
        self._by_account[account].add(key)
        return account

    def remove(self, key: ProvisionKey, version: int | None = None) -> str | None:
        """Forget an object, unless it is newer than ``version``; return the account concerned."""
        if key not in self._known or (version is not None and version < self._versions[key]):
            return None
        account, _ = self._known.pop(key)
        del self._versions[key]
        self._by_account[account].discard(key)
        if not self._by_account[account]:
            del self._by_account[account]
        return account

    def gone(self, key: ProvisionKey, version: int = 0) -> str | None:
        """Take in that an object is no more as of ``version``; return the account concerned."""
        if version:
            self._gone.note(key, version)
        return self.remove(key, version or None)

    def keys(self, plural: str) -> Iterator[ProvisionKey]:
        """Yield the keys of all objects of a resource."""
        return (key for key in tuple(self._known) if key.plural == plural)

    def of_account(self, name: str) -> dict[ProvisionKey, dict[str, Any]]:
        """Return the objects that are there under one Account's name."""
        return {key: self._known[key][1] for key in self._by_account.get(name, ())}

    def shared_namespaces(self) -> set[str]:
        """Return the namespaces in which there is a RoleBinding of all accounts."""
        return {key.namespace for key in self._by_account.get("", ())}

    def accounts(self) -> tuple[str, ...]:
        """Return the names of Accounts under which something is there."""
        return tuple(name for name in self._by_account if name)


def provision_key(resource: Resource, body: Mapping[str, Any]) -> ProvisionKey:
    """Return the key of a ServiceAccount or binding."""
    metadata = body["metadata"]
    return ProvisionKey(resource.plural, metadata.get("namespace", ""), metadata["name"])


class Provisioner:
    """Makes an Account's things as they should be."""

    def __init__(
        self,
        client: KubeClient,
        store: Store,
        provisions: Provisions,
        queue: KeyedQueue[ObjectKey],
        metrics: Metrics,
        accounts_namespace: str,
        shared_role: str,
        quota: Mapping[str, int],
    ) -> None:
        self._client = client
        self._quota = quota
        self._pauses = Pauses()
        self._queue = queue
        self._store = store
        self._provisions = provisions
        self._metrics = metrics
        self._accounts_namespace = accounts_namespace
        self._shared_role = shared_role

    async def provision(self, key: ObjectKey, facts: Facts | None) -> Verdict:
        """Make an account's things as they should be and return the verdict on it.

        Raises:
            KubeError: the API server did not take something, perhaps in passing, or there is no
                Account that could say so; to be tried again.
        """
        if key.namespace != self._accounts_namespace:
            problem = Problem(
                Reason.WRONG_NAMESPACE,
                f"metadata.namespace: an Account gives access only in {self._accounts_namespace}; "
                "create it there",
            )
            return refused([], [problem])
        if facts is None:
            for admin in self._store.admins:  # one of them may be the last one now
                self._queue.add(admin)
        todo = plan(
            facts,
            self._accounts_namespace,
            self._namespace,
            self._provisions.of_account(key.name),
        )
        refusals = await self._carry_out(key, todo)
        passing = all(_passes(error) for _, error in refusals)
        quiet = passing and self._queue.failures(key) < QUIET_TRIES
        if refusals and not quiet:
            said = "; ".join(_problem(step, error).message for step, error in refusals)
            logger.warning("Account %s: %s", key.name, said)
        if refusals and (quiet or facts is None):
            raise refusals[0][1]  # it may pass, or there is no object left that could say so
        # Refusals come first: the reason of the condition is that of the first problem.
        problems = [*(_problem(step, error) for step, error in refusals), *todo.problems]
        unresolved = [
            it for it in problems if it.reason in (Reason.REF_NOT_FOUND, Reason.REF_NOT_PERMITTED)
        ]
        verdict = replace(refused(unresolved, problems), last_admin=self._last_admin(key))
        suspended = facts is not None and facts.account is not None and facts.account.suspended
        return replace(verdict, ready=SUSPENDED) if suspended and not problems else verdict

    def _last_admin(self, key: ObjectKey) -> Outcome | None:
        admins = {it for it in self._store.admins if it.namespace == self._accounts_namespace}
        if key not in admins:
            return None
        if len(admins) > 1:
            return Outcome(
                ConditionType.LAST_ADMIN, status=False, reason=Reason.OTHER_ADMINS, message=""
            )
        message = (
            "no other Account is an admin that isn't suspended: users can't demote, suspend or "
            "delete this one before there is another"
        )
        return Outcome(
            ConditionType.LAST_ADMIN, status=True, reason=Reason.LAST_ADMIN, message=message
        )

    async def share(self, namespace: str) -> None:
        """Give every account the shared role in a namespace that is there and shared, and no other.

        Raises:
            KubeError: the API server did not take it; to be tried again.
        """
        key, manifest = shared_binding(namespace, self._accounts_namespace, self._shared_role)
        there = self._provisions.of_account("").get(key)
        if not self._store.has_namespace(namespace):
            return
        if namespace not in self._store.shared_namespaces or self._shared_role == "none":
            if there is not None and serves_everybody(there, self._accounts_namespace):
                await self._delete(key)
            return
        if there == essence(manifest):
            return
        if there is not None and there["roleRef"] != essence(manifest)["roleRef"]:
            await self._delete(key)  # the role of a binding can't be changed
        await self._apply(key, manifest)

    def _namespace(self, name: str) -> Mapping[str, str] | None:
        return self._store.namespace_labels(name) if self._store.has_namespace(name) else None

    async def _carry_out(self, account: ObjectKey, todo: Plan) -> list[Refusal]:
        """Try every step and return those that were refused.

        Access is taken before any is given, the ServiceAccount's first. No new ServiceAccount
        is made while something stands that should be gone: a user who can log in might
        have the rights of an earlier user of the name. Nor is one made while the quota of
        the user's namespace is not counted: it limits nothing before. Where the cluster can't
        count all of it yet, nobody waits for that.
        """
        refusals: list[Refusal] = []

        async def tried(step: str, doing: Awaitable[None]) -> bool:
            try:
                await doing
            except KubeError as error:
                refusals.append((step, error))
                return False
            return True

        for key in todo.delete:
            await tried(f"{_title(key)} was not removed", self._delete(key))
        clean = not refusals
        homeless = ""
        if todo.create_namespace is not None:
            name = todo.create_namespace["metadata"]["name"]
            creating = self._create_namespace(todo.create_namespace)
            if not await tried(f"Namespace {name} was refused", creating):
                homeless = name
        if todo.home and not homeless:
            new = any(key.plural == SERVICE_ACCOUNTS.plural for key in todo.apply)
            clean &= await tried(
                f"ResourceQuota {QUOTA_NAME} in namespace {todo.home} is not in force",
                self._limit(account, todo.home, required=new),
            )
        for key, manifest in todo.apply.items():
            if key.plural == SERVICE_ACCOUNTS.plural and not clean:
                continue
            if not (homeless and key.namespace == homeless):
                await tried(f"{_title(key)} was refused", self._apply(key, manifest))
        return refusals

    async def _create_namespace(self, manifest: dict[str, Any]) -> None:
        # Created, never applied: a namespace that somebody else made meanwhile stays theirs.
        body = await self._client.request(
            "POST",
            NAMESPACES.path(),
            body=manifest,
            params={"fieldManager": FIELD_MANAGER},
        )
        self._metrics.provisions.labels(NAMESPACES.plural, "apply").inc()
        metadata = body["metadata"]
        # Other Accounts may have waited for it, and its event will be no news any more.
        for key in self._store.put_namespace(
            metadata["name"], metadata.get("labels") or {}, version=version_of(body)
        ):
            self._queue.add(key)

    async def _limit(self, account: ObjectKey, home: str, *, required: bool) -> None:
        """See that the quota of a user's own namespace is there and counted.

        Raises:
            ApiError: it was refused, or is ``required`` and nothing has counted it yet.
        """
        key = ProvisionKey(RESOURCE_QUOTAS.plural, home, QUOTA_NAME)
        there = self._provisions.of_account(account.name).get(key)
        if not self._quota:
            if there is not None:
                await self._delete(key)
            return
        if left_s := self._pauses.left_s(home):
            self._queue.wake(account, left_s)
            return
        left_out = self._pauses.left_out()
        hard = {name: count for name, count in self._quota.items() if name not in left_out}
        manifest = quota_manifest(home, hard, FIELD_MANAGER)
        if there is None or there["hard"] != manifest["spec"]["hard"]:
            await self._apply(key, manifest)
            there = self._provisions.of_account(account.name)[key]
        if there["counted"] is Counted.IN_PART:
            pause_s = self._pauses.begin(home, there["uncounted"])
            await self._delete(key)
            self._queue.wake(account, pause_s)
        elif there["counted"] is Counted.WHOLLY:
            self._pauses.over(home)
        elif required:
            message = "the cluster's controller manager has not counted what is there"
            raise ApiError(503, {"kind": "Status", "message": message})

    async def _apply(self, key: ProvisionKey, manifest: dict[str, Any]) -> None:
        resource = _RESOURCES[key.plural]
        body = await self._client.request(
            "PATCH",
            resource.path(key.namespace or None, key.name),
            body=manifest,
            params={"fieldManager": FIELD_MANAGER, "force": "true"},
            content_type=APPLY_PATCH,
        )
        self._metrics.provisions.labels(key.plural, "apply").inc()
        self._provisions.put(resource, body)

    async def _delete(self, key: ProvisionKey) -> None:
        """Remove an object, or at least the rights that it gives.

        A finalizer keeps an object until its owner takes that off, and a RoleBinding that is
        being deleted goes on giving its role. Without subjects it gives nothing.

        Raises:
            ApiError: it is there and gives access.
        """
        resource = _RESOURCES[key.plural]
        path = resource.path(key.namespace or None, key.name)
        try:
            left = await self._client.request("DELETE", path)
            if _is_held(left) and left.get("subjects"):
                left = await self._client.request(
                    "PATCH",
                    path,
                    body={"subjects": None},
                    params={"fieldManager": FIELD_MANAGER},
                    content_type=MERGE_PATCH,
                )
        except ApiError as error:
            if error.code != 404:
                raise
            left = None
        self._metrics.provisions.labels(key.plural, "delete").inc()
        if not _is_held(left):
            self._provisions.remove(key)
            return
        self._provisions.put(resource, left)
        if key.plural == SERVICE_ACCOUNTS.plural:
            finalizers = ", ".join(left["metadata"]["finalizers"])
            message = f"it is being deleted, and held by the finalizers {finalizers}; remove them"
            raise ApiError(409, {"kind": "Status", "message": message})


def _is_held(answer: Any) -> bool:
    """Tell from the answer to a DELETE or PATCH whether finalizers keep the object."""
    metadata = (answer or {}).get("metadata") or {}
    return bool(metadata.get("deletionTimestamp") and metadata.get("finalizers"))


def _passes(error: KubeError) -> bool:
    return not isinstance(error, ApiError) or error.code in PASSING


def _problem(step: str, error: KubeError) -> Problem:
    said = error.message if isinstance(error, ApiError) else "the API server gave no answer"
    raw = said.encode()
    if len(raw) > MAX_MESSAGE_BYTES:
        said = raw[:MAX_MESSAGE_BYTES].decode(errors="ignore") + "..."
    return Problem(Reason.NOT_PROVISIONED, f"{step}: {said}")


def _title(key: ProvisionKey) -> str:
    place = f" in namespace {key.namespace}" if key.namespace else ""
    return f"{_KINDS[key.plural]} {key.name}{place}"
