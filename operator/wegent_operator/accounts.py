"""Carries out what Accounts need: reads the plan, applies the differences, says how it went.

ServiceAccounts and bindings are watched like everything else, so drift is a
change like any other: something deleted or edited by hand is put back at once,
and where nothing differs nothing is written.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final

from wegent_crds.conditions import Reason
from wegent_crds.members import ACCOUNT_LABEL
from wegent_crds.references import ObjectKey
from wegent_kube import ApiError, KubeClient
from wegent_kube.client import APPLY_PATCH
from wegent_kube.resources import NAMESPACES, Resource
from wegent_operator.facts import Facts
from wegent_operator.metrics import Metrics
from wegent_operator.provisions import (
    PROVISIONED,
    Plan,
    ProvisionKey,
    essence,
    plan,
    shared_binding,
)
from wegent_operator.queue import KeyedQueue
from wegent_operator.store import Store
from wegent_operator.verdict import Problem, Verdict, refused

FIELD_MANAGER: Final = "wegent-operator"
_RESOURCES: Final = {resource.plural: resource for resource in PROVISIONED}


class Provisions:
    """What is there of what the operator made or looks after, by key and by Account."""

    def __init__(self) -> None:
        self._essences: dict[ProvisionKey, dict[str, Any]] = {}
        self._by_account: defaultdict[str, set[ProvisionKey]] = defaultdict(set)

    def put(self, resource: Resource, body: Mapping[str, Any]) -> str | None:
        """Take in a watched object; return the account it concerns if that is news."""
        key = provision_key(resource, body)
        now = essence(body)
        if self._essences.get(key) == now:
            return None
        self.remove(key)
        self._essences[key] = now
        account = str(now["labels"].get(ACCOUNT_LABEL, ""))
        self._by_account[account].add(key)
        return account

    def remove(self, key: ProvisionKey) -> str | None:
        """Forget an object; return the account that this concerns."""
        known = self._essences.pop(key, None)
        if known is None:
            return None
        account = str(known["labels"].get(ACCOUNT_LABEL, ""))
        self._by_account[account].discard(key)
        if not self._by_account[account]:
            del self._by_account[account]
        return account

    def keys(self, plural: str) -> Iterator[ProvisionKey]:
        """Yield the keys of all objects of a resource."""
        return (key for key in tuple(self._essences) if key.plural == plural)

    def of_account(self, name: str) -> dict[ProvisionKey, dict[str, Any]]:
        """Return what is there under one Account's name."""
        return {key: self._essences[key] for key in self._by_account.get(name, ())}

    def accounts(self) -> tuple[str, ...]:
        """Return the names under which something is there."""
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
    ) -> None:
        self._client = client
        self._queue = queue
        self._store = store
        self._provisions = provisions
        self._metrics = metrics
        self._accounts_namespace = accounts_namespace

    async def provision(self, key: ObjectKey, facts: Facts | None) -> Verdict:
        """Make an account's things as they should be and return the verdict on it.

        Raises:
            KubeError: the API server did not take something; to be tried again.
        """
        if key.namespace != self._accounts_namespace:
            problem = Problem(
                Reason.WRONG_NAMESPACE,
                f"metadata.namespace: an Account gives access only in {self._accounts_namespace}; "
                "create it there",
            )
            return refused([], [problem])
        todo = plan(
            facts,
            self._accounts_namespace,
            self._namespace,
            self._provisions.of_account(key.name),
        )
        problems = [*todo.problems, *await self._carry_out(todo)]
        unresolved = [problem for problem in problems if problem.reason is Reason.REF_NOT_FOUND]
        return refused(unresolved, problems)

    async def share(self, namespace: str) -> None:
        """See that every account may work in a shared namespace, if that namespace exists."""
        key, manifest = shared_binding(namespace, self._accounts_namespace)
        there = self._provisions.of_account("").get(key)
        if self._store.has_namespace(namespace) and there != essence(manifest):
            await self._apply(key, manifest)

    def _namespace(self, name: str) -> Mapping[str, str] | None:
        return self._store.namespace_labels(name) if self._store.has_namespace(name) else None

    async def _carry_out(self, todo: Plan) -> list[Problem]:
        # Rights are taken away before any are given.
        for key in todo.delete:
            await self._delete(key)
        if todo.create_namespace is not None:
            await self._create_namespace(todo.create_namespace)
        problems = []
        for key, manifest in todo.apply.items():
            try:
                await self._apply(key, manifest)
            except ApiError as error:
                if not _is_final(error):
                    raise
                problems.append(
                    Problem(
                        Reason.NOT_PROVISIONED,
                        f"{manifest['kind']} {key.name}"
                        + (f" in namespace {key.namespace}" if key.namespace else "")
                        + f" was refused: {error.message}",
                    )
                )
        return problems

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
        for key in self._store.put_namespace(metadata["name"], metadata.get("labels") or {}):
            self._queue.add(key)

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
        resource = _RESOURCES[key.plural]
        try:
            await self._client.request("DELETE", resource.path(key.namespace or None, key.name))
        except ApiError as error:
            if error.code != 404:
                raise
        self._metrics.provisions.labels(key.plural, "delete").inc()
        self._provisions.remove(key)


def _is_final(error: ApiError) -> bool:
    """Tell whether trying the same again is pointless until something else changes.

    A namespace that is going away refuses new content with 403; when it is gone,
    or back, its event brings the Account up again.
    """
    return error.code in {400, 403, 404, 422}
