"""Install, upgrade, roll back and uninstall with running programs, and check the result of each.

The names are not the default ones, so that a role or a policy that names the wrong
ServiceAccount is found out.
"""

import base64
import json
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from devcluster.checkout import CHECKOUT
from devcluster.controlplane import ControlPlane
from tests.chart.conftest import CHART
from tests.support.commands import Result
from tests.support.helm import Helm
from tests.support.identity import kubectl_as
from tests.support.kubectl import Kubectl
from tests.support.operator import OperatorProcess
from tests.support.pods import JobPods
from tests.support.proxy import Client, ProxyProcess
from tests.support.waiting import eventually
from wegent_crds.registry import KINDS
from wegent_crds.well_known import TRASH_FINALIZER

RELEASE, NAMESPACE, ACCOUNTS = "prod", "agents", "people"
VALUES = (
    "--set=image.repository=wegent",
    f"--set=accounts.namespace={ACCOUNTS}",
    "--set=firstAdmin.username=chief",
    "--set=sharedNamespaces={default,common}",
)
SECRET = "prod-wegent-first-admin"
WITHIN = "--timeout=150s"
GHOST = CHECKOUT / "examples" / "ghost.yaml"

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def kubectl(bare_kubectl: Kubectl) -> Kubectl:
    bare_kubectl.run("create", "namespace", "common").ok()
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": NAMESPACE,
            "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
        },
    }
    bare_kubectl.run("create", "-f", "-", stdin=namespace).ok()
    return bare_kubectl


def change(helm: Helm, verb: str, *arguments: str | Path) -> Result:
    """Run a Helm command that changes the release."""
    return helm.run(verb, RELEASE, *arguments, f"--namespace={NAMESPACE}", WITHIN)


@pytest.fixture(scope="module")
def pods(bare_cluster: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobPods]:
    with JobPods(bare_cluster, tmp_path_factory.mktemp("pods")) as running:
        yield running


@pytest.fixture(scope="module")
def notes(bare_helm: Helm, kubectl: Kubectl, pods: JobPods) -> str:
    """Install the release, and return Helm's notes."""
    said = change(bare_helm, "install", CHART, *VALUES).ok().stdout
    assert any("chief created\n" in log for log in pods.logs.values())
    kubectl.run("get", "account", "chief", f"-n={ACCOUNTS}").ok()
    return said


@pytest.fixture(scope="module")
def running_operator(
    bare_cluster: ControlPlane,
    kubectl: Kubectl,
    notes: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[OperatorProcess]:
    """The operator, run as by its Deployment."""
    assert notes
    directory = tmp_path_factory.mktemp("programs")
    account = kubectl_as(bare_cluster, kubectl, NAMESPACE, "prod-wegent-operator", directory)
    process = OperatorProcess(
        account.kubeconfig,
        directory / "operator.log",
        accounts_namespace=ACCOUNTS,
        shared_namespaces="default,common",
        leader_election="true",
        lease_namespace=NAMESPACE,
    )
    process.start()
    yield process
    if process.running():
        process.stop()


@pytest.fixture(scope="module")
def api_url(
    bare_cluster: ControlPlane,
    kubectl: Kubectl,
    notes: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """The proxy, run as by its Deployment."""
    assert notes
    directory = tmp_path_factory.mktemp("programs")
    account = kubectl_as(bare_cluster, kubectl, NAMESPACE, "prod-wegent-api", directory)
    log = directory / "api.log"
    with ProxyProcess(account.kubeconfig, log, accounts_namespace=ACCOUNTS) as proxy:
        yield proxy.url


@pytest.fixture
async def client(api_url: str) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield Client(session, api_url)


def password(kubectl: Kubectl) -> str:
    found = kubectl.run("get", "secret", SECRET, f"-n={NAMESPACE}", "-o", "json").ok().json
    return base64.b64decode(found["data"]["password"]).decode()


def test_the_notes_print_commands_that_work(notes: str, kubectl: Kubectl) -> None:
    assert "helm uninstall prod -n agents" in notes
    assert "deployment/prod-wegent-operator deployment/prod-wegent-api" in notes
    [command] = [line for line in notes.splitlines() if "get secret" in line]
    words = command.split(" | ")[0].split()[1:]
    encoded = kubectl.run(*(word.replace("'", "") for word in words)).ok().stdout
    assert base64.b64decode(encoded).decode() == password(kubectl)
    assert len(password(kubectl)) == 24


def test_the_rights_of_jobs_are_gone_with_them(notes: str, kubectl: Kubectl) -> None:
    assert notes
    kinds = "serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings,jobs"
    left = kubectl.run("get", kinds, "-A", "-o", "name").ok().stdout
    assert "prod-wegent-operator" in left
    assert "first-admin" not in left
    assert "uninstall" not in left


async def test_the_first_admin_logs_in_and_is_one(
    client: Client, running_operator: OperatorProcess, kubectl: Kubectl
) -> None:
    assert running_operator.running()
    login = {"username": "chief", "password": password(kubectl)}

    async def log_in() -> str:
        answer = await client.post("/api/v1/auth/login", login)
        return str(answer.expect(200)["accessToken"])

    admin = client.as_(await eventually(log_in, within_s=30, what="the first admin logs in"))

    async def admitted() -> Any:
        return (await admin.get("/api/v1/kinds/ghosts?namespace=kube-system")).expect(200)

    await eventually(admitted, within_s=30, what="the admin's rights are there")
    made = await admin.post(
        "/api/v1/kinds/ghosts?namespace=common",
        {"metadata": {"name": "by-rest"}, "spec": {"systemPrompt": "You are brief."}},
    )
    # The policies know the accounts' namespace and the operator by this release's names.
    metadata = made.expect(201)["metadata"]
    assert metadata["annotations"]["agent.wecode.io/creator"] == "chief"
    assert metadata["finalizers"] == [TRASH_FINALIZER]
    (await admin.delete("/api/v1/kinds/ghosts/by-rest?namespace=common")).expect(204)
    trash = kubectl.run("get", "tombstones", "-n=common", "-o", "json").ok().json["items"]
    assert [it["spec"]["name"] for it in trash] == ["by-rest"]


async def test_registering_gives_a_user_rights(
    client: Client, running_operator: OperatorProcess, kubectl: Kubectl
) -> None:
    assert running_operator.running()
    user = {"username": "worker", "password": "correct-horse-battery"}
    registered = await client.post("/api/v1/auth/register", {**user, "email": "worker@example.com"})
    registered.expect(201)
    worker = client.as_((await client.post("/api/v1/auth/login", user)).expect(200)["accessToken"])

    async def may_write() -> Any:
        body = {"metadata": {"name": "mine"}, "spec": {"systemPrompt": "You are brief."}}
        return (await worker.post("/api/v1/kinds/ghosts?namespace=wegent-worker", body)).expect(201)

    await eventually(may_write, within_s=30, what="the user's own namespace")
    wait = ("wait", "--for=condition=Ready", "ghost/mine", "-n=wegent-worker", "--timeout=30s")
    kubectl.run(*wait).ok()


def grown_chart(directory: Path) -> Path:
    """Return a copy of the chart whose Ghosts have one more field."""
    chart = directory / "wegent"
    shutil.copytree(CHART, chart)
    template = chart / "templates" / "crds" / "ghost.yaml"
    text = template.read_text(encoding="utf-8")
    marker = "              systemPrompt:\n"
    assert text.count(marker) == 1
    field = "              mood:\n                type: string\n"
    template.write_text(text.replace(marker, field + marker), encoding="utf-8")
    metadata = chart / "Chart.yaml"
    description = yaml.safe_load(metadata.read_text(encoding="utf-8"))
    metadata.write_text(yaml.safe_dump({**description, "version": "0.2.0"}), encoding="utf-8")
    return chart


def moody(kubectl: Kubectl) -> dict[str, Any]:
    """Write a Ghost with the new field, leniently, and return its spec."""
    ghost = {
        "apiVersion": "agent.wecode.io/v1",
        "kind": "Ghost",
        "metadata": {"name": "moody", "namespace": "default"},
        "spec": {"systemPrompt": "You are brief.", "mood": "calm"},
    }
    done = kubectl.run("apply", "--validate=ignore", "-o", "json", "-f", "-", stdin=ghost)
    return dict(done.ok().json["spec"])


async def test_upgrade_and_rollback(
    bare_helm: Helm, kubectl: Kubectl, pods: JobPods, notes: str, tmp_path: Path
) -> None:
    assert notes
    before = password(kubectl)
    assert "mood" not in moody(kubectl)
    change(bare_helm, "upgrade", grown_chart(tmp_path), *VALUES).ok()
    assert password(kubectl) == before

    def has_mood() -> bool:
        return moody(kubectl).get("mood") == "calm"

    def has_none() -> bool:
        return "mood" not in moody(kubectl)

    # The API server serves a changed kind after some moments, not at once.
    await eventually(has_mood, within_s=30, what="the new field is stored")
    assert any("chief already exists" in log for log in pods.logs.values())
    change(bare_helm, "rollback", "1").ok()
    await eventually(has_none, within_s=30, what="the new field is gone again")
    assert password(kubectl) == before
    history = bare_helm.run("history", RELEASE, f"--namespace={NAMESPACE}", "-o", "json").ok()
    assert [it["status"] for it in json.loads(history.stdout)] == [
        "superseded", "superseded", "deployed",
    ]  # fmt: skip


def test_a_deleted_password_is_not_made_up_again(
    bare_helm: Helm, kubectl: Kubectl, pods: JobPods, notes: str
) -> None:
    assert notes
    kept = kubectl.run("get", "secret", SECRET, f"-n={NAMESPACE}", "-o", "json").ok().json
    kubectl.run("delete", "secret", SECRET, f"-n={NAMESPACE}").ok()
    pods.logs.clear()
    change(bare_helm, "upgrade", CHART, *VALUES).ok()
    assert kubectl.run("get", "secret", SECRET, f"-n={NAMESPACE}").exit_code
    assert any("chief already exists" in log for log in pods.logs.values())
    kept["metadata"] = {
        name: it for name, it in kept["metadata"].items() if name not in ("uid", "resourceVersion")
    }
    kubectl.run("create", "-f", "-", stdin=kept).ok()


def test_an_account_that_is_no_admin_is_not_taken_for_one(
    bare_helm: Helm, kubectl: Kubectl, pods: JobPods, notes: str
) -> None:
    assert notes
    account = {
        "apiVersion": "agent.wecode.io/v1",
        "kind": "Account",
        "metadata": {"name": "plain", "namespace": ACCOUNTS},
        "spec": {"email": "plain@example.com"},
    }
    kubectl.run("create", "-f", "-", stdin=account).ok()
    pods.logs.clear()
    upgrade = (CHART, *VALUES, "--set=firstAdmin.username=plain", "--set=jobs.deadlineSeconds=30")
    assert "failed" in change(bare_helm, "upgrade", *upgrade).refused()
    assert any("Account plain exists with the role 'user'" in it for it in pods.logs.values())
    change(bare_helm, "upgrade", CHART, *VALUES).ok()
    kubectl.run("delete", "account", "plain", f"-n={ACCOUNTS}").ok()


def test_a_second_release_is_refused(bare_helm: Helm, notes: str) -> None:
    assert notes
    install = ("install", "another", CHART, "--set=image.repository=wegent")
    done = bare_helm.run(*install, "--namespace=another", "--create-namespace")
    assert 'key "meta.helm.sh/release-name" must equal "another"' in done.refused()


def test_uninstalling_that_cannot_begin_deletes_nothing(
    bare_helm: Helm, kubectl: Kubectl, pods: JobPods, notes: str
) -> None:
    assert notes
    with pods.resting():
        done = bare_helm.run("uninstall", RELEASE, f"--namespace={NAMESPACE}", "--timeout=5s")
        assert "prod-wegent-uninstall not ready" in done.refused()
    kubectl.run("get", "deployment", "prod-wegent-operator", f"-n={NAMESPACE}").ok()
    kubectl.run("get", "mutatingadmissionpolicybinding", "wegent-trash").ok()


def test_uninstalling_keeps_objects_and_lets_them_go(
    bare_helm: Helm, kubectl: Kubectl, pods: JobPods, running_operator: OperatorProcess, notes: str
) -> None:
    assert notes
    kubectl.run("apply", "-f", GHOST).ok()
    # In reality, too, its Pods are gone when the finalizers are removed.
    running_operator.stop()
    change(bare_helm, "uninstall").ok()
    assert any("removed the finalizer from " in log for log in pods.logs.values())

    left = kubectl.run(
        *("get", "deployments,services,pods,roles,rolebindings,serviceaccounts"),
        *(f"-n={NAMESPACE}", "-o", "name"),
    )
    assert left.ok().stdout.split() == ["serviceaccount/default"]
    policies = "validatingadmissionpolicies,mutatingadmissionpolicies"
    bindings = "validatingadmissionpolicybindings,mutatingadmissionpolicybindings"
    for kinds in (f"{policies},{bindings}", "clusterroles"):
        names = kubectl.run("get", kinds, "-o", "name").ok().stdout
        assert "wegent" not in names

    crds = kubectl.run("get", "crds", "-o", "name").ok().stdout
    assert all(kind.plural in crds for kind in KINDS)
    found = kubectl.run("get", "ghosts", "-A", "-o", "json").ok().json["items"]
    assert {it["metadata"]["name"] for it in found} >= {"code-assistant", "moody", "mine"}
    assert not any(it["metadata"].get("finalizers") for it in found)
    kubectl.run("delete", "ghosts", "--all", "-n=default", "--timeout=20s").ok()
    assert kubectl.run("get", "accounts", f"-n={ACCOUNTS}", "-o", "name").ok().stdout.split() == [
        "account.agent.wecode.io/chief", "account.agent.wecode.io/worker",
    ]  # fmt: skip


def test_installed_again_it_takes_up_what_was_kept(
    bare_helm: Helm, kubectl: Kubectl, pods: JobPods
) -> None:
    before = password(kubectl)
    change(bare_helm, "install", CHART, *VALUES).ok()
    assert password(kubectl) == before
    assert any("chief already exists" in log for log in pods.logs.values())


def test_without_keep_nothing_is_left(bare_helm: Helm, kubectl: Kubectl, pods: JobPods) -> None:
    kubectl.run("apply", "-f", GHOST).ok()
    change(bare_helm, "upgrade", CHART, *VALUES, "--set=crds.keep=false").ok()
    change(bare_helm, "uninstall", "--wait").ok()
    assert pods.logs
    assert "wecode" not in kubectl.run("get", "crds", "-o", "name").ok().stdout
    kubectl.run("wait", "--for=delete", f"namespace/{ACCOUNTS}", "--timeout=60s").ok()
    assert SECRET not in kubectl.run("get", "secrets", "-A").ok().stdout
