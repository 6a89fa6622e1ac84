"""An upgrade from the chart of the version before, with its kinds and objects, to this one."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from devcluster.checkout import CHECKOUT
from devcluster.controlplane import ControlPlane
from tests.chart.conftest import CHART
from tests.support.helm import Helm
from tests.support.identity import kubectl_as
from tests.support.kubectl import Kubectl
from tests.support.operator import OperatorProcess
from tests.support.waiting import eventually
from wegent_crds.registry import API_VERSION, BY_KIND, BY_PLURAL
from wegent_crds.well_known import TRASH_FINALIZER

[PREVIOUS] = sorted(Path(__file__).with_name("previous").glob("*.tgz"))
NAMESPACE, PLACE = "wegent-system", "reviewers"
ACCOUNTS = "wegent-accounts"
OPERATOR = f"system:serviceaccount:{NAMESPACE}:wegent-operator"
VALUES = ("--set=image.repository=wegent", "--set=firstAdmin.enabled=false")
BEFORE = "2026-11-01T12:00:00Z"
"""The time at which the operator of the version before gave its verdicts."""
SPECS: Final[dict[str, dict[str, Any]]] = {
    "Skill": {"description": "Reviews a diff.", "version": "1.0.0"},
    "Ghost": {"systemPrompt": "You review.", "skillRefs": [{"name": "s"}],
              "mcpServers": {"search": {"type": "http", "url": "https://mcp.example.com"}}},
    "Model": {"provider": "openai", "model": "gpt-4", "temperature": 0.5,
              "apiKeySecretRef": {"name": "openai", "key": "api-key"}},
    "Shell": {"type": "Chat"},
    "Bot": {"ghostRef": {"name": "g"}, "modelRef": {"name": "m"}, "shellRef": {"name": "c"}},
    "Team": {"bots": [{"name": "b", "role": "leader"}, {"name": "other"}],
             "collaborationMode": "coordinate"},
    "Task": {"teamRef": {"name": "t"}, "prompt": "Review.", "timeoutSeconds": 600},
}  # fmt: skip
STORED = (*SPECS, "Tombstone")
NAMES = {"Skill": "s", "Ghost": "g", "Model": "m", "Shell": "c", "Bot": "b", "Team": "t",
         "Task": "k"}  # fmt: skip

Body = dict[str, Any]
pytestmark = pytest.mark.timeout(600)


def manifest(kind: str, name: str, spec: Body, namespace: str = PLACE) -> Body:
    metadata = {"name": name, "namespace": namespace, "labels": {"app": "reviewers"}}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def verdict(kind: str, reason: str = "Ready", message: str = "") -> Body:
    """Return the status that an operator has written."""
    found = {"Ready": (reason == "Ready", reason, message)}
    found["ResolvedRefs"] = (
        reason != "RefNotFound", reason if reason == "RefNotFound" else "ResolvedRefs",
        message if reason == "RefNotFound" else "",
    )  # fmt: skip
    if kind == "Task":
        found["Accepted"] = (True, "Accepted", "")
    conditions = [
        {"type": type_, "status": str(status), "reason": why, "message": said,
         "lastTransitionTime": BEFORE, "observedGeneration": 1}
        for type_, (status, why, said) in found.items()
    ]  # fmt: skip
    ready = "True" if reason == "Ready" else "False"
    return {"observedGeneration": 1, "conditions": conditions, "ready": ready}


class Cluster:
    """The cluster, with its administrator and its operator's identity."""

    def __init__(self, kubectl: Kubectl) -> None:
        self.kubectl = kubectl

    def create(self, body: Body, *options: str) -> Body:
        return dict(self.kubectl.run("create", "-o=json", "-f=-", *options, stdin=body).ok().json)

    def set_status(self, body: Body, status: Body) -> None:
        kind, metadata = BY_KIND[body["kind"]], body["metadata"]
        patch = ("patch", f"{kind.plural}.agent.wecode.io", metadata["name"],
                 f"-n={metadata['namespace']}", "--subresource=status", "--type=merge",
                 f"-p={json.dumps({'status': status})}")  # fmt: skip
        self.kubectl.run(*patch).ok()

    def objects(self) -> dict[tuple[str, str], Body]:
        """Return the objects of the kinds in ``SPECS``, and Tombstones, by kind and name."""
        kinds = ",".join(f"{BY_KIND[kind].plural}.agent.wecode.io" for kind in STORED)
        items = self.kubectl.run("get", kinds, "-A", "-o=json").ok().json["items"]
        return {(it["kind"], it["metadata"]["name"]): it for it in items}

    def crds(self) -> dict[str, Body]:
        found = self.kubectl.run("get", "crds", "-o=json").ok().json["items"]
        return {it["spec"]["names"]["plural"]: it for it in found}


def fields(schema: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Yield the path of each field of a schema."""
    for name, inner in schema.get("properties", {}).items():
        yield f"{path}.{name}"
        yield from fields(inner, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), Mapping):
            yield from fields(schema[key], f"{path}[]")


def fields_of(crds: Mapping[str, Body]) -> set[str]:
    return {
        f"{plural}{path}"
        for plural, crd in crds.items()
        for version in crd["spec"]["versions"]
        for path in fields(version["schema"]["openAPIV3Schema"])
    }


def missing(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """Yield the places at which ``new`` lacks a part of ``old``. It may have more."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key, value in old.items():
            if key in new:
                yield from missing(value, new[key], f"{path}.{key}")
            else:
                yield f"{path}.{key}"
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from missing(one, other, f"{path}[{number}]")
    elif old != new:
        yield f"{path}: {old!r}, now {new!r}"


def with_new_fields(before: Mapping[str, Body]) -> dict[str, Body]:
    """Return a manifest for each field of a spec that this version adds, by the field's name.

    The field's value is an empty object. It may be invalid, but the field isn't unknown.
    """
    files = (CHECKOUT / "crds").glob("*.yaml")
    found = {}
    for crd in (yaml.safe_load(file.read_text(encoding="utf-8")) for file in sorted(files)):
        kind = crd["spec"]["names"]["kind"]
        if kind in SPECS:
            old, new = (
                spec_of(it)["properties"] for it in (before[crd["spec"]["names"]["plural"]], crd)
            )
            for name in new.keys() - old.keys():
                field = f"{kind}.spec.{name}"
                found[field] = manifest(kind, "new", SPECS[kind] | {name: {}})
    return found


def spec_of(crd: Body) -> Body:
    [version] = crd["spec"]["versions"]
    return dict(version["schema"]["openAPIV3Schema"]["properties"]["spec"])


TRY: Final = ("create", "--dry-run=server", "--validate=strict", "-f=-")


@dataclass(frozen=True, slots=True)
class Upgraded:
    """The state before the upgrade and after it, before an operator runs."""

    cluster: Cluster
    crds_before: dict[str, Body]
    before: dict[tuple[str, str], Body]
    after: dict[tuple[str, str], Body]
    refused: dict[str, str]
    """The messages on the new fields, before the upgrade."""
    new: dict[str, Body]
    """The manifests with the new fields."""


@pytest.fixture(scope="module")
def upgraded(bare_helm: Helm, bare_kubectl: Kubectl) -> Upgraded:
    """Install the version before, create objects, and upgrade."""
    where = (f"--namespace={NAMESPACE}", "--create-namespace", "--timeout=150s")
    bare_helm.run("install", "wegent", PREVIOUS, *where, *VALUES).ok()
    cluster = Cluster(bare_kubectl)
    bare_kubectl.run("create", "namespace", PLACE).ok()
    wait = ("wait", "--for=condition=Established", "crds", "--all", "--timeout=60s")
    bare_kubectl.run(*wait).ok()
    await_kinds(bare_kubectl)
    create_objects(cluster)
    before, crds = cluster.objects(), cluster.crds()
    new = with_new_fields(crds)
    refused = {it: bare_kubectl.run(*TRY, stdin=body).refused() for it, body in new.items()}
    reuse = (where[0], where[2], "--reset-then-reuse-values")
    bare_helm.run("upgrade", "wegent", CHART, *reuse).ok()
    return Upgraded(cluster, crds, before, cluster.objects(), refused, new)


def await_kinds(kubectl: Kubectl) -> None:
    """Wait until the API server's mutating policies know the kinds, some moments later."""
    for kind, spec in SPECS.items():
        attempt = ("create", "--dry-run=server", "-f=-")
        deadline = time.monotonic() + 60
        while (done := kubectl.run(*attempt, stdin=manifest(kind, NAMES[kind], spec))).exit_code:
            assert "There can be a delay" in done.stderr
            assert time.monotonic() < deadline, done.stderr
            time.sleep(0.2)


def create_objects(cluster: Cluster) -> None:
    """Create objects of each kind, with the verdicts of an operator, and a Tombstone."""
    for kind, spec in SPECS.items():
        body = manifest(kind, NAMES[kind], spec)
        cluster.create(body)
        cluster.set_status(body, verdict(kind))
    other = manifest("Bot", "other", SPECS["Bot"])
    cluster.create(other)
    cluster.set_status(other, verdict("Bot"))
    broken = manifest("Bot", "broken", SPECS["Bot"] | {"ghostRef": {"name": "none"}})
    cluster.create(broken)
    said = f"spec.ghostRef: Ghost {PLACE}/none does not exist; create it or change the reference"
    cluster.set_status(broken, verdict("Bot", "RefNotFound", said))
    done = manifest("Task", "done", SPECS["Task"])
    cluster.create(done)
    claim = {"holder": "r", "leaseSeconds": 60, "renewedAt": BEFORE}
    cluster.set_status(done, verdict("Task"))
    for status in (
        {"phase": "Running", "attempts": 1, "startTime": BEFORE, "claim": claim},
        {"phase": "Completed", "claim": None, "completionTime": BEFORE, "result": "Fine."},
    ):
        cluster.set_status(done, status)
    lost = cluster.create(manifest("Shell", "lost", SPECS["Shell"]))
    spec = {"kind": "Shell", "name": "lost", "object": lost, "deletedAt": BEFORE,
            "expiresAt": "2036-01-01T00:00:00Z"}  # fmt: skip
    name = f"shell-{lost['metadata']['uid']}"
    cluster.create(manifest("Tombstone", name, spec), f"--as={OPERATOR}")
    nothing = json.dumps({"metadata": {"finalizers": None}})
    patch = ("patch", "shell", "lost", f"-n={PLACE}", "--type=merge", f"-p={nothing}")
    cluster.kubectl.run("delete", "shell", "lost", f"-n={PLACE}", "--wait=false").ok()
    cluster.kubectl.run(*patch, f"--as={OPERATOR}").ok()


@pytest.fixture(scope="module")
def operator(
    upgraded: Upgraded, bare_cluster: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    """This version's operator, with the rights that its chart gives it."""
    directory = tmp_path_factory.mktemp("operator")
    kubectl = upgraded.cluster.kubectl
    account = kubectl_as(bare_cluster, kubectl, NAMESPACE, "wegent-operator", directory)
    process = OperatorProcess(
        account.kubeconfig, directory / "log", accounts_namespace=ACCOUNTS,
        leader_election="true", lease_namespace=NAMESPACE,
    )  # fmt: skip
    process.start()
    process.settle()
    yield process
    assert process.stop() == 0, process.tail()


def test_the_fixture_is_the_chart_of_another_version(bare_helm: Helm) -> None:
    previous = yaml.safe_load(bare_helm.run("show", "chart", PREVIOUS).ok().stdout)
    assert previous["name"] == "wegent"
    assert PREVIOUS.name == f"wegent-{previous['version']}.tgz"
    now = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert previous["version"] != now["version"]


def test_objects_are_as_they_were(upgraded: Upgraded) -> None:
    assert len(upgraded.before) > 10
    assert upgraded.after.keys() == upgraded.before.keys()
    for key, old in upgraded.before.items():
        assert list(missing(old, upgraded.after[key])) == [], key


def test_the_kinds_lose_no_field(upgraded: Upgraded) -> None:
    before, after = fields_of(upgraded.crds_before), fields_of(upgraded.cluster.crds())
    assert len(before) > 100
    assert before <= after


async def test_new_fields_are_served(upgraded: Upgraded) -> None:
    """The version before may have the same fields, so that none is new."""

    def unknown(field: str, message: str) -> bool:
        return f'unknown field "{field.partition(".")[2]}"' in message

    assert [it for it, said in upgraded.refused.items() if not unknown(it, said)] == []

    def served() -> bool:
        # The API server serves a changed kind after some moments, not at once.
        for field, body in upgraded.new.items():
            said = upgraded.cluster.kubectl.run(*TRY, stdin=body).stderr
            assert not unknown(field, said), said
        return True

    await eventually(served, within_s=30, what="the new fields")


async def test_verdicts_are_the_same(upgraded: Upgraded, operator: OperatorProcess) -> None:
    assert operator.running()

    def evaluated() -> dict[tuple[str, str], Body]:
        now = upgraded.cluster.objects()
        # Served is a condition of this version's operator; it has come to each Bot then.
        bot = now["Bot", "b"]["status"]["conditions"]
        assert "Served" in {it["type"] for it in bot}
        return now

    now = await eventually(evaluated, within_s=30, what="the operator's verdicts")
    for key, old in upgraded.before.items():
        if key[0] == "Tombstone":
            continue
        was, is_ = (
            {it["type"]: (it["status"], it["reason"], it["lastTransitionTime"])
             for it in body["status"]["conditions"]}
            for body in (old, now[key])
        )  # fmt: skip
        assert list(missing(was, is_)) == [], key
        assert now[key]["metadata"]["uid"] == old["metadata"]["uid"]
        assert now[key]["spec"] == upgraded.after[key]["spec"]


async def test_a_tombstone_of_the_version_before_is_restored(
    upgraded: Upgraded, operator: OperatorProcess
) -> None:
    assert operator.running()
    [name] = [name for kind, name in upgraded.before if kind == "Tombstone"]
    patch = ("patch", "tombstone", name, f"-n={PLACE}", "--type=merge")
    upgraded.cluster.kubectl.run(*patch, '-p={"spec": {"restore": true}}').ok()

    def restored() -> Body:
        found = upgraded.cluster.objects()
        assert ("Tombstone", name) not in found
        return found["Shell", "lost"]

    shell = await eventually(restored, within_s=30, what="the Shell to be restored")
    assert shell["spec"]["type"] == "Chat"
    assert shell["metadata"]["labels"] == {"app": "reviewers"}
    assert TRASH_FINALIZER in shell["metadata"]["finalizers"]


def test_every_kind_that_users_write_was_there() -> None:
    others = {"accounts", "groups", "tombstones"}
    assert {BY_KIND[kind].plural for kind in SPECS} == set(BY_PLURAL) - others
