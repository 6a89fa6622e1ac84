"""What an Account needs in the cluster, and how that differs from what is there. Pure.

An Account becomes a namespace of its own, RoleBindings, and last a
ServiceAccount: a token can be asked for only once everything else is there.
Each of these carries the Account's name and uid as labels; the uid keeps a
later user of the same name out of what an earlier one left behind. So does the
age of what admins of namespaces gave the earlier one (``wegent_crds.members``).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from wegent_crds import members
from wegent_crds.conditions import Reason
from wegent_crds.kinds import ACCOUNT, API_VERSION, GROUP
from wegent_crds.members import ACCOUNT_LABEL, MANAGED_BY, RBAC_GROUP, role_name
from wegent_kube.resources import (
    CLUSTER_ROLE_BINDINGS,
    NAMESPACES,
    ROLE_BINDINGS,
    SERVICE_ACCOUNTS,
    Resource,
)
from wegent_operator.facts import Facts, own_namespace
from wegent_operator.verdict import Problem

MANAGER: Final = "wegent-operator"
ACCOUNT_UID_LABEL: Final = f"{GROUP}/account-uid"
SELECTOR: Final = f"{MANAGED_BY} in ({MANAGER},{members.MANAGER})"
"""What the operator watches of ServiceAccounts and bindings: its own, and memberships."""

OWN_ROLE: Final = "admin"
"""What a user is in the namespace of their own: they may let others in."""
SHARED_ROLE: Final = "editor"
"""What every user is in the shared namespaces."""
PROVISIONED: Final = (ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS, SERVICE_ACCOUNTS)


@dataclass(frozen=True, slots=True, order=True)
class ProvisionKey:
    """What names one provisioned object; ``namespace`` is empty for a cluster-scoped one."""

    plural: str
    namespace: str
    name: str


Manifests = Mapping[ProvisionKey, dict[str, Any]]
"""Manifests by key, in the order in which they are to be made."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do for one Account; empty where everything is as it should be."""

    create_namespace: dict[str, Any] | None
    apply: Manifests
    delete: tuple[ProvisionKey, ...]
    problems: tuple[Problem, ...]
    """Why the Account is not Ready even when all of this has been done."""


def plan(
    facts: Facts | None,
    accounts_namespace: str,
    namespaces: Callable[[str], Mapping[str, str] | None],
    actual: Mapping[ProvisionKey, dict[str, Any]],
) -> Plan:
    """Compare what an Account should have with what is there.

    Args:
        facts: The Account, None when it is gone.
        accounts_namespace: Where Accounts give access.
        namespaces: Looks up a namespace's labels; None where there is no such namespace.
        actual: What is there under the Account's name, reduced by ``essence``.
    """
    problems: list[Problem] = []
    wanted: dict[ProvisionKey, dict[str, Any]] = {}
    create: dict[str, Any] | None = None
    if facts is not None and facts.account is not None and facts.judged:
        if facts.account.suspended:
            problems.append(
                Problem(
                    Reason.SUSPENDED,
                    "spec.suspended: access is withdrawn; set it to false to give it back",
                )
            )
        else:
            labels = _labels(facts)
            create, taken = _own_namespace(facts, labels, namespaces)
            problems += taken
            bindings, missing = _bindings(facts, labels, namespaces, own=not taken)
            problems += missing
            wanted.update(bindings)
            wanted.update([_service_account(facts, labels, accounts_namespace)])
    return Plan(
        create_namespace=create,
        apply={key: body for key, body in wanted.items() if actual.get(key) != essence(body)},
        delete=tuple(
            sorted(
                key
                for key, there in actual.items()
                if key not in wanted and not _is_somebody_elses(key, there, facts)
            )
        ),
        problems=tuple(problems),
    )


def shared_binding(namespace: str, accounts_namespace: str) -> tuple[ProvisionKey, dict[str, Any]]:
    """Return the one RoleBinding that makes every account an editor of a shared namespace."""
    name = "wegent-accounts"
    subject = {
        "apiGroup": RBAC_GROUP,
        "kind": "Group",
        "name": f"system:serviceaccounts:{accounts_namespace}",
    }
    return _binding(ROLE_BINDINGS, namespace, name, SHARED_ROLE, subject, {MANAGED_BY: MANAGER})


def essence(body: Mapping[str, Any]) -> dict[str, Any]:
    """Reduce a provisioned object to what the operator decides; the rest is not its business."""
    metadata = body["metadata"]
    labels = metadata.get("labels") or {}
    membership = labels.get(MANAGED_BY) == members.MANAGER
    return {
        # Of what it writes itself it needs no date, and has none before it is written.
        "since": datetime.fromisoformat(metadata["creationTimestamp"]) if membership else None,
        "labels": {
            name: labels[name]
            for name in (MANAGED_BY, ACCOUNT_LABEL, ACCOUNT_UID_LABEL)
            if name in labels
        },
        "owners": [owner["uid"] for owner in metadata.get("ownerReferences") or ()],
        "roleRef": (body.get("roleRef") or {}).get("name"),
        "subjects": [
            (subject.get("kind"), subject.get("namespace", ""), subject.get("name"))
            for subject in body.get("subjects") or ()
        ],
    }


def _is_somebody_elses(key: ProvisionKey, there: Mapping[str, Any], facts: Facts | None) -> bool:
    """Tell whether what nothing here asks for is nevertheless to stay.

    Memberships are for a namespace's admins to give and take, as long as the user to whom
    they were given is there. What is older than the Account was given to an earlier user.
    """
    if there["labels"].get(MANAGED_BY) != members.MANAGER:
        return False
    if key.plural != ROLE_BINDINGS.plural or not key.name.startswith(members.PREFIX):
        return True
    account = facts.account if facts is not None and facts.judged else None
    return account is not None and bool(there["since"] >= account.created)


def _labels(facts: Facts) -> dict[str, str]:
    return {
        MANAGED_BY: MANAGER,
        ACCOUNT_LABEL: facts.key.name,
        ACCOUNT_UID_LABEL: facts.uid,
    }


def _own_namespace(
    facts: Facts,
    labels: dict[str, str],
    namespaces: Callable[[str], Mapping[str, str] | None],
) -> tuple[dict[str, Any] | None, list[Problem]]:
    name = own_namespace(facts.key.name)
    there = namespaces(name)
    if there is None:
        manifest = {
            "apiVersion": NAMESPACES.api_version,
            "kind": "Namespace",
            "metadata": {"name": name, "labels": labels},
        }
        return manifest, []
    if there.get(ACCOUNT_UID_LABEL) == facts.uid:
        return None, []
    return None, [
        Problem(
            Reason.NAMESPACE_TAKEN,
            f"namespace {name} exists and was not made for this Account, which gets no access "
            "to it; delete that namespace, or use another name for the Account",
        )
    ]


def _bindings(
    facts: Facts,
    labels: dict[str, str],
    namespaces: Callable[[str], Mapping[str, str] | None],
    *,
    own: bool,
) -> tuple[dict[ProvisionKey, dict[str, Any]], list[Problem]]:
    assert facts.account is not None  # noqa: S101 - for the type checker; plan() has looked
    problems: list[Problem] = []
    roles = {own_namespace(facts.key.name): OWN_ROLE} if own else {}
    for index, membership in enumerate(facts.account.memberships):
        if namespaces(membership.namespace) is None:
            problems.append(
                Problem(
                    Reason.REF_NOT_FOUND,
                    f"spec.namespaces[{index}]: namespace {membership.namespace} does not exist; "
                    "create it or remove the entry",
                )
            )
        else:
            roles[membership.namespace] = membership.role
    return dict(_role_bindings(facts, labels, roles)), problems


def _role_bindings(
    facts: Facts, labels: dict[str, str], roles: Mapping[str, str]
) -> Iterator[tuple[ProvisionKey, dict[str, Any]]]:
    assert facts.account is not None  # noqa: S101 - as above
    name = f"wegent-account-{facts.key.name}"
    subject = {
        "kind": "ServiceAccount",
        "name": facts.key.name,
        "namespace": facts.key.namespace,
    }
    # A binding's role can't be changed, so its name carries the role: another role is another
    # binding, and the old one is deleted because nothing wants it.
    for namespace, role in roles.items():
        yield _binding(ROLE_BINDINGS, namespace, f"{name}-{role}", role, subject, labels)
    if facts.account.role == "admin":
        yield _binding(CLUSTER_ROLE_BINDINGS, "", f"{name}-admin", "admin", subject, labels)


def _binding(
    resource: Resource,
    namespace: str,
    name: str,
    role: str,
    subject: Mapping[str, str],
    labels: Mapping[str, str],
) -> tuple[ProvisionKey, dict[str, Any]]:
    metadata: dict[str, Any] = {"name": name, "labels": dict(labels)}
    if namespace:
        metadata["namespace"] = namespace
    return ProvisionKey(resource.plural, namespace, name), {
        "apiVersion": resource.api_version,
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "metadata": metadata,
        "roleRef": {
            "apiGroup": RBAC_GROUP,
            "kind": "ClusterRole",
            "name": role_name(role),
        },
        "subjects": [dict(subject)],
    }


def _service_account(
    facts: Facts, labels: dict[str, str], accounts_namespace: str
) -> tuple[ProvisionKey, dict[str, Any]]:
    key = ProvisionKey(SERVICE_ACCOUNTS.plural, accounts_namespace, facts.key.name)
    return key, {
        "apiVersion": SERVICE_ACCOUNTS.api_version,
        "kind": "ServiceAccount",
        "metadata": {
            "name": facts.key.name,
            "namespace": accounts_namespace,
            "labels": labels,
            # Garbage collection takes it, and with it every token, when the Account goes.
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": ACCOUNT.kind,
                    "name": facts.key.name,
                    "uid": facts.uid,
                }
            ],
        },
        "automountServiceAccountToken": False,
    }
