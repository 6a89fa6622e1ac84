"""Every object that the chart can render passes a dry run on the real API server."""

import copy
from typing import Any

import pytest

from tests.chart.rendering import EVERY_VALUE, Manifest, merged, of_kind, pod_specs, render
from tests.support.helm import Helm
from tests.support.kubectl import Kubectl

NAMESPACE = "rendered"
OF_OTHERS = (
    ("monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors"),
    ("monitoring.coreos.com", "v1", "PrometheusRule", "prometheusrules"),
    ("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes"),
)
"""Kinds of other projects; their content is not checked here."""
RENDERINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "everything": EVERY_VALUE,
    # Other Services, and the parts that the file of every value turns off.
    "the-rest": merged(
        EVERY_VALUE,
        {
            "crds": {"enabled": True},
            "policies": {"enabled": True},
            "accounts": {"createNamespace": True},
            "uninstall": {"removeFinalizers": True},
            "operator": {"podDisruptionBudget": {"maxUnavailable": 1}},
            "api": {
                "autoscaling": {"enabled": False},
                "service": {
                    "type": "NodePort",
                    "loadBalancerClass": "",
                    "loadBalancerSourceRanges": [],
                },
                "ingress": {"host": "", "tlsSecret": ""},
            },
        },
    ),
}


def kind_of_others(group: str, version: str, kind: str, plural: str) -> Manifest:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{group}",
            "annotations": {"api-approved.kubernetes.io": "unapproved, for tests"},
        },
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


def namespace(name: str) -> Manifest:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


@pytest.fixture(scope="module")
def prepared(bare_kubectl: Kubectl) -> Kubectl:
    """kubectl of a cluster with the objects that rendered ones refer to."""
    accounts = (
        "wegent-operator", "wegent-api", "wegent-runner", "the-operator", "the-api", "the-runner",
        "wegent-first-admin",
        "wegent-uninstall", "everything-first-admin", "everything-uninstall", "default",
    )  # fmt: skip
    for manifest in (
        *(namespace(name) for name in (NAMESPACE, "people", "wegent-accounts")),
        *(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
            for name in accounts
        ),
        *(kind_of_others(*names) for names in OF_OTHERS),
        {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": "everything-critical"},
            "value": 1000,
        },
    ):
        assert apply(bare_kubectl, manifest, "--server-side", "--force-conflicts") == ""
    names = [f"crd/{plural}.{group}" for group, _, _, plural in OF_OTHERS]
    bare_kubectl.run("wait", "--for=condition=Established", "--timeout=60s", *names).ok()
    return bare_kubectl


def apply(kubectl: Kubectl, manifest: Manifest, *flags: str) -> str:
    """Return the API server's error about an object, empty if it accepts it."""
    where = [] if "namespace" in manifest["metadata"] else [f"--namespace={NAMESPACE}"]
    done = kubectl.run("apply", *where, *flags, "-f", "-", stdin=dict(manifest))
    return done.stderr if done.exit_code else ""


@pytest.mark.parametrize("name", RENDERINGS)
def test_every_object_is_taken(offline_helm: Helm, prepared: Kubectl, name: str) -> None:
    refusals = {}
    for manifest in render(offline_helm, RENDERINGS[name], namespace=NAMESPACE):
        said = apply(prepared, manifest, "--dry-run=server", "--server-side", "--validate=strict")
        if said:
            refusals[f"{manifest['kind']}/{manifest['metadata']['name']}"] = said
    assert not refusals


@pytest.mark.parametrize("name", RENDERINGS)
def test_pods_meet_the_restricted_standard(
    offline_helm: Helm, prepared: Kubectl, name: str
) -> None:
    rendered = render(offline_helm, RENDERINGS[name], namespace=NAMESPACE)
    specs = dict(pod_specs(rendered))
    assert len(specs) == len(of_kind(rendered, "Deployment", "Job")) + 1
    for owner, spec in specs.items():
        assert create(prepared, spec) == "", owner
        [container] = spec["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"], owner
        assert container["resources"]["requests"], owner
        loose = copy.deepcopy(dict(spec))
        loose["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
        assert 'violates PodSecurity "restricted' in create(prepared, loose), owner


def create(kubectl: Kubectl, spec: Manifest) -> str:
    """Return the API server's error about a Pod, empty if it accepts it."""
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": dict(spec)}
    where = f"--namespace={NAMESPACE}"
    done = kubectl.run("create", where, "--dry-run=server", "-f", "-", stdin=pod)
    return done.stderr if done.exit_code else ""
