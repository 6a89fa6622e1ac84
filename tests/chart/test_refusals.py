"""Values that are wrong are refused before anything is written, by their names."""

from typing import Any

import pytest

from codegen.chart_models import Values
from codegen.chart_values import schema_of
from tests.chart.rendering import merged, nested, render, template
from tests.support.helm import Helm

WRONG: list[tuple[dict[str, Any], str, str]] = [
    (nested("imagePullSecret", "x"), "", "'imagePullSecret' not allowed"),
    (nested("image.pullpolicy", "Always"), "/image", "'pullpolicy' not allowed"),
    (nested("image.pullPolicy", "Sometimes"), "/image/pullPolicy", "'Always'"),
    (nested("api.image.digest", "sha256:abc"), "/api/image/digest", "does not match pattern"),
    (nested("operator.replicas", -1), "/operator/replicas", "minimum"),
    (nested("operator.replicas", "two"), "/operator/replicas", "want integer"),
    (nested("operator.settings.writers", 65), "/operator/settings/writers", "maximum"),
    (nested("operator.settings.listenPort", 1), "/operator/settings", "'listenPort' not allowed"),
    (nested("api.settings.logLevel", "LOUD"), "/api/settings/logLevel", "'DEBUG'"),
    (nested("api.service.type", "ExternalName"), "/api/service/type", "'ClusterIP'"),
    (nested("accounts.namespace", "Not_A_Name"), "/accounts/namespace", "does not match pattern"),
    (nested("sharedNamespaces", "default"), "/sharedNamespaces", "want array"),
    (nested("firstAdmin.username", "a" * 51), "/firstAdmin/username", "maxLength"),
    # An empty list of ports would open all of them.
    (nested("networkPolicy.apiServerPorts", []), "/networkPolicy/apiServerPorts", "minItems"),
    (nested("api.ingress.paths", ["api"]), "/api/ingress/paths/0", "does not match pattern"),
    (nested("commonLabels", {"a": 1}), "/commonLabels/a", "want string"),
]
TOGETHER: list[tuple[dict[str, Any], str]] = [
    (
        nested("accounts.namespace", "wegent-system"),
        "accounts.namespace: can't be the release's namespace",
    ),
    (nested("firstAdmin.password", "short"), "firstAdmin.password: must have 12 characters"),
    (
        merged(
            nested("firstAdmin.password", "long enough, and then some"),
            nested("firstAdmin.existingSecret", "mine"),
        ),
        "firstAdmin: give password or existingSecret, not both",
    ),
    ({"api": {"httpRoute": {"enabled": True}}}, "api.httpRoute.parentRefs: must name a Gateway"),
    (
        {"api": {"serviceAccount": {"create": False}}},
        "api.serviceAccount.name: is needed where create is false",
    ),
    (
        nested("api.ingress", {"enabled": True, "tlsSecret": "tls"}),
        "api.ingress.host: is needed with tlsSecret",
    ),
    (
        nested("api.autoscaling.minReplicas", 7),
        "api.autoscaling.minReplicas: must not be more than maxReplicas",
    ),
]


@pytest.mark.parametrize(("values", "where", "why"), WRONG, ids=[it[1:][1] for it in WRONG])
def test_the_schema_names_the_value(
    offline_helm: Helm, values: dict[str, Any], where: str, why: str
) -> None:
    refused = template(offline_helm, values).refused()
    assert f"at '{where}'" in refused, refused
    assert why in refused, refused


@pytest.mark.parametrize(("values", "why"), TOGETHER, ids=[it[1] for it in TOGETHER])
def test_what_does_not_go_together(offline_helm: Helm, values: dict[str, Any], why: str) -> None:
    assert why in template(offline_helm, values).refused()


def test_the_schema_is_closed_everywhere() -> None:
    schema = schema_of(Values)
    for name, part in {"the root": schema, **schema["$defs"]}.items():
        assert part["additionalProperties"] is False, name


def test_a_parents_globals_and_unset_values_are_let_through(offline_helm: Helm) -> None:
    render(offline_helm, {"global": {"x": 1}, "podSecurityContext": {"runAsUser": None}})


def test_an_old_kubernetes_is_refused(offline_helm: Helm) -> None:
    done = offline_helm.run("template", "charts/wegent", "--kube-version=1.30.9")
    assert "kubeVersion: >=1.31.0-0" in done.refused()
    offline_helm.run("template", "charts/wegent", "--kube-version=1.31.2-gke.100").ok()
