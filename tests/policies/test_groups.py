"""Only Wegent's admins write Groups, and the operator changes no more of a namespace."""

import json

import pytest

from tests.policies.conftest import ACCOUNTS
from tests.support.kubectl import Kubectl
from wegent_crds.registry import GROUP
from wegent_crds.well_known import REQUESTS_PER_MINUTE, TOKENS_PER_DAY

MARK = f"{GROUP}/group-uid"
RESOURCE = f"groups.{GROUP}"
REFUSED = "Wegent's operator can"


def may(who: Kubectl, verb: str, namespace: str) -> bool:
    done = who.run("auth", "can-i", verb, RESOURCE, f"--namespace={namespace}")
    return done.stdout.strip() == "yes"


@pytest.fixture
def groups_namespace(kubectl: Kubectl, name: str) -> str:
    """The namespace of a group."""
    labels = {MARK: "some-uid", "team": "blue"}
    metadata = {"name": name, "labels": labels, "annotations": {"kept": "1"}}
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    kubectl.run("create", "-f", "-", stdin=body).ok()
    return name


@pytest.mark.parametrize("verb", ["get", "list", "create", "update", "patch", "delete"])
def test_rights_on_groups(alice: Kubectl, chief: Kubectl, as_operator: Kubectl, verb: str) -> None:
    assert not may(alice, verb, "default")
    assert not may(alice, verb, ACCOUNTS)
    assert may(chief, verb, "default"), "without effect, as with Accounts"
    assert not may(chief, verb, ACCOUNTS)
    assert may(as_operator, verb, ACCOUNTS) is (verb in ("get", "list"))


def group(name: str, **metadata: str) -> dict[str, object]:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Group",
        "metadata": {"namespace": ACCOUNTS, **({"name": name} if name else {}), **metadata},
        "spec": {},
    }


@pytest.mark.parametrize(
    "name", ["monitoring", "istio-system", "ingress-nginx", "openshift", "linkerd-viz", "my-system"]
)
def test_names_that_the_cluster_may_need_are_refused(kubectl: Kubectl, name: str) -> None:
    refused = kubectl.run("create", "-f", "-", stdin=group(name))
    said = " ".join(refused.stderr.split())
    assert "metadata.name: the name is reserved for a namespace that the cluster may need" in said
    assert "create the Group with another name" in said


def test_a_generated_name_is_refused_too(kubectl: Kubectl) -> None:
    refused = kubectl.run("create", "-f", "-", stdin=group("", generateName="ingress-"))
    assert "metadata.name: the name is reserved" in refused.stderr


@pytest.mark.parametrize("name", ["system", "openshifters", "my-istio", "monitoring-team"])
def test_names_like_them_are_accepted(kubectl: Kubectl, name: str) -> None:
    kubectl.run("create", "--dry-run=server", "-f", "-", stdin=group(name)).ok()


def test_the_operator_writes_limits_of_groups(as_operator: Kubectl, groups_namespace: str) -> None:
    for limit in (REQUESTS_PER_MINUTE, TOKENS_PER_DAY):
        for change in (f"{limit}=5", f"{limit}-"):
            as_operator.run("annotate", "namespace", groups_namespace, change).ok()


@pytest.mark.parametrize(
    ("verb", "change"),
    [
        ("annotate", "kept=2"),
        ("annotate", "kept-"),
        ("annotate", "more=1"),
        ("label", "team=red"),
        ("label", "team-"),
        ("label", "more=1"),
        ("label", f"{MARK}=another"),
    ],
)
def test_the_operator_changes_nothing_else_of_them(
    as_operator: Kubectl, groups_namespace: str, verb: str, change: str
) -> None:
    done = as_operator.run(verb, "namespace", groups_namespace, change, "--overwrite")
    assert REFUSED in done.stderr


OWNER = {"apiVersion": "v1", "kind": "Namespace", "name": "none", "uid": "no-such-uid"}
"""The garbage collector deletes the objects of an owner that doesn't exist."""
LIFETIMES = ({"ownerReferences": [OWNER]}, {"finalizers": ["example.com/kept"]})


@pytest.mark.parametrize("change", LIFETIMES)
def test_the_operator_ends_and_holds_no_namespace(
    as_operator: Kubectl, kubectl: Kubectl, groups_namespace: str, change: dict[str, object]
) -> None:
    patch = ("patch", "namespace", groups_namespace, "--type=merge")
    done = as_operator.run(*patch, f"-p={json.dumps({'metadata': change})}")
    assert f"{REFUSED}'t set them on a namespace" in done.stderr
    nothing = json.dumps({"metadata": dict.fromkeys(change)})
    kubectl.run(*patch, f"-p={json.dumps({'metadata': change})}").ok()
    assert f"{REFUSED}'t set them on a namespace" in as_operator.run(*patch, f"-p={nothing}").stderr
    kubectl.run(*patch, f"-p={nothing}").ok()


@pytest.mark.parametrize("more", LIFETIMES)
def test_the_operator_creates_none_with_owners_or_finalizers(
    as_operator: Kubectl, name: str, more: dict[str, object]
) -> None:
    metadata = {"name": name, "labels": {MARK: "some-uid"}} | more
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    done = as_operator.run("create", "-f", "-", stdin=body)
    assert f"{REFUSED}'t set them on a namespace" in done.stderr


def test_the_operator_changes_no_other_namespace(as_operator: Kubectl) -> None:
    done = as_operator.run("annotate", "namespace", "default", f"{TOKENS_PER_DAY}=5")
    assert REFUSED in done.stderr


def test_the_operator_creates_only_namespaces_of_users_and_groups(
    as_operator: Kubectl, name: str
) -> None:
    assert REFUSED in as_operator.run("create", "namespace", name).stderr
    for number, mark in enumerate((MARK, f"{GROUP}/account-uid")):
        metadata = {"name": f"{name}-{number}", "labels": {mark: "some-uid"}}
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
        as_operator.run("create", "-f", "-", stdin=body).ok()


def test_the_operator_writes_quotas_of_groups(
    as_operator: Kubectl, groups_namespace: str, kubectl: Kubectl, name: str
) -> None:
    quota = ("create", "quota", "wegent-account", "--hard=count/secrets=5")
    as_operator.run(*quota, f"--namespace={groups_namespace}").ok()
    other = f"other-{name}"
    kubectl.run("create", "namespace", other).ok()
    assert REFUSED in as_operator.run(*quota, f"--namespace={other}").stderr
