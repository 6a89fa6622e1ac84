"""Reconciles Accounts: computes the plan, applies the differences, and writes the verdict.

ServiceAccounts and bindings are watched like all other objects. If somebody deletes
or edits an object by hand, the operator restores it at once. If nothing differs, the
operator writes nothing.

All steps of a plan are tried, even if some fail: one object that can't be deleted must
not keep the rest of a user's access alive.
"""

import logging
from collections.abc import Awaitable, Mapping
from typing import Any, Final

from wegent_crds.conditions import Reason
from wegent_crds.references import ObjectKey
from wegent_crds.registry import ACCOUNT
from wegent_kube import ApiError, KubeError
from wegent_kube.resources import NAMESPACES, RESOURCE_QUOTAS, SERVICE_ACCOUNTS
from wegent_operator.accounts.plan import Plan, plan
from wegent_operator.accounts.provisioned import PROVISIONED, ProvisionKey
from wegent_operator.accounts.provisions import Provisions
from wegent_operator.accounts.quota import QUOTA_NAME, Counted, Pauses, quota_manifest
from wegent_operator.accounts.verdict import verdict
from wegent_operator.accounts.writer import ProvisionWriter
from wegent_operator.names import FIELD_MANAGER
from wegent_operator.runtime.held import HeldKeys
from wegent_operator.runtime.queue import KeyedQueue
from wegent_operator.runtime.verdict_writer import VerdictWriter
from wegent_operator.runtime.visibility import Visibility, hidden_referent
from wegent_operator.state.cache import Cache
from wegent_operator.state.objects import AccountState, version_of
from wegent_operator.state.refusals import is_refusal
from wegent_operator.state.verdict import Problem

logger = logging.getLogger(__name__)

MAX_MESSAGE_BYTES: Final = 1024
"""Bytes of the API server's answer that a condition repeats. A webhook's answer may be longer."""
QUIET_TRIES: Final = 3
"""Tries with a passing refusal before the Account's condition reports it."""
Refusal = tuple[str, KubeError]
"""Description of a failed step of a plan, and the error."""
_KINDS: Final = {
    NAMESPACES.plural: "Namespace",
    SERVICE_ACCOUNTS.plural: "ServiceAccount",
    "rolebindings": "RoleBinding",
    "clusterrolebindings": "ClusterRoleBinding",
    RESOURCE_QUOTAS.plural: "ResourceQuota",
}


class AccountController:
    """The controller of Accounts."""

    def __init__(
        self,
        cache: Cache,
        queue: KeyedQueue[ObjectKey],
        provisions: Provisions,
        provision_writer: ProvisionWriter,
        writer: VerdictWriter,
        held: HeldKeys,
        visibility: Visibility,
        accounts_namespace: str,
        quota: Mapping[str, int],
    ) -> None:
        self._cache = cache
        self._queue = queue
        self._provisions = provisions
        self._provision_writer = provision_writer
        self._writer = writer
        self._held = held
        self._visibility = visibility
        self._accounts_namespace = accounts_namespace
        self._quota = quota
        self._pauses = Pauses()

    def unlisted(self, _: ObjectKey, state: AccountState | None) -> str | None:
        """Return the first resource that must be listed before access is given or removed."""
        # An Account that isn't in the cache counts as deleted, and loses its access.
        if state is None and self._visibility.is_hidden(ACCOUNT.plural):
            return ACCOUNT.plural
        # To remove access, the ServiceAccount is enough: without it its tokens are invalid.
        # Bindings are removed once they are listed.
        taken = state is None or _loses_access(state)
        return self._visibility.first_unlisted((SERVICE_ACCOUNTS,) if taken else PROVISIONED)

    async def reconcile(self, key: ObjectKey, state: AccountState | None) -> bool:
        """Apply the plan for an Account's objects, and write the verdict on the Account.

        Raises:
            KubeError: a request failed, and may succeed soon, or no Account exists whose
                condition could report it; try again.
        """
        if state is not None and not _loses_access(state):
            unlisted = hidden_referent(state, self._cache, self._visibility)
            if unlisted is not None:
                self._held.hold(key, unlisted)
                return True
        problems = await self._provide(key, state)
        if state is None or state.deleting:
            return True
        admins = {it for it in self._cache.admins if it.namespace == self._accounts_namespace}
        decided = verdict(state, problems, admins)
        await self._writer.write(state, decided)
        # The cause of a refusal, such as a quota or a missing right, may end without an event.
        return decided.ready.reason != Reason.NOT_PROVISIONED

    async def _provide(self, key: ObjectKey, state: AccountState | None) -> list[Problem]:
        """Apply the plan for an Account; return the problems for which it isn't ready."""
        if key.namespace != self._accounts_namespace:
            return [
                Problem(
                    Reason.WRONG_NAMESPACE,
                    "metadata.namespace: an Account has an effect only in the namespace"
                    f" {self._accounts_namespace}; create it there",
                )
            ]
        if state is None:
            for admin in self._cache.admins:  # one of them may be the last admin now
                self._queue.add(admin)
        todo = plan(
            state,
            self._accounts_namespace,
            self._namespace,
            self._provisions.of_account(key.name),
        )
        refusals = await self._apply_plan(key, todo)
        passing = all(_passes(error) for _, error in refusals)
        quiet = passing and self._queue.failures(key) < QUIET_TRIES
        if refusals and not quiet:
            said = "; ".join(_problem(step, error).message for step, error in refusals)
            logger.warning("Account %s: %s", key.name, said)
        if refusals and (quiet or state is None):
            raise refusals[0][1]  # may succeed soon, or no Account is left to report it
        # Refusals come first: the condition has the reason of the first problem.
        return [*(_problem(step, error) for step, error in refusals), *todo.problems]

    def _namespace(self, name: str) -> Mapping[str, str] | None:
        return self._cache.namespace_labels(name) if self._cache.has_namespace(name) else None

    async def _apply_plan(self, account: ObjectKey, todo: Plan) -> list[Refusal]:
        """Try all steps of a plan, and return the steps that failed.

        Access is removed before access is given, and the ServiceAccount is removed first. A new
        ServiceAccount is created only when two things hold:

        - All stale objects are gone. Otherwise the user might have the rights of an earlier user
          of the name.
        - The quota of the user's namespace is counted, because it limits nothing before. If the
          cluster can't count all resources yet, the ServiceAccount doesn't wait for that.
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
            await tried(f"{_title(key)} can't be deleted", self._provision_writer.delete(key))
        clean = not refusals
        homeless = ""
        if todo.create_namespace is not None:
            name = todo.create_namespace["metadata"]["name"]
            creating = self._create_namespace(todo.create_namespace)
            if not await tried(f"Namespace {name} can't be created", creating):
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
                await tried(
                    f"{_title(key)} can't be applied", self._provision_writer.apply(key, manifest)
                )
        return refusals

    async def _create_namespace(self, manifest: dict[str, Any]) -> None:
        metadata = (body := await self._provision_writer.create_namespace(manifest))["metadata"]
        # Other Accounts may wait for the namespace. Its event won't change the cache any more.
        for key in self._cache.put_namespace(
            metadata["name"], metadata.get("labels") or {}, version=version_of(body)
        ):
            self._queue.add(key)

    async def _limit(self, account: ObjectKey, home: str, *, required: bool) -> None:
        """Apply the quota of a user's own namespace, and check that it is counted.

        Raises:
            ApiError: the quota was refused, or is ``required`` and not counted yet.
        """
        key = ProvisionKey(RESOURCE_QUOTAS.plural, home, QUOTA_NAME)
        there = self._provisions.of_account(account.name).get(key)
        if not self._quota:
            if there is not None:
                await self._provision_writer.delete(key)
            return
        if left_s := self._pauses.left_s(home):
            self._queue.add_after(account, left_s)
            return
        left_out = self._pauses.left_out()
        hard = {name: count for name, count in self._quota.items() if name not in left_out}
        manifest = quota_manifest(home, hard, FIELD_MANAGER)
        if there is None or there["hard"] != manifest["spec"]["hard"]:
            await self._provision_writer.apply(key, manifest)
            there = self._provisions.of_account(account.name)[key]
        if there["counted"] is Counted.IN_PART:
            pause_s = self._pauses.begin(home, there["uncounted"])
            await self._provision_writer.delete(key)
            self._queue.add_after(account, pause_s)
        elif there["counted"] is Counted.WHOLLY:
            self._pauses.over(home)
        elif required:
            message = "the cluster's controller manager has not counted the existing objects yet"
            raise ApiError(503, {"kind": "Status", "message": message})


def _loses_access(state: AccountState) -> bool:
    """Return whether an Account must lose its access. This depends on no other object."""
    return state.spec.suspended or state.deleting


def _passes(error: KubeError) -> bool:
    """Return whether another try usually succeeds soon."""
    return not isinstance(error, ApiError) or not is_refusal(error)


def _problem(step: str, error: KubeError) -> Problem:
    said = error.message if isinstance(error, ApiError) else "the API server did not answer"
    raw = said.encode()
    if len(raw) > MAX_MESSAGE_BYTES:
        said = raw[:MAX_MESSAGE_BYTES].decode(errors="ignore") + "..."
    return Problem(Reason.NOT_PROVISIONED, f"{step}: {said}")


def _title(key: ProvisionKey) -> str:
    place = f" in namespace {key.namespace}" if key.namespace else ""
    return f"{_KINDS[key.plural]} {key.name}{place}"
