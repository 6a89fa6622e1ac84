"""Reconciles Groups: the namespace, its quota and limits, and the Accounts of the members.

The controller of Accounts writes the RoleBindings, as it does for all other roles of an Account.
It gives a role only after this controller has recorded in the status which Account a member is. So
a kill between two steps leaves a member without a role, and the next try goes on.
"""

from dataclasses import replace

from wegent_crds.conditions import Reason
from wegent_crds.members import account_binding_name
from wegent_crds.references import ObjectKey
from wegent_crds.registry import ACCOUNT, GROUP_KIND
from wegent_kube.resources import RESOURCE_QUOTAS, ROLE_BINDINGS
from wegent_operator.accounts.groups import account_uid_of, name_problem, owns
from wegent_operator.accounts.provisioned import ProvisionKey
from wegent_operator.accounts.provisioning import ProvisioningController
from wegent_operator.accounts.quota import QUOTA_NAME
from wegent_operator.accounts.refused_steps import Steps
from wegent_operator.accounts.verdict import UNRESOLVED
from wegent_operator.groups.plan import (
    bound_members,
    limits_manifest,
    member_problems,
    must_apply_limits,
    namespace_manifest,
    namespace_problem,
    quota_problems,
)
from wegent_operator.runtime.visibility import hidden_referent
from wegent_operator.state.objects import AccountState, GroupState
from wegent_operator.state.verdict import Problem, verdict_of


class GroupController(ProvisioningController):
    """The controller of Groups."""

    def unlisted(self, _: ObjectKey, state: GroupState | None) -> str | None:
        """Return the first resource that must be listed before a Group is reconciled."""
        # A Group that isn't in the cache counts as deleted, and its members lose access.
        if state is None and self._visibility.is_hidden(GROUP_KIND.plural):
            return GROUP_KIND.plural
        return self._visibility.first_unlisted((ROLE_BINDINGS, RESOURCE_QUOTAS))

    async def reconcile(self, key: ObjectKey, state: GroupState | None) -> bool:
        """Make namespace, quota and limits as the spec says, and write the verdict.

        Raises:
            KubeError: a request failed, and may succeed soon; try again.
        """
        if state is None or state.deleting:
            # Memberships that admins of the namespace gave end with the group.
            self._enqueue_all_in(key)
            return True
        unlisted = hidden_referent(state, self._cache, self._visibility)
        if unlisted is not None:
            self._held.hold(key, unlisted)
            return True
        wrong = name_problem(state, self._accounts_namespace, self._cache.shared_namespaces)
        bound = bound_members(state, self._account)
        decided = replace(state, bound=bound)
        problems = [wrong] if wrong else await self._provide(decided)
        unresolved = [problem for problem in problems if problem.reason in UNRESOLVED]
        verdict = verdict_of(unresolved, problems)
        await self._writer.write(state, verdict, decided)
        self._enqueue_members(key, entitled=wrong is None)
        return verdict.ready.reason != Reason.NOT_PROVISIONED

    async def _provide(self, state: GroupState) -> list[Problem]:
        """Carry out the steps for a Group; return the problems for which it isn't ready."""
        steps, uncounted = Steps(), set[str]()
        name = state.key.name
        labels = self._cache.known_namespace_labels(name)
        taken = namespace_problem(state, labels, self._cache.reserved_namespaces)
        if taken is None:
            there = self._cache.has_namespace(name) or await steps.tried(
                f"Namespace {name} can't be created",
                self._create_namespace(namespace_manifest(state)),
            )
            if there:
                await steps.tried(
                    f"ResourceQuota {QUOTA_NAME} in namespace {name} is not in force",
                    self._limit(state, uncounted),
                )
                await steps.tried(
                    f"spec.limits can't be applied to namespace {name}", self._apply_limits(state)
                )
        found = steps.problems(f"Group {name}", self._queue.failures(state.key))
        found += [taken] if taken else []
        found += quota_problems(state, uncounted)
        return [*found, *member_problems(state, self._account)]

    async def _limit(self, state: GroupState, uncounted: set[str]) -> None:
        hard = None if state.quota is None else dict(state.quota)
        uncounted |= await self._quotas.keep(state.key, state.key.name, hard, required=False)

    async def _apply_limits(self, state: GroupState) -> None:
        name = state.key.name
        if must_apply_limits(state, self._cache.namespace_limits(name)):
            self._store(await self._provision_writer.apply_limits(name, limits_manifest(state)))

    def _enqueue_members(self, key: ObjectKey, *, entitled: bool) -> None:
        """Enqueue the Accounts whose rights this Group has changed or has not yet changed.

        Without ``entitled``, the Group gives no roles.
        """
        for concerned in self._cache.pop_dependents(key):
            self._queue.add(concerned)
        state = self._cache.get(key)
        if not isinstance(state, GroupState):
            return
        if not (entitled and owns(state, self._cache.known_namespace_labels(key.name))):
            self._enqueue_all_in(key)  # the namespace may have been this group's before
            return
        for member in state.members:
            account = self._account(member.username)
            if account is None or account.deleting or account.spec.suspended:
                continue
            binding = ProvisionKey(
                ROLE_BINDINGS.plural, key.name, account_binding_name(member.username, member.role)
            )
            is_member = account_uid_of(state, member) == account.uid
            if is_member and self._provisions.get(binding) is None:
                self._queue.add(account.key)

    def _enqueue_all_in(self, key: ObjectKey) -> None:
        """Enqueue the Accounts with rights in the namespace of a Group."""
        if key.namespace == self._accounts_namespace:
            for username in self._provisions.accounts_in(key.name):
                self._queue.add(self._account_key(username))

    def _account(self, username: str) -> AccountState | None:
        state = self._cache.get(self._account_key(username))
        return state if isinstance(state, AccountState) else None

    def _account_key(self, username: str) -> ObjectKey:
        return ObjectKey(ACCOUNT.plural, self._accounts_namespace, username)
