"""API keys: users of Wegent's roles write them, never read them, and can't send them elsewhere."""

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.commands import Result
from tests.support.kubectl import Kubectl

KEY = "sk-the-owners-secret"
HOSTS = "agent.wecode.io/hosts"
TYPE = "agent.wecode.io/api-key"
PATH = "/api/v1/namespaces/default/secrets"

SERVER_SIDE = ("apply", "--server-side", "--force-conflicts")


def secret(name: str, value: str = KEY, hosts: str | None = "api.openai.com", **fields: Any) -> Any:
    """Return an API key in the namespace default."""
    annotations = {} if hosts is None else {HOSTS: hosts}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": "default", "annotations": annotations},
        "type": TYPE,
        "data": {"key": base64.b64encode(value.encode()).decode()},
        **fields,
    }


def create(who: Kubectl, body: Any, *options: str) -> Result:
    return who.run("create", "-f", "-", *options, stdin=body)


def deleted(who: Kubectl, name: str, options: dict[str, Any], query: str = "") -> Result:
    """Send a DELETE as it is, and return the API server's own answer."""
    body = {"apiVersion": "v1", "kind": "DeleteOptions", **options}
    return who.run("delete", "--raw", f"{PATH}/{name}{query}", "-f", "-", stdin=body)


def holds_key(done: Result) -> bool:
    """Return whether a key is in a command's output."""
    said = done.stdout + done.stderr
    return KEY in said or base64.b64encode(KEY.encode()).decode() in said


@pytest.fixture
def key(alice: Kubectl, kubectl: Kubectl, name: str) -> Iterator[str]:
    """Alice's key."""
    create(alice, secret(name)).ok()
    yield name
    kubectl.run("delete", "secret", name, "--ignore-not-found").ok()


@pytest.mark.parametrize("role", ["wegent-editor", "wegent-admin"])
def test_users_write_keys(user_with: Callable[..., Kubectl], role: str, name: str) -> None:
    user = user_with(role)
    create(user, secret(name)).ok()
    user.run("replace", "-f", "-", stdin=secret(name, "sk-newer")).ok()
    user.run("replace", "-f", "-", stdin=secret(name, "sk-newest", "other.example")).ok()
    user.run("delete", "secret", name).ok()
    create(user, secret(name, "sk-newest", "yet-another.example")).ok()
    user.run("delete", "secret", name, "--wait=false").ok()


def test_viewers_write_none(user_with: Callable[..., Kubectl], name: str) -> None:
    done = create(user_with("wegent-viewer", home="default"), secret(name))
    assert 'cannot create resource "secrets"' in done.stderr


@pytest.mark.parametrize("role", ["wegent-viewer", "wegent-editor", "wegent-admin"])
@pytest.mark.parametrize(
    "command",
    [
        ("get", "secret", "NAME", "-o", "yaml"),
        ("get", "secrets", "-o", "yaml"),
        ("get", "--raw", f"{PATH}?watch=1&timeoutSeconds=1"),
        ("get", "--raw", f"{PATH}/NAME"),
        ("patch", "secret", "NAME", "-p", "{}", "-o", "yaml"),
        ("annotate", "secret", "NAME", f"{HOSTS}=evil.example", "--overwrite", "-o", "yaml"),
        ("delete", "secrets", "--all"),
        ("delete", "--raw", PATH),
    ],
)
def test_no_role_of_wegents_reads_keys(
    user_with: Callable[..., Kubectl], key: str, role: str, command: tuple[str, ...]
) -> None:
    """An answer to a patch contains the Secret, and one to a deletion of all contains each."""
    change = secret(key, data={})
    done = user_with(role).run(*(it.replace("NAME", key) for it in command), stdin=change)
    assert "orbidden" in done.stderr
    assert not holds_key(done)


@pytest.mark.parametrize(
    "options",
    [
        {"propagationPolicy": "Foreground"},
        {"propagationPolicy": "Orphan"},
        {"orphanDependents": False},
        {"orphanDependents": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("query", ["", "?dryRun=All"])
def test_no_deletion_answers_with_the_key(
    mallory: Kubectl, kubectl: Kubectl, key: str, options: dict[str, Any], query: str
) -> None:
    """With a finalizer, the API server answers with the object."""
    done = deleted(mallory, key, options, query)
    assert "propagationPolicy Background" in done.stderr
    assert not holds_key(done)
    kubectl.run("get", "secret", key).ok()


def test_a_query_is_no_way_around(mallory: Kubectl, key: str) -> None:
    done = mallory.run("delete", "--raw", f"{PATH}/{key}?propagationPolicy=Foreground")
    assert "propagationPolicy Background" in done.stderr
    assert not holds_key(done)


@pytest.mark.parametrize("query", ["", "?dryRun=All"])
@pytest.mark.parametrize("options", [{}, {"propagationPolicy": "Background"}], ids=str)
def test_a_plain_deletion_answers_without_the_key(
    mallory: Kubectl, key: str, options: dict[str, Any], query: str
) -> None:
    assert not holds_key(deleted(mallory, key, options, query).ok())


def test_a_key_with_a_finalizer_is_not_deleted(
    mallory: Kubectl, kubectl: Kubectl, key: str
) -> None:
    holding = {"metadata": {"finalizers": ["example.com/hold"]}}
    kubectl.run("patch", "secret", key, "-p", json.dumps(holding)).ok()
    done = deleted(mallory, key, {})
    kubectl.run("patch", "secret", key, "-p", '{"metadata":{"finalizers":null}}').ok()
    assert "no finalizers" in done.stderr
    assert not holds_key(done)


def test_users_add_no_finalizers(mallory: Kubectl, key: str, name: str) -> None:
    body = secret(f"{name}-held", "sk-another")
    body["metadata"]["finalizers"] = ["example.com/hold"]
    assert "metadata.finalizers" in create(mallory, body).stderr
    body["metadata"]["name"] = key
    assert "metadata.finalizers" in mallory.run("replace", "-f", "-", stdin=body).stderr


@pytest.mark.parametrize(
    "body",
    [
        {"type": "Opaque"},
        {"type": None},
        {
            "type": "kubernetes.io/service-account-token",
            "metadata": {"annotations": {"kubernetes.io/service-account.name": "default"}},
            "data": {},
        },
        {"type": "bootstrap.kubernetes.io/token"},
        {"type": "agent.wecode.io/password"},
        {"type": "agent.wecode.io/token"},
    ],
    ids=lambda it: str(it["type"]),
)
def test_users_create_no_other_secrets(chief: Kubectl, name: str, body: dict[str, Any]) -> None:
    whole = secret(name) | body
    whole["metadata"] = {**whole["metadata"], "name": name, "namespace": "default"}
    done = create(chief, {field: it for field, it in whole.items() if it is not None})
    assert "only Secrets of the type agent.wecode.io/api-key" in done.stderr


def test_other_secrets_are_neither_replaced_nor_deleted(
    chief: Kubectl, kubectl: Kubectl, name: str
) -> None:
    kubectl.run("create", "secret", "generic", name, "--from-literal=a=b").ok()
    for done in (
        chief.run("delete", "secret", name, "--wait=false"),
        chief.run("replace", "-f", "-", stdin=secret(name, type="Opaque")),
    ):
        assert "only Secrets of the type agent.wecode.io/api-key" in done.stderr
    kubectl.run("delete", "secret", name).ok()


@pytest.mark.parametrize("hosts", [None, "", "  "])
def test_a_key_names_its_hosts(alice: Kubectl, name: str, hosts: str | None) -> None:
    done = create(alice, secret(name, hosts=hosts))
    assert "agent.wecode.io/hosts must name the hosts" in done.stderr


@pytest.mark.parametrize(
    "data", [{"key": KEY}, {"key": KEY, "more": "x"}, {"key": "x", "moved": KEY}], ids=str
)
def test_hosts_dont_change_while_the_key_stays(
    mallory: Kubectl, key: str, data: dict[str, str]
) -> None:
    encoded = {name: base64.b64encode(it.encode()).decode() for name, it in data.items()}
    body = secret(key, hosts="api.openai.com, evil.example", data=encoded)
    done = mallory.run("replace", "-f", "-", stdin=body)
    assert "can't be changed while the key stays" in done.stderr


def test_a_right_to_patch_from_elsewhere_doesnt_help(
    user_with: Callable[..., Kubectl], kubectl: Kubectl, key: str, name: str
) -> None:
    """A role of the cluster gives patch without get. Its answers contain Secrets, by RBAC."""
    patcher = user_with("wegent-editor")
    user = patcher.run("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}").ok().stdout
    kubectl.run("create", "role", name, "--verb=patch", "--resource=secrets").ok()
    account = user.removeprefix("system:serviceaccount:")
    to = (f"--role={name}", f"--serviceaccount={account}")
    kubectl.run("create", "rolebinding", name, *to).ok()
    for more in ({}, {"data": {"more": "eA=="}}):
        change = secret(key, hosts="evil.example")
        del change["data"]
        done = patcher.run(*SERVER_SIDE, "-f", "-", stdin={**change, **more})
        assert "can't be changed while the key stays" in done.stderr


def test_who_may_read_secrets_is_not_confined(
    user_with: Callable[..., Kubectl], kubectl: Kubectl, name: str
) -> None:
    """Kubernetes' own role edit includes Wegent's, and works as without Wegent."""
    editor = user_with("edit", home="default")
    editor.run("create", "secret", "generic", name, "--from-literal=a=b").ok()
    editor.run("delete", "secret", name).ok()
    create(kubectl, secret(name, hosts=None)).ok()
    kubectl.run("annotate", "secret", name, f"{HOSTS}=api.openai.com").ok()
    kubectl.run("delete", "secret", name, "--cascade=foreground").ok()


NO_MODELS = "kube-public"
"""A namespace without Models: the operator has written no Role there."""


def role(name: str = "wegent-model-keys", **rule: Any) -> dict[str, Any]:
    keys = {
        "apiGroups": [""],
        "resources": ["secrets"],
        "verbs": ["get"],
        "resourceNames": ["openai"],
        **rule,
    }
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": name, "namespace": NO_MODELS},
        "rules": [{field: it for field, it in keys.items() if it is not None}],
    }


def binding(of: str = "wegent-model-keys", subjects: Any = None, **role_ref: Any) -> dict[str, Any]:
    runner = {"kind": "ServiceAccount", "name": "wegent-runner", "namespace": "wegent-system"}
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": of, "namespace": NO_MODELS},
        "roleRef": {"apiGroup": group, "kind": "Role", "name": "wegent-model-keys", **role_ref},
        "subjects": [runner] if subjects is None else subjects,
    }


def apply(who: Kubectl, body: Any) -> Result:
    return who.run(*SERVER_SIDE, "--validate=false", "--dry-run=server", "-f", "-", stdin=body)


def test_the_operator_writes_the_role_of_the_keys(as_operator: Kubectl) -> None:
    apply(as_operator, role()).ok()
    apply(as_operator, role(resourceNames=["a", "b"])).ok()
    apply(as_operator, role(resourceNames=[f"s{it}" for it in range(1000)])).ok()
    apply(as_operator, binding()).ok()


@pytest.mark.parametrize(
    "rule",
    [
        {"resourceNames": None},
        {"resourceNames": []},
        pytest.param({"resourceNames": [f"s{it}" for it in range(1001)]}, id="1,001 names"),
        {"verbs": ["get", "list"]},
        {"verbs": ["*"]},
        {"resources": ["secrets", "configmaps"]},
        {"resources": ["*"]},
        {"resources": ["secrets/status"]},
        {"apiGroups": ["", "apps"]},
        {"apiGroups": ["*"]},
    ],
    ids=str,
)
def test_the_operator_writes_no_other_role(as_operator: Kubectl, rule: dict[str, Any]) -> None:
    done = apply(as_operator, role(**rule))
    assert "only Roles that are named wegent-model-keys" in done.stderr


def test_the_role_has_one_rule_and_one_name(as_operator: Kubectl) -> None:
    two = role()
    two["rules"] = two["rules"] * 2
    assert "only Roles that are named" in apply(as_operator, two).stderr
    assert "only Roles that are named" in apply(as_operator, {**role(), "rules": []}).stderr
    assert "orbidden" in apply(as_operator, role("another")).stderr


SOMEBODY = {"kind": "ServiceAccount", "name": "mallory", "namespace": "wegent-accounts"}
RUNNER = {"kind": "ServiceAccount", "name": "wegent-runner", "namespace": "wegent-system"}


@pytest.mark.parametrize(
    "body",
    [
        binding(subjects=[SOMEBODY]),
        binding(subjects=[RUNNER, SOMEBODY]),
        binding(subjects=[{**RUNNER, "namespace": "default"}]),
        binding(subjects=[{**RUNNER, "name": "wegent-runner2"}]),
        binding("wegent-account-mallory-admin", [SOMEBODY]),
        binding("wegent-account-mallory-admin"),
        binding(kind="ClusterRole", name="wegent-admin"),
    ],
    ids=range(7),
)
def test_the_keys_are_the_runners_alone(as_operator: Kubectl, body: dict[str, Any]) -> None:
    done = apply(as_operator, body)
    assert "can bind only the Role wegent-model-keys" in done.stderr


def test_the_operator_reads_no_keys(as_operator: Kubectl, key: str) -> None:
    for command in (("get", "secret", key), ("get", "secrets")):
        assert "orbidden" in as_operator.run(*command).stderr
