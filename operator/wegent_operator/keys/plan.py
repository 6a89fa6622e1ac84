"""The changes that a namespace needs so that the runner can read its keys, and no other. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from wegent_crds.references import ObjectKey
from wegent_operator.keys.manifests import (
    Manifest,
    binding,
    binding_key,
    managed_subset,
    role,
)
from wegent_operator.state.objects import key_role_key


@dataclass(frozen=True, slots=True)
class Plan:
    """The changes in one namespace; empty if it is as desired."""

    delete: tuple[ObjectKey, ...]
    """Deleted before anything is applied. An object that is also in ``apply`` is recreated."""
    apply: Mapping[ObjectKey, Manifest]


def plan(
    namespace: str,
    secrets: Collection[str],
    runner: str,
    actual: Mapping[ObjectKey, Mapping[str, Any]],
) -> Plan:
    """Return the changes that lead from the existing Role and RoleBinding to the desired ones.

    Args:
        namespace: The namespace.
        secrets: Names of the Secrets with keys that the runner may read in the namespace.
        runner: The runner's ServiceAccount as ``namespace/name``.
        actual: The existing objects, reduced by ``managed_subset``.
    """
    # The binding goes first: without it, nobody has the Role.
    binding_of, role_of = binding_key(namespace), key_role_key(namespace)
    if not secrets:
        return Plan(tuple(key for key in (binding_of, role_of) if key in actual), {})
    wanted = {role_of: role(namespace, secrets), binding_of: binding(namespace, runner)}
    there = actual.get(binding_of)
    # A binding's role can't be changed.
    recreated = there is not None and there.get("roleRef") != wanted[binding_of]["roleRef"]
    return Plan(
        (binding_of,) if recreated else (),
        {key: body for key, body in wanted.items() if actual.get(key) != managed_subset(body)},
    )
