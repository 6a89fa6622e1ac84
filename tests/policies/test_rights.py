"""The rights of each ServiceAccount by the API server's own word are the documented ones.

docs/security.md shows the manifests' roles (`make generate`), so these are compared.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pytest
import yaml

from devcluster.checkout import CHECKOUT
from tests.support.kubectl import Kubectl

SYSTEM, ACCOUNTS = "wegent-system", "wegent-accounts"
ELSEWHERE = ("default", "kube-system")
Right = tuple[str, str, str, str]
"""Group, resource, verb, and the object's name; an empty name stands for all."""


def rights_of(rules: Iterable[Mapping[str, Any]]) -> Iterator[Right]:
    for rule in rules:
        for group in rule.get("apiGroups") or ():
            for resource in rule.get("resources") or ():
                for verb in rule["verbs"]:
                    for name in rule.get("resourceNames") or ("",):
                        yield group, resource, verb, name


def told(kubectl: Kubectl, account: str, namespace: str) -> set[Right]:
    """Return the rights behind ``kubectl auth can-i --list``."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{account.partition(':')[0]}")
    done = kubectl.run(
        "create", "--validate=false", "-f", "-", "-o", "json",
        f"--as=system:serviceaccount:{account}",
        *(f"--as-group={group}" for group in (*groups, "system:authenticated")),
        stdin=review,
    )  # fmt: skip
    status = done.ok().json["status"]
    assert not status["incomplete"]
    return set(rights_of(status["resourceRules"]))


def documented(program: str, namespace: str) -> set[Right]:
    """Return the rights that the manifests give in a namespace, by all bindings."""
    path = CHECKOUT / "config" / "rbac" / f"{program}.yaml"
    objects = list(filter(None, yaml.safe_load_all(path.read_text(encoding="utf-8"))))
    roles = {
        (it["kind"], it["metadata"].get("namespace"), it["metadata"]["name"]): it["rules"]
        for it in objects
        if it["kind"] in ("Role", "ClusterRole")
    }
    return {
        right
        for it in objects
        if it["kind"].endswith("Binding") and it["metadata"].get("namespace") in (None, namespace)
        for right in rights_of(
            roles[it["roleRef"]["kind"], it["metadata"].get("namespace"), it["roleRef"]["name"]]
        )
    }


@pytest.mark.parametrize("namespace", [SYSTEM, ACCOUNTS, *ELSEWHERE])
@pytest.mark.parametrize("program", ["operator", "api", "runner"])
def test_each_program_may_do_what_is_documented_and_nothing_else(
    kubectl: Kubectl, program: str, namespace: str
) -> None:
    of_anybody = told(kubectl, "default:default", "kube-public")
    its_own = told(kubectl, f"{SYSTEM}:wegent-{program}", namespace) - of_anybody
    assert its_own == documented(program, namespace)
    secrets = {right for right in its_own if right[1].startswith("secrets")}
    assert not secrets or (program, namespace) == ("api", ACCOUNTS)


@pytest.fixture
def event(kubectl: Kubectl) -> Iterator[str]:
    """An Event on a Task in the namespace default."""
    name = f"t.{uuid.uuid4().hex[:16]}"
    subject = {"apiVersion": "agent.wecode.io/v1", "kind": "Task", "name": name}
    body = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": "default"},
        "involvedObject": {**subject, "namespace": "default"},
        "reason": "Started",
        "message": "attempt 1",
        "type": "Normal",
    }
    kubectl.run("create", "-f", "-", stdin=body).ok()
    yield name
    kubectl.run("delete", "event", name, "--namespace=default").ok()


@pytest.mark.parametrize("role", ["wegent-viewer", "wegent-editor", "wegent-admin"])
def test_users_read_the_events_of_their_namespace_and_write_none(
    user_with: Callable[..., Kubectl], event: str, role: str
) -> None:
    user = user_with(role)
    for resource in ("events", "events.events.k8s.io"):
        assert event in user.run("get", resource, "--namespace=default").ok().stdout
        done = user.run("get", resource, "--namespace=kube-system")
        assert "cannot list resource" in done.stderr
        done = user.run("delete", resource, event, "--namespace=default")
        assert "cannot delete resource" in done.stderr
