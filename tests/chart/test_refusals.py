"""Wrong values are refused by name before anything is written."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from codegen.chart_values import schema, values_table
from tests.chart.rendering import EVERY_VALUE, merged, nested, render, template
from tests.support.helm import Helm

SCHEMA = schema()


def sections(part: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the schema of every section with its dotted path."""
    yield path, part
    for name, inner in part["properties"].items():
        if "required" in inner:
            yield from sections(inner, f"{path}.{name}".lstrip("."))


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
    (nested("reservedNamespaces", ["a.b"]), "/reservedNamespaces/0", "does not match pattern"),
    (nested("firstAdmin.username", "a" * 51), "/firstAdmin/username", "maxLength"),
    # An empty list of ports would open all of them.
    (nested("networkPolicy.apiServerPorts", []), "/networkPolicy/apiServerPorts", "minItems"),
    (nested("api.ingress.paths", ["api"]), "/api/ingress/paths/0", "does not match pattern"),
    (nested("commonLabels", {"a": 1}), "/commonLabels/a", "want string"),
    (nested("commonLabels", {"a": "b c"}), "/commonLabels/a", "does not match pattern"),
    (nested("commonLabels", {"a b": "c"}), "/commonLabels", "'a b' not allowed"),
    (nested("nameOverride", "My.Name"), "/nameOverride", "does not match pattern"),
    (nested("fullnameOverride", "1st"), "/fullnameOverride", "does not match pattern"),
    (nested("fullnameOverride", "a" * 41), "/fullnameOverride", "maxLength"),
    (nested("image.repository", "wegent:1.0"), "/image/repository", "does not match pattern"),
    (nested("image.tag", "v1+2"), "/image/tag", "does not match pattern"),
    (nested("imagePullSecrets", ["pull"]), "/imagePullSecrets/0", "want object"),
    (nested("imagePullSecrets", [{"nam": "x"}]), "/imagePullSecrets/0", "missing property 'name'"),
    (nested("api.extraEnv", [{"value": "x"}]), "/api/extraEnv/0", "missing property 'name'"),
    (nested("firstAdmin.email", "nobody"), "/firstAdmin/email", "does not match pattern"),
    (nested("firstAdmin.existingSecret", "My_Secret"), "/firstAdmin/existingSecret", "pattern"),
    (nested("operator.serviceAccount.name", "A"), "/operator/serviceAccount/name", "pattern"),
    (nested("api.priorityClassName", "a_b"), "/api/priorityClassName", "pattern"),
    (nested("api.port", 0), "/api/port", "minimum"),
    (nested("api.port", "http"), "/api/port", "want integer"),
    (nested("api.service.port", 65536), "/api/service/port", "maximum"),
    (nested("api.service.nodePort", 65536), "/api/service/nodePort", "maximum"),
    (nested("networkPolicy.apiServerPorts", [0]), "/networkPolicy/apiServerPorts/0", "minimum"),
    (nested("operator.listenHost", "localhost"), "/operator/listenHost", "pattern"),
    (
        nested("api.service.loadBalancerSourceRanges", ["10.0.0.0"]),
        "/api/service/loadBalancerSourceRanges/0",
        "pattern",
    ),
    (
        nested("api.podDisruptionBudget.maxUnavailable", "half"),
        "/api/podDisruptionBudget/maxUnavailable",
        "pattern",
    ),
    (
        nested("api.podDisruptionBudget.maxUnavailable", -1),
        "/api/podDisruptionBudget/maxUnavailable",
        "minimum",
    ),
    (nested("api.ingress.host", "https://x.example.com"), "/api/ingress/host", "pattern"),
    (nested("api.ingress.tlsSecret", "A B"), "/api/ingress/tlsSecret", "pattern"),
    (nested("api.httpRoute.hostnames", ["a b"]), "/api/httpRoute/hostnames/0", "pattern"),
    (
        nested("monitoring.serviceMonitor.interval", "30 seconds"),
        "/monitoring/serviceMonitor/interval",
        "pattern",
    ),
    (
        nested("monitoring.serviceMonitor.interval", 30),
        "/monitoring/serviceMonitor/interval",
        "want string",
    ),
    (nested("runner.egressAllow", ["10.0.0.0"]), "/runner/egressAllow/0", "pattern"),
    (nested("runner.settings.slots", 0), "/runner/settings/slots", "minimum"),
    (nested("runner.settings.storeUrl", "x"), "/runner/settings", "'storeUrl' not allowed"),
    (
        nested("runner.store.persistence.size", "much"),
        "/runner/store/persistence/size",
        "does not match pattern",
    ),
    (nested("networkPolicy.runnerPorts", []), "/networkPolicy/runnerPorts", "minItems"),
    (nested("jobs.deadlineSeconds", "4m"), "/jobs/deadlineSeconds", "want integer"),
    (nested("operator.resources", {"limit": {}}), "/operator/resources", "'limit' not allowed"),
    (nested("operator.resources.limits.cpu", -1), "/operator/resources/limits/cpu", "minimum"),
]
TOGETHER: list[tuple[dict[str, Any], str]] = [
    (
        nested("accounts.namespace", "wegent-system"),
        "accounts.namespace: must not be the release's namespace",
    ),
    (
        nested("firstAdmin.password", "short"),
        "firstAdmin.password: must have at least 12 characters",
    ),
    (
        merged(
            nested("firstAdmin.password", "long enough, and then some"),
            nested("firstAdmin.existingSecret", "mine"),
        ),
        "firstAdmin: password and existingSecret exclude each other; set only one of them",
    ),
    (
        {"api": {"httpRoute": {"enabled": True}}},
        "api.httpRoute.parentRefs: is required with httpRoute.enabled: set at least one Gateway",
    ),
    (
        {"api": {"serviceAccount": {"create": False}}},
        "api.serviceAccount.name: is needed where create is false",
    ),
    (
        nested("api.ingress", {"enabled": True, "tlsSecret": "tls"}),
        "api.ingress.host: is required with tlsSecret",
    ),
    (
        nested("api.autoscaling.minReplicas", 7),
        "api.autoscaling.minReplicas: must not be greater than maxReplicas",
    ),
    (
        nested("runner.autoscaling.minReplicas", 7),
        "runner.autoscaling.minReplicas: must not be greater than maxReplicas",
    ),
    (
        nested("runner.replicas", 2),
        "runner.store.existingSecret: is required with several runners",
    ),
    (
        {"runner": {"autoscaling": {"enabled": True}}},
        "runner.store.existingSecret: is required with several runners",
    ),
    (
        nested("runner.store.existingSecret", "transcripts"),
        "networkPolicy.runnerEgress: is required with runner.store.existingSecret",
    ),
    (
        {"runner": {"serviceAccount": {"create": False}}},
        "runner.serviceAccount.name: is needed where create is false",
    ),
]


@pytest.mark.parametrize(
    ("values", "where", "why"), WRONG, ids=[f"{it[1]} {it[2]}" for it in WRONG]
)
def test_the_schema_names_the_value(
    offline_helm: Helm, values: dict[str, Any], where: str, why: str
) -> None:
    refused = template(offline_helm, values).refused()
    assert f"at '{where}'" in refused, refused
    assert why in refused, refused


@pytest.mark.parametrize(
    ("values", "why"), TOGETHER, ids=[f"{it[1]} {number}" for number, it in enumerate(TOGETHER)]
)
def test_what_does_not_go_together(offline_helm: Helm, values: dict[str, Any], why: str) -> None:
    assert why in template(offline_helm, values).refused()


RULE = {"ports": [{"port": 5432}]}


@pytest.mark.parametrize(
    "open_to_the_database",
    [
        nested("networkPolicy.runnerEgress", [RULE]),
        nested("networkPolicy.extraEgress", [RULE]),
        {"networkPolicy": {"enabled": False}},
        nested("runner.egressAllow", ["10.1.0.0/16"]),
        {"runner": {"enabled": False}},
    ],
)
def test_a_database_that_the_runner_reaches_is_let_through(
    offline_helm: Helm, open_to_the_database: dict[str, Any]
) -> None:
    database = nested("runner.store.existingSecret", "transcripts")
    render(offline_helm, merged(database, open_to_the_database))


def test_the_schema_is_closed_everywhere() -> None:
    for path, part in sections(SCHEMA):
        assert part["additionalProperties"] is False, path or "the root"


def test_a_parents_globals_and_unset_values_are_let_through(offline_helm: Helm) -> None:
    render(offline_helm, {"global": {"x": 1}, "podSecurityContext": {"runAsUser": None}})


def test_an_old_kubernetes_is_refused(offline_helm: Helm) -> None:
    done = offline_helm.run("template", "charts/wegent", "--kube-version=1.30.9")
    assert "kubeVersion: >=1.31.0-0" in done.refused()
    images = "--set=image.repository=wegent"
    offline_helm.run("template", "charts/wegent", "--kube-version=1.31.2-gke.100", images).ok()


UNNAMED: list[tuple[dict[str, Any], str]] = [
    ({}, "operator.image.repository"),
    (nested("api.image.repository", "registry.example.com/api"), "operator.image.repository"),
    (nested("operator.image.repository", "registry.example.com/op"), "api.image.repository"),
    (nested("image.tag", "1.2.3"), "image.repository"),
]


@pytest.mark.parametrize(("values", "where"), UNNAMED, ids=str)
def test_images_must_be_named(offline_helm: Helm, values: dict[str, Any], where: str) -> None:
    unset = merged(nested("image.repository", ""), values)
    refused = template(offline_helm, unset).refused()
    assert "image.repository: is required" in refused
    assert "make image" in refused
    assert where in refused


def test_images_may_be_named_one_by_one(offline_helm: Helm) -> None:
    each = {
        it: {"image": {"repository": f"registry.example.com/{it}"}}
        for it in ("operator", "api", "runner")
    }
    render(offline_helm, merged(nested("image.repository", ""), each))


@pytest.mark.parametrize(
    "quantity", ["abc", "1 Gi", "512MB", "-1", "1e", "0x10", "1.5.2", "Mi", ""]
)
@pytest.mark.parametrize("part", ["operator", "api", "runner", "jobs"])
def test_quantities(offline_helm: Helm, part: str, quantity: str) -> None:
    for which in ("requests", "limits"):
        path = f"{part}.resources.{which}.memory"
        refused = template(offline_helm, nested(path, quantity)).refused()
        assert f"at '/{path.replace('.', '/')}'" in refused, refused


@pytest.mark.parametrize(
    "quantity", ["512Mi", "1", 1, 0.5, "0.5", "1500m", "2e9", "1E", "128974848", 0]
)
def test_quantities_that_the_api_server_takes(offline_helm: Helm, quantity: Any) -> None:
    resources = {"requests": {"cpu": quantity}, "limits": {"example.com/gpu": quantity}}
    parts = ("operator", "api", "runner", "jobs")
    render(offline_helm, {part: {"resources": resources} for part in parts})


def required() -> list[str]:
    """Return the dotted path of every value that is set by default, and of every section."""
    return [
        f"{path}.{it}".lstrip(".") for path, part in sections(SCHEMA) for it in part["required"]
    ]


@pytest.mark.parametrize("path", required())
def test_null_is_refused_by_the_schema(offline_helm: Helm, path: str) -> None:
    refused = template(offline_helm, nested(path, None)).refused()
    section, _, name = f"/{path.replace('.', '/')}".rpartition("/")
    assert f"at '{section}'" in refused, refused
    assert f"'{name}'" in refused, refused
    assert "nil pointer" not in refused


def test_what_is_not_required_may_be_null(offline_helm: Helm) -> None:
    unset = {path for path, default, _ in values_table() if default == "null"}
    assert unset.isdisjoint(required())
    assert {path for path, _, _ in values_table()} - unset - set(required()) == {"global"}
    render(offline_helm, merged(*(nested(path, None) for path in unset)))


RELEASES = [
    "wegent", "my.release", "a.b.c", "1wegent", "1.2", "9", "a" * 53, f"{'a' * 39}.{'b' * 13}",
    f"{'a' * 39}-.".removesuffix("."), "x-wegent.prod", "0" * 53,
]  # fmt: skip


@pytest.mark.parametrize("release", [it.removesuffix("-") for it in RELEASES])
@pytest.mark.parametrize("values", [{}, nested("nameOverride", "agents")], ids=["plain", "renamed"])
def test_names_are_valid_whatever_the_release_is_called(
    offline_helm: Helm, release: str, values: dict[str, Any]
) -> None:
    everything = merged(EVERY_VALUE, nested("fullnameOverride", ""), values)
    for manifest in render(offline_helm, everything, release=release):
        metadata, kind = manifest["metadata"], manifest["kind"]
        if kind in {
            "ClusterRole",
            "ClusterRoleBinding",
            "CustomResourceDefinition",
            "Role",
            "RoleBinding",
        }:
            continue
        pattern = r"[a-z]([-a-z0-9]*[a-z0-9])?"
        assert re.fullmatch(pattern, metadata["name"]), (kind, metadata["name"])
        assert len(metadata["name"]) <= 63
        for value in metadata["labels"].values():
            assert re.fullmatch(r"([A-Za-z0-9]([-\w.]*[A-Za-z0-9])?)?", value)
            assert len(value) <= 63


def test_a_release_in_capitals_is_refused_by_helm(offline_helm: Helm) -> None:
    assert "invalid release name" in template(offline_helm, release="Wegent").refused()
