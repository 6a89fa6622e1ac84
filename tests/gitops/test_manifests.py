"""The manifests in ``gitops/``: Flux' by the schemas of its kinds, Argo CD's by a list of fields.

Argo CD's schemas are in a Go module of 58 MB, which is too much for one manifest.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from devcluster.binaries import Binaries
from devcluster.checkout import CHECKOUT
from devcluster.controlplane import ControlPlane
from devcluster.install import Installer
from tests.chart.conftest import CHART
from tests.chart.rendering import template
from tests.support.helm import Helm
from tests.support.kubectl import Kubectl
from wegent_api.http.errors import BadRequest
from wegent_api.http.yaml import documents_of

FOLDER = CHECKOUT / "gitops"
ARGO_CD = "argocd/applications.yaml"
FLUX = ["flux/kustomizations.yaml", "flux/release.yaml"]
FILES = [ARGO_CD, *FLUX]
FIELDS: Final = {
    "spec.project": str,
    "spec.source.repoURL": str,
    "spec.source.chart": str,
    "spec.source.path": str,
    "spec.source.targetRevision": str,
    "spec.source.helm.valuesObject": dict,
    "spec.destination.server": str,
    "spec.destination.namespace": str,
    "spec.syncPolicy.automated.prune": bool,
    "spec.syncPolicy.automated.selfHeal": bool,
    "spec.syncPolicy.syncOptions": list,
    "spec.syncPolicy.retry.limit": int,
    "spec.syncPolicy.retry.backoff.duration": str,
    "spec.syncPolicy.retry.backoff.factor": int,
    "spec.syncPolicy.retry.backoff.maxDuration": str,
}
"""Fields that an Application of Argo CD 3 has, with their types."""
SYNC_OPTIONS: Final = {
    "CreateNamespace=true",
    "ServerSideApply=true",
    "SkipDryRunOnMissingResource=true",
}
"""Options that Argo CD 3 knows. It ignores others without a word."""
PROJECT: dict[str, Any] = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))


def manifests(file: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / file).read_text(encoding="utf-8")))


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [it for file in FILES for it in manifests(file) if it["kind"] == kind]


@pytest.fixture(scope="module")
def cluster(
    binaries: Binaries, flux_crds: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kubectl]:
    """kubectl of a cluster with Flux' kinds."""
    directory = tmp_path_factory.mktemp("gitops")
    with ControlPlane(binaries, directory, fsync=False) as plane:
        Installer(binaries.kubectl, plane.kubeconfig).install([flux_crds])
        kubectl = Kubectl(binaries.kubectl, plane.kubeconfig)
        kubectl.run("create", "namespace", "flux-system").ok()
        yield kubectl


def test_these_are_all_files() -> None:
    found = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.*")}
    assert found == {*FILES, "argocd/health.lua", "argocd/argocd-cm.yaml"}


@pytest.mark.parametrize("file", FLUX)
def test_the_kinds_take_the_manifests(file: str, cluster: Kubectl) -> None:
    cluster.run("create", "--validate=strict", "-f", FOLDER / file).ok()


def test_the_kinds_refuse_a_misspelt_field(cluster: Kubectl) -> None:
    [release] = of_kind("HelmRelease")
    wrong = {**release, "metadata": {"name": "x", "namespace": "flux-system"}}
    wrong["spec"] = {**release["spec"], "chartReference": {}}
    said = cluster.run("create", "--validate=strict", "-f", "-", stdin=wrong).refused()
    assert 'unknown field "spec.chartReference"' in said


def faults(application: dict[str, Any]) -> Iterator[str]:
    """Yield the fields of an Application that Argo CD does not have, or not of that type."""
    pending = [(field, application[field]) for field in application if field != "metadata"]
    while pending:
        path, value = pending.pop()
        wanted = FIELDS.get(path)
        if wanted is None and isinstance(value, dict) and value:
            pending += ((f"{path}.{field}", value[field]) for field in value)
        elif type(value) is not wanted and path not in {"apiVersion", "kind"}:
            yield path
    options = application["spec"]["syncPolicy"]["syncOptions"]
    yield from sorted(set(options) - SYNC_OPTIONS)


def test_argo_cd_has_the_fields() -> None:
    found = manifests(ARGO_CD)
    assert [it["apiVersion"] for it in found] == ["argoproj.io/v1alpha1"] * 2
    assert [it["kind"] for it in found] == ["Application"] * 2
    assert [fault for it in found for fault in faults(it)] == []


@pytest.mark.parametrize(
    ("wrong", "right", "fault"),
    [
        ("targetRevison:", "targetRevision:", "spec.source.targetRevison"),
        ("selfHeal: 'true'", "selfHeal: true", "spec.syncPolicy.automated.selfHeal"),
        ("ServerSide=true", "ServerSideApply=true", "ServerSide=true"),
        ("project:", "project: default", "spec.project"),
    ],
)
def test_a_fault_of_an_application_is_found(wrong: str, right: str, fault: str) -> None:
    text = (FOLDER / ARGO_CD).read_text(encoding="utf-8")
    for application in yaml.safe_load_all(text.replace(right, wrong)):
        assert list(faults(application)) == [fault]


def test_the_applications_are_strict_yaml() -> None:
    text = (FOLDER / ARGO_CD).read_bytes()
    assert documents_of(text) == manifests(ARGO_CD)
    with pytest.raises(BadRequest, match="duplicate key"):
        documents_of(text.replace(b"  project:", b"  project: other\n  project:"))


def chart_values() -> Iterator[dict[str, Any]]:
    [release] = of_kind("HelmRelease")
    yield release["spec"]["values"]
    [source] = [
        it["spec"]["source"] for it in of_kind("Application") if "chart" in it["spec"]["source"]
    ]
    yield source["helm"]["valuesObject"]


def test_the_chart_takes_the_values(offline_helm: Helm) -> None:
    for values in chart_values():
        template(offline_helm, values).ok()
        assert values["firstAdmin"] == {"existingSecret": "wegent-first-admin"}
        refused = template(offline_helm, {**values, "firstAdministrator": {}}).refused()
        assert "firstAdministrator" in refused


def test_they_name_this_version_of_the_chart() -> None:
    [repository] = of_kind("OCIRepository")
    assert repository["spec"]["ref"] == {"tag": PROJECT["version"]}
    assert repository["spec"]["url"].endswith(f"/{PROJECT['name']}")
    [source] = [
        it["spec"]["source"] for it in of_kind("Application") if "chart" in it["spec"]["source"]
    ]
    assert (source["chart"], source["targetRevision"]) == (PROJECT["name"], PROJECT["version"])


def test_the_objects_come_after_the_chart_and_are_waited_for() -> None:
    chart, objects = of_kind("Kustomization")
    assert objects["spec"]["dependsOn"] == [{"name": chart["metadata"]["name"]}]
    assert chart["spec"]["wait"]
    assert objects["spec"]["wait"]
    assert objects["spec"]["serviceAccountName"]


def test_the_signature_is_that_of_the_workflow_that_publishes() -> None:
    [repository] = of_kind("OCIRepository")
    [identity] = repository["spec"]["verify"]["matchOIDCIdentity"]
    workflow = identity["subject"].split("/wegent/")[1].split("@")[0].replace("\\", "")
    assert (CHECKOUT / workflow).is_file()
