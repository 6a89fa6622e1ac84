"""The health of objects to Flux and Argo CD, as the table in docs/gitops.md has it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from devcluster.checkout import CHECKOUT
from devcluster.controlplane import ControlPlane
from tests.operator_.tasks.test_kstatus import kstatus
from tests.support.api import Api
from tests.support.claimant import Claimant
from tests.support.gitops import Body, Health
from tests.support.kubectl import Kubectl
from tests.support.operator import OperatorProcess
from tests.support.tasks import question
from tests.support.waiting import eventually
from tests.unit.pages import Page, rows
from wegent_kube import KubeClient, load_connection

CHECK = CHECKOUT / "gitops" / "argocd" / "health.lua"
PATCH = CHECKOUT / "gitops" / "argocd" / "argocd-cm.yaml"
NAMESPACE = "gitops-health"
ACCOUNTS = "wegent-accounts"
FOREIGN = "example.com/hold"
TABLE: Final = {
    label: (flux, argo_cd)
    for label, flux, argo_cd in rows(Page.read("docs/gitops.md").section("Health"))
}
"""By the description of a state: the health to Flux and to Argo CD."""
NEW, READY = "The operator has not seen it yet", "It is Ready"
MISSING = "A referent, or a right to it, is missing"
STALLED = "Its own spec must be changed"
EDITED = "It was edited, and the operator has not seen the edit yet"
DELETED = "It is being deleted"
WORKING = "A Task that waits for a runner or a person, or runs"
ENDED = "A Task that is completed, or was cancelled"
CANCELLING = "A Task that is being cancelled"
FAILED = "A Task that failed"
SUSPENDED = "A suspended Account"
MEMBERLESS = "A Group with a member who has no Account"
RESERVED = "A Group whose name is a shared namespace"

States = dict[tuple[str, str], Body]


class Maker:
    """Makes objects and reads them in the state that is wanted."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.states: States = {}

    async def create(self, plural: str, name: str, spec: Body, **metadata: Any) -> None:
        await self.api.create(plural, NAMESPACE, name, spec, **metadata)

    async def keep(self, label: str, plural: str, name: str, namespace: str = NAMESPACE) -> None:
        """Note an object, as it is now, as one in the state of that label."""
        body = await self.api.get(plural, namespace, name)
        assert body is not None
        assert (label, f"{plural}/{name}") not in self.states
        self.states[label, f"{plural}/{name}"] = body

    async def settled(
        self, label: str, plural: str, name: str, reason: str = "Ready", place: str = NAMESPACE
    ) -> None:
        await self.api.settled(plural, place, name, reason)
        await self.keep(label, plural, name, place)

    async def until(self, plural: str, name: str, type_: str, status: str) -> None:
        """Wait for a condition of the object's present generation."""

        async def probe() -> bool:
            body = await self.api.get(plural, NAMESPACE, name)
            assert body is not None
            found = {it["type"]: it["status"] for it in body["status"]["conditions"]}
            assert found.get(type_) == status, body["status"]
            assert body["status"]["observedGeneration"] == body["metadata"]["generation"]
            return True

        await eventually(probe, within_s=30, what=f"{plural} {name} {type_} {status}")


@pytest.fixture(scope="module")
async def states(
    api: Api,
    control_plane: ControlPlane,
    operator: OperatorProcess,
    operator_kubeconfig: Path,
    kubectl: Kubectl,
    tmp_path_factory: pytest.TempPathFactory,
) -> States:
    """Objects in each state of the table, as the API server returned them."""
    await api.create_namespace(NAMESPACE)
    made = Maker(api)
    await of_all_kinds(made)
    async with KubeClient(load_connection(control_plane.kubeconfig)) as runner:
        await of_tasks(made, runner)
    await of_accounts(made)
    assert operator.stop() == 0
    log = tmp_path_factory.mktemp("operator") / "log"
    with OperatorProcess(operator_kubeconfig, log, shared_namespaces="gitops-group"):
        await made.settled(RESERVED, "groups", "gitops-group", "NameReserved", ACCOUNTS)
    await made.create("ghosts", "unseen", {"systemPrompt": "You help."})
    await made.keep(NEW, "ghosts", "unseen")
    await made.create("tasks", "unseen", {"botRef": {"name": "b"}, "prompt": "Do it."})
    await made.keep(NEW, "tasks", "unseen")
    await api.merge("ghosts", NAMESPACE, "g", {"spec": {"systemPrompt": "You edit."}})
    await made.keep(EDITED, "ghosts", "g")
    operator.start()
    operator.settle()
    groups = ("gitops-group", "gitops-nobody")
    kubectl.run("delete", "groups", *groups, f"--namespace={ACCOUNTS}").ok()
    names = ("gitops-user", "gitops-suspended")
    kubectl.run("delete", "accounts", *names, f"--namespace={ACCOUNTS}").ok()
    return made.states


async def of_all_kinds(made: Maker) -> None:
    """Keep objects that are Ready, that lack a referent, that are stalled, and being deleted."""
    parts: dict[str, tuple[str, Body]] = {
        "skills": ("s", {"description": "Reviews."}),
        "ghosts": ("g", {"systemPrompt": "You help."}),
        "models": ("m", {"provider": "openai", "model": "gpt-4"}),
        "shells": ("c", {"type": "Chat"}),
        "bots": ("b", {"ghostRef": {"name": "g"}, "modelRef": {"name": "m"},
                       "shellRef": {"name": "c"}}),
        "teams": ("t", {"bots": [{"name": "b"}]}),
    }  # fmt: skip
    for plural, (name, spec) in parts.items():
        await made.create(plural, name, spec)
    for plural, (name, _) in parts.items():
        await made.settled(READY, plural, name)
    await made.create("shells", "deleted", {"type": "Chat"})
    await made.api.delete("shells", NAMESPACE, "deleted")
    [tombstone] = await made.api.list("tombstones", NAMESPACE)
    await made.settled(READY, "tombstones", tombstone["metadata"]["name"])

    lacking = parts["bots"][1] | {"ghostRef": {"name": "none"}}
    await made.create("bots", "lacking", lacking)
    await made.create("teams", "lacking", {"bots": [{"name": "lacking"}]})
    await made.create("tasks", "lacking", {"teamRef": {"name": "lacking"}, "prompt": "Do it."})
    await made.settled(MISSING, "bots", "lacking", "RefNotFound")
    await made.settled(MISSING, "teams", "lacking", "RefNotReady")
    await made.settled(MISSING, "tasks", "lacking", "RefNotReady")
    abroad = parts["bots"][1] | {"ghostRef": {"name": "g", "namespace": "kube-public"}}
    await made.create("bots", "abroad", abroad)
    await made.settled(MISSING, "bots", "abroad", "RefNotPermitted")

    twice = {"bots": [{"name": "b"}, {"name": "b", "namespace": NAMESPACE}]}
    await made.create("teams", "twice", twice)
    await made.settled(STALLED, "teams", "twice", "DuplicateRef")

    await made.create("ghosts", "held", {"systemPrompt": "You help."}, finalizers=[FOREIGN])
    await made.api.settled("ghosts", NAMESPACE, "held")
    await made.api.ask_to_delete("ghosts", NAMESPACE, "held")

    async def hangs() -> bool:
        body = await made.api.get("ghosts", NAMESPACE, "held")
        assert body is not None
        found = {it["type"]: it["reason"] for it in body["status"]["conditions"]}
        assert found.get("Deleted") == "FinalizersRemain", found
        return True

    await eventually(hangs, within_s=60, what="the Ghost to hang")
    await made.keep(DELETED, "ghosts", "held")
    nothing: Body = {"metadata": {"finalizers": None}}
    await made.api.merge("ghosts", NAMESPACE, "held", nothing)


async def of_tasks(made: Maker, runner: KubeClient) -> None:
    """Keep Tasks in each phase."""
    names = ("pending", "runs", "waits", "completed", "failed", "cancelled", "never", "cancelling")
    for name in names:
        await made.create("tasks", name, {"botRef": {"name": "b"}, "prompt": "Do it."})
    claimants: dict[str, Claimant] = {}
    for name in names:
        task = await made.api.settled("tasks", NAMESPACE, name)
        if name not in ("pending", "never"):
            claimants[name] = Claimant(runner, "claimant")
            assert await claimants[name].claim(task)
    await made.keep(WORKING, "tasks", "pending")
    await made.keep(WORKING, "tasks", "runs")
    await claimants["waits"].ask(question())
    await made.until("tasks", "waits", "Ready", "True")
    await made.keep(WORKING, "tasks", "waits")
    await claimants["completed"].finish(result="Done.")
    await made.until("tasks", "completed", "Complete", "True")
    await made.keep(ENDED, "tasks", "completed")
    await claimants["failed"].finish("Failed", message="The provider is down.")
    await made.until("tasks", "failed", "Stalled", "True")
    await made.keep(FAILED, "tasks", "failed")
    for name in ("cancelled", "never", "cancelling"):
        await made.api.merge("tasks", NAMESPACE, name, {"spec": {"cancel": True}})
    await made.keep(CANCELLING, "tasks", "cancelling")
    await claimants["cancelled"].look_again()
    await claimants["cancelled"].finish("Cancelled")
    for name in ("cancelled", "never"):
        await made.until("tasks", name, "Failed", "True")
        await made.keep(ENDED, "tasks", name)


async def of_accounts(made: Maker) -> None:
    """Keep Accounts and Groups, in the accounts namespace and outside of it."""
    api = made.api
    for name, suspended in (("gitops-user", False), ("gitops-suspended", True)):
        spec = {"email": f"{name}@example.com", "suspended": suspended}
        await api.create("accounts", ACCOUNTS, name, spec)
    await made.settled(READY, "accounts", "gitops-user", place=ACCOUNTS)
    await made.settled(SUSPENDED, "accounts", "gitops-suspended", "Suspended", ACCOUNTS)
    await made.create("accounts", "astray", {"email": "astray@example.com"})
    await made.settled(STALLED, "accounts", "astray", "WrongNamespace")
    for name, label, reason, named in (
        ("gitops-group", READY, "Ready", [{"username": "gitops-user", "role": "editor"}]),
        ("gitops-nobody", MEMBERLESS, "RefNotFound", [{"username": "none", "role": "editor"}]),
    ):
        await api.create("groups", ACCOUNTS, name, {"members": named})
        await made.settled(label, "groups", name, reason, ACCOUNTS)
    await made.create("groups", "astray", {"members": []})
    await made.settled(STALLED, "groups", "astray", "WrongNamespace")


def test_each_state_of_the_table_has_an_object(states: States) -> None:
    assert {label for label, _ in states} == set(TABLE)


def test_flux_reads_each_as_the_table_says(states: States, health_programs: Health) -> None:
    found = health_programs.flux(list(states.values()))
    for (label, name), body, it in zip(states, states.values(), found, strict=True):
        assert it["status"] == TABLE[label][0], (label, name, it)
        assert it["flux"] == it["status"], (name, it)
        assert kstatus(body) == it["status"], (name, "the rules that other tests go by")


def test_argo_cd_reads_each_as_the_table_says(states: States, health_programs: Health) -> None:
    found = health_programs.argo_cd(CHECK, list(states.values()))
    for (label, name), it in zip(states, found, strict=True):
        assert it["status"] == TABLE[label][1], (label, name, it)


MESSAGES = {
    (NEW, "ghosts/unseen"): "Waiting for the operator",
    (EDITED, "ghosts/g"): "Waiting for the operator",
    (READY, "bots/b"): "",
    (MISSING, "tasks/lacking"): f"Ghost {NAMESPACE}/none does not exist; create it",
    (STALLED, "teams/twice"): "spec.bots[1]: duplicate reference to Bot",
    (FAILED, "tasks/failed"): "The provider is down.",
    (SUSPENDED, "accounts/gitops-suspended"): "spec.suspended: the user has no access",
}


def test_argo_cd_shows_the_deciding_message(states: States, health_programs: Health) -> None:
    found = health_programs.argo_cd(CHECK, [states[key] for key in MESSAGES])
    for wanted, it in zip(MESSAGES.values(), found, strict=True):
        assert it["message"].startswith(wanted)
        assert bool(it["message"]) is bool(wanted)
    [held] = health_programs.argo_cd(CHECK, [states[DELETED, "ghosts/held"]])
    assert FOREIGN in held["message"]


def test_objects_without_a_status_or_conditions(health_programs: Health) -> None:
    bare: Body = {"metadata": {"name": "x", "generation": 1}, "spec": {}}
    odd = [bare, bare | {"status": {}}, bare | {"status": {"conditions": []}}]
    assert {it["status"] for it in health_programs.argo_cd(CHECK, odd)} == {"Progressing"}


@pytest.fixture
def argocd(kubectl: Kubectl) -> Iterator[str]:
    """A namespace with Argo CD's ConfigMap."""
    kubectl.run("create", "namespace", "argocd").ok()
    create = ("create", "configmap", "argocd-cm", "--namespace=argocd", "--from-literal=url=x")
    kubectl.run(*create).ok()
    yield "argocd"
    kubectl.run("delete", "namespace", "argocd").ok()


def test_the_patch_brings_the_check_and_nothing_else(argocd: str, kubectl: Kubectl) -> None:
    [command] = [
        line.removeprefix("$ kubectl ")
        for block in Page.read("docs/gitops.md").blocks("console")
        for line in block.splitlines()
        if "argocd-cm.yaml" in line
    ]
    words = [str(PATCH) if it == "gitops/argocd/argocd-cm.yaml" else it for it in command.split()]
    kubectl.run(*words).ok()
    get = ("get", "configmap", "argocd-cm", f"--namespace={argocd}", "-o", "json")
    found = kubectl.run(*get).ok().json
    data = found["data"]
    assert data["url"] == "x"
    assert found["metadata"]["labels"]["app.kubernetes.io/part-of"] == "argocd"
    [(kinds, check)] = yaml.safe_load(data["resource.customizations"]).items()
    assert kinds == "agent.wecode.io/*"
    assert check == {"health.lua": CHECK.read_text(encoding="utf-8")}
