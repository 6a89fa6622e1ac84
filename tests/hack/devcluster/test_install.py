"""Manifests are in force the moment the installer returns."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from devcluster.controlplane import ControlPlane
from devcluster.errors import ClusterError
from devcluster.install import Installer
from tests.support.kubectl import Kubectl

Object = dict[str, Any]

GROUP = "installed.example.test"
WIDGETS = {
    "apiGroups": [GROUP],
    "apiVersions": ["v1"],
    "operations": ["CREATE"],
    "resources": ["widgets"],
}
CRD: Object = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"widgets.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {"kind": "Widget", "plural": "widgets", "singular": "widget"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "required": ["spec"],
                        "properties": {
                            "spec": {
                                "type": "object",
                                "required": ["size"],
                                "properties": {"size": {"type": "integer"}},
                            }
                        },
                    }
                },
            }
        ],
    },
}


def policy(kind: str, **spec: object) -> list[Object]:
    api, name = "admissionregistration.k8s.io/v1", f"widgets-{kind.lower()}"
    binding = {"validationActions": ["Deny"]} if kind.startswith("Valid") else {}
    return [
        {
            "apiVersion": api,
            "kind": f"{kind}Binding",
            "metadata": {"name": name},
            "spec": {"policyName": name, **binding},
        },
        {
            "apiVersion": api,
            "kind": kind,
            "metadata": {"name": name},
            "spec": {"matchConstraints": {"resourceRules": [WIDGETS]}, **spec},
        },
    ]


MANIFESTS: list[Object] = [
    *policy(
        "ValidatingAdmissionPolicy",
        validations=[{"expression": "object.spec.size < 5", "message": "too large"}],
    ),
    *policy(
        "MutatingAdmissionPolicy",
        reinvocationPolicy="Never",
        mutations=[
            {
                "patchType": "ApplyConfiguration",
                "applyConfiguration": {
                    "expression": "Object{metadata: Object.metadata{labels: {'stamped': 'yes'}}}"
                },
            }
        ],
    ),
    CRD,
]


def widget(name: str, size: int) -> Object:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Widget",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"size": size},
    }


def write(directory: Path, manifests: list[Object]) -> Path:
    file = directory / "nested" / "manifests.yaml"
    file.parent.mkdir()
    file.write_text(yaml.safe_dump_all(manifests), encoding="utf-8")
    return directory


def test_kinds_and_policies_are_in_force_on_return(
    control_plane: ControlPlane, kubectl: Kubectl, tmp_path: Path
) -> None:
    installer = Installer(control_plane.binaries.kubectl, control_plane.kubeconfig)
    installer.install([write(tmp_path, MANIFESTS)])
    created = kubectl.run("create", "-f", "-", "-o", "json", stdin=widget("small", 1)).ok().json
    assert created["metadata"]["labels"] == {"stamped": "yes"}
    assert "too large" in kubectl.run("create", "-f", "-", stdin=widget("large", 9)).stderr
    left = kubectl.run("get", "validatingadmissionpolicies,mutatingadmissionpolicies", "-o", "name")
    assert "sentinel" not in left.ok().stdout


def test_refused_manifest_is_named(control_plane: ControlPlane, tmp_path: Path) -> None:
    installer = Installer(control_plane.binaries.kubectl, control_plane.kubeconfig)
    bad: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "No_Such"}}
    with pytest.raises(ClusterError, match=r'(?s)kubectl apply: .*"No_Such"'):
        installer.install([write(tmp_path, [bad])])
