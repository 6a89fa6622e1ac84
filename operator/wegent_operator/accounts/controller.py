"""Reconciles Accounts: computes the plan, applies the differences, and writes the verdict.

ServiceAccounts and bindings are watched like all other objects. If somebody deletes
or edits an object by hand, the operator restores it at once. If nothing differs, the
operator writes nothing.

All steps of a plan are tried, even if some fail: one object that can't be deleted must
not keep the rest of a user's access alive.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from wegent_crds.conditions import Reason
from wegent_crds.references import ObjectKey
from wegent_crds.registry import ACCOUNT, GROUP_KIND
from wegent_kube.resources import NAMESPACES, RESOURCE_QUOTAS, SERVICE_ACCOUNTS
from wegent_operator.accounts.groups import group_roles, is_closed, name_problem
from wegent_operator.accounts.plan import Plan, plan
from wegent_operator.accounts.provisioned import PROVISIONED, ProvisionKey
from wegent_operator.accounts.provisioning import ProvisioningController
from wegent_operator.accounts.quota import QUOTA_NAME
from wegent_operator.accounts.refused_steps import Steps
from wegent_operator.accounts.verdict import verdict
from wegent_operator.runtime.visibility import hidden_referent
from wegent_operator.state.objects import AccountState, GroupState
from wegent_operator.state.verdict import Problem

_KINDS: Final = {
    NAMESPACES.plural: "Namespace",
    SERVICE_ACCOUNTS.plural: "ServiceAccount",
    "rolebindings": "RoleBinding",
    "clusterrolebindings": "ClusterRoleBinding",
    RESOURCE_QUOTAS.plural: "ResourceQuota",
}


class AccountController(ProvisioningController):
    """The controller of Accounts."""

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
            # A Group that isn't in the cache counts as deleted, and its members lose access.
            if unlisted is None and self._visibility.is_hidden(GROUP_KIND.plural):
                unlisted = GROUP_KIND.plural
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
            self._cache.known_namespace_labels,
            self._provisions.of_account(key.name),
            {} if state is None else self._group_roles(state),
            self._is_closed,
        )
        steps = await self._apply_plan(key, todo)
        failures = self._queue.failures(key)
        refused = steps.problems(f"Account {key.name}", failures, has_condition=state is not None)
        # Refusals come first: the condition has the reason of the first problem.
        return [*refused, *todo.problems]

    def _group_roles(self, state: AccountState) -> Mapping[str, str]:
        return group_roles(state, self._groups(state.key), self._cache.known_namespace_labels)

    def _groups(self, account: ObjectKey) -> Iterator[GroupState]:
        """Yield the Groups that name an Account as a member, and may have their namespaces."""
        for key in self._cache.referrers(account):
            state = self._cache.get(key)
            if isinstance(state, GroupState) and not self._has_no_effect(state):
                yield state

    def _has_no_effect(self, group: GroupState) -> bool:
        return bool(name_problem(group, self._accounts_namespace, self._cache.shared_namespaces))

    def _is_closed(self, namespace: str) -> bool:
        if self._visibility.is_hidden(GROUP_KIND.plural):
            return False
        key = ObjectKey(GROUP_KIND.plural, self._accounts_namespace, namespace)
        state = self._cache.get(key)
        group = state if isinstance(state, GroupState) else None
        return is_closed(group, self._cache.known_namespace_labels(namespace))

    async def _apply_plan(self, account: ObjectKey, todo: Plan) -> Steps:
        """Try all steps of a plan, and return them.

        Access is removed before access is given, and the ServiceAccount is removed first. A new
        ServiceAccount is created only when two things hold:

        - All stale objects are gone. Otherwise the user might have the rights of an earlier user
          of the name.
        - The quota of the user's namespace is counted, because it limits nothing before. If the
          cluster can't count all resources yet, the ServiceAccount doesn't wait for that.
        """
        steps = Steps()
        for key in todo.delete:
            await steps.tried(f"{_title(key)} can't be deleted", self._provision_writer.delete(key))
        clean = not steps.have_failed
        homeless = ""
        if todo.create_namespace is not None:
            name = todo.create_namespace["metadata"]["name"]
            creating = self._create_namespace(todo.create_namespace)
            if not await steps.tried(f"Namespace {name} can't be created", creating):
                homeless = name
        if todo.home and not homeless:
            new = any(key.plural == SERVICE_ACCOUNTS.plural for key in todo.apply)
            clean &= await steps.tried(
                f"ResourceQuota {QUOTA_NAME} in namespace {todo.home} is not in force",
                self._quotas.keep(account, todo.home, required=new),
            )
        for key, manifest in todo.apply.items():
            if key.plural == SERVICE_ACCOUNTS.plural and not clean:
                continue
            if not (homeless and key.namespace == homeless):
                await steps.tried(
                    f"{_title(key)} can't be applied", self._provision_writer.apply(key, manifest)
                )
        return steps


def _loses_access(state: AccountState) -> bool:
    """Return whether an Account must lose its access. This depends on no other object."""
    return state.spec.suspended or state.deleting


def _title(key: ProvisionKey) -> str:
    place = f" in namespace {key.namespace}" if key.namespace else ""
    return f"{_KINDS[key.plural]} {key.name}{place}"
