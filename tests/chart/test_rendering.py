"""The chart renders the same rules as ``config/``, and each value has an effect."""

import json
import os
import re
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

import wegent_api.server.metrics
import wegent_operator.runtime.metrics
import wegent_runner.telemetry.metrics
from codegen import rbac
from codegen.chart_values import values_table
from devcluster.checkout import CHECKOUT
from tests.chart.conftest import CHART, EVERYTHING
from tests.chart.rendering import (
    EVERY_VALUE,
    MUTATING,
    Manifest,
    at,
    merged,
    named,
    nested,
    of_kind,
    pod_specs,
    render,
    template,
    without,
)
from tests.support.helm import Helm

GOLDEN = Path(__file__).with_name("golden")
UPDATE = "UPDATE_GOLDEN"
"""If this is set in the environment, the golden renderings are written, not compared."""

VALUES = {path: json.loads(default) for path, default, _ in values_table()}
TURNED_OFF: dict[str, Any] = {
    "firstAdmin.enabled": False,
    "networkPolicy.enabled": False,
    "runner.enabled": False,
    "runner.store.persistence.enabled": False,
    **{
        f"{program}.{value}": False
        for program in ("operator", "api", "runner")
        for value in ("podDisruptionBudget.enabled", "serviceAccount.create")
    },
}
"""Values that the file of every value leaves on, since many others depend on them."""
ELSEWHERE = {"firstAdmin.existingSecret", "api.httpRoute.parentRefs", "policies.mutating", "global"}
"""Values that have a test of their own, or that are for other charts."""
ON_SQLITE: dict[str, Any] = {
    "runner": {
        "store": {"existingSecret": "", "persistence": {"existingClaim": ""}},
        "autoscaling": {"enabled": False},
        "replicas": 1,
    }
}
MASKED = {
    "image.repository": nested("api.image.repository", ""),
    "image.tag": {"api": {"image": {"tag": "", "digest": ""}}},
    "operator.image.tag": nested("operator.image.digest", ""),
    "api.image.tag": nested("api.image.digest", ""),
    "api.replicas": {"api": {"autoscaling": {"enabled": False}}},
    "api.ingress.host": nested("api.ingress.tlsSecret", ""),
    "runner.image.tag": nested("runner.image.digest", ""),
    "runner.replicas": {"runner": {"autoscaling": {"enabled": False}}},
    "runner.store.existingSecret": ON_SQLITE,
    **{
        f"runner.store.persistence.{value}": ON_SQLITE
        for value in ("enabled", "existingClaim", "storageClass", "size", "annotations")
    },
}
"""For each value, the other values that must change for it to have an effect."""


def leaves() -> list[str]:
    return [path for path in VALUES if ".settings." not in path and path not in ELSEWHERE]


@pytest.mark.parametrize("values", [[], [f"--values={EVERYTHING}"]], ids=["default", "everything"])
def test_lint(offline_helm: Helm, values: list[str]) -> None:
    offline_helm.run("lint", "--strict", CHART, "--set=image.repository=wegent", *values).ok()


@pytest.mark.parametrize("path", leaves())
def test_each_value_is_turned_and_does_something(offline_helm: Helm, path: str) -> None:
    turned = TURNED_OFF[path] if path in TURNED_OFF else at(EVERY_VALUE, path)
    assert turned is not None, "everything.yaml does not turn it"
    assert turned != VALUES[path]
    values = merged(EVERY_VALUE, MASKED.get(path, {}), nested(path, turned))
    before, after = (
        template(offline_helm, it).ok().stdout for it in (without(values, path), values)
    )
    assert before != after


def test_the_file_of_every_value_has_no_others(offline_helm: Helm) -> None:
    offline_helm.run("lint", "--strict", CHART, f"--values={EVERYTHING}").ok()
    refused = template(offline_helm, merged(EVERY_VALUE, nested("operator.replica", 2))).refused()
    assert "operator" in refused
    assert "'replica' not allowed" in refused


SEEN_ELSEWHERE: dict[str, dict[str, Any]] = {
    # Files that are compared with crds/ and config/ below.
    "default": {"crds": {"enabled": False}, "policies": {"enabled": False}},
    # The dashboard is compared in files/.
    "everything": merged(EVERY_VALUE, {"monitoring": {"dashboard": {"enabled": False}}}),
}


@pytest.mark.parametrize("name", SEEN_ELSEWHERE)
def test_golden(offline_helm: Helm, name: str) -> None:
    text = template(offline_helm, SEEN_ELSEWHERE[name]).ok().stdout
    text = re.sub(r'password: "\w{24}"', 'password: "generated"', text)
    golden = GOLDEN / f"{name}.yaml"
    if UPDATE in os.environ:
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8"), f"run it with {UPDATE}=1, and read the diff"


def config() -> Iterator[Manifest]:
    for directory in ("config", "crds"):
        for path in sorted((CHECKOUT / directory).rglob("*.yaml")):
            yield from filter(None, yaml.safe_load_all(path.read_text(encoding="utf-8")))


def essence(manifest: Manifest) -> Manifest:
    """Return an object without the chart's own labels and annotations."""
    metadata = {key: it for key, it in manifest["metadata"].items() if key != "annotations"}
    labels = {
        key: value
        for key, value in metadata.get("labels", {}).items()
        if key.startswith(("rbac.authorization.k8s.io/", "pod-security.kubernetes.io/"))
    }
    body = {key: it for key, it in manifest.items() if key != "automountServiceAccountToken"}
    return {**body, "metadata": {**metadata, "labels": labels}}


@pytest.mark.parametrize(
    "manifest", list(config()), ids=lambda it: f"{it['kind']}-{it['metadata']['name']}"
)
def test_the_default_is_what_config_and_crds_have(
    default: list[Manifest], manifest: Manifest
) -> None:
    if manifest["metadata"]["name"] == "wegent-system":
        pytest.skip("Helm makes the release's namespace")
    kind, metadata = manifest["kind"], manifest["metadata"]
    found = [
        it
        for it in of_kind(default, kind)
        if it["metadata"]["name"] == metadata["name"]
        and it["metadata"].get("namespace") == metadata.get("namespace")
    ]
    assert [essence(it) for it in found] == [essence(manifest)]


@pytest.fixture(scope="module")
def default(offline_helm: Helm) -> list[Manifest]:
    return render(offline_helm)


def test_no_role_is_there_that_is_not_documented(default: list[Manifest]) -> None:
    rendered = {
        (it["kind"], it["metadata"]["name"], json.dumps(it["rules"], sort_keys=True))
        for it in of_kind(default, "Role", "ClusterRole")
    }
    jobs = [role for job in rbac.chart_jobs().values() for role in job]
    documented = {
        (it["kind"], it["metadata"]["name"], json.dumps(it["rules"], sort_keys=True))
        for it in [*config(), *jobs]
        if it["kind"] in ("Role", "ClusterRole")
    }
    assert rendered == documented


def test_each_right_of_a_job_is_documented() -> None:
    security = (CHECKOUT / "docs" / "security.md").read_text(encoding="utf-8")
    for job in rbac.chart_jobs().values():
        for role in of_kind(list(job), "Role", "ClusterRole"):
            assert f"generated: {role['kind']} {role['metadata']['name']} " in security


def test_no_right_is_a_wildcard(default: list[Manifest]) -> None:
    for role in of_kind(default, "Role", "ClusterRole"):
        for rule in role["rules"]:
            assert "*" not in json.dumps(rule)
            assert not rule.get("nonResourceURLs")


def test_bindings_are_to_our_own_roles_and_accounts(default: list[Manifest]) -> None:
    ours = {(it["kind"], it["metadata"]["name"]) for it in default}
    for binding in of_kind(default, "RoleBinding", "ClusterRoleBinding"):
        assert (binding["roleRef"]["kind"], binding["roleRef"]["name"]) in ours
        for subject in binding["subjects"]:
            assert subject["namespace"] == "wegent-system"
            assert ("ServiceAccount", subject["name"]) in ours


def test_the_rights_of_jobs_are_hooks(default: list[Manifest]) -> None:
    for manifest in default:
        name = manifest["metadata"]["name"]
        job = name in ("wegent-first-admin", "wegent-uninstall")
        hook = manifest["metadata"].get("annotations", {}).get("helm.sh/hook-delete-policy")
        if job and manifest["kind"] != "Secret":
            assert hook == "before-hook-creation,hook-succeeded"
        elif name != "wegent-test":
            assert hook is None


def test_names_follow_the_release(offline_helm: Helm) -> None:
    values = merged(
        nested("accounts.namespace", "people"),
        nested("operator.serviceAccount.name", "overseer"),
        nested("sharedNamespaces", ["common"]),
    )
    manifests = render(offline_helm, values, release="prod", namespace="agents")
    text = json.dumps(
        [it for it in manifests if it["kind"] != "CustomResourceDefinition"], sort_keys=True
    )
    assert "wegent-system" not in text
    assert "ServiceAccount in wegent-accounts" not in text
    assert '"namespace": "wegent-accounts"' not in text
    assert "system:serviceaccount:agents:overseer" in text
    assert "system:serviceaccount:agents:prod-wegent-api" in text
    assert "system:serviceaccount:people:" in text
    operator = named(manifests, "ClusterRoleBinding", "prod-wegent-operator")
    assert operator["subjects"] == [
        {"kind": "ServiceAccount", "name": "overseer", "namespace": "agents"}
    ]


def test_mutating_policies_are_where_they_can_be(offline_helm: Helm) -> None:
    cases: tuple[tuple[str, list[str], bool], ...] = (
        ("auto", [], False),
        ("auto", [MUTATING], True),
        ("never", [MUTATING], False),
        ("always", [], True),
    )
    for value, cluster, wanted in cases:
        set_ = f"--set=policies.mutating={value}"
        images = "--set=image.repository=wegent"
        done = offline_helm.run("template", "wegent", CHART, images, set_, *cluster)
        kinds = {it["kind"] for it in done.manifests}
        assert ("MutatingAdmissionPolicy" in kinds) is wanted
        assert ("MutatingAdmissionPolicyBinding" in kinds) is wanted
        assert "ValidatingAdmissionPolicyBinding" in kinds


def test_a_password_of_ones_own(offline_helm: Helm) -> None:
    manifests = render(offline_helm, nested("firstAdmin.existingSecret", "mine"))
    assert not of_kind(manifests, "Secret")
    [spec] = [spec for name, spec in pod_specs(manifests) if name == "Job/wegent-first-admin"]
    assert spec["volumes"][0]["secret"]["secretName"] == "mine"


def test_an_account_of_ones_own_is_not_made(offline_helm: Helm) -> None:
    own = {"api": {"serviceAccount": {"create": False, "name": "x"}}}
    manifests = render(offline_helm, own)
    assert {it["metadata"]["name"] for it in of_kind(manifests, "ServiceAccount")} == {
        "wegent-operator", "wegent-runner", "wegent-first-admin", "wegent-uninstall",
    }  # fmt: skip
    [spec] = [spec for name, spec in pod_specs(manifests) if name == "Deployment/wegent-api"]
    assert spec["serviceAccountName"] == "x"


def test_alerts_on_what_is_scraped_need_scraping(offline_helm: Helm) -> None:
    scraped = names_of_alerts(offline_helm, EVERY_VALUE)
    off = merged(EVERY_VALUE, {"monitoring": {"serviceMonitor": {"enabled": False}}})
    assert scraped - names_of_alerts(offline_helm, off) == {"WegentOperatorDown", "WegentApiDown"}


def names_of_alerts(helm: Helm, values: dict[str, Any]) -> set[str]:
    rule = named(render(helm, values), "PrometheusRule", "everything")
    return {alert["alert"] for alert in rule["spec"]["groups"][0]["rules"]}


class OnceLoader(yaml.SafeLoader):
    """A loader that refuses a mapping with a duplicate key; other loaders take the last value."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - its parent's
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        assert len(keys) == len(set(keys)), [key for key in keys if keys.count(key) > 1]
        return super().construct_mapping(node, deep)


def test_the_charts_own_labels_win(offline_helm: Helm) -> None:
    clashing = {
        "app.kubernetes.io/name": "x",
        "app.kubernetes.io/component": "x",
        "app.kubernetes.io/part-of": "x",
        "team": "other",
    }
    values = merged(
        EVERY_VALUE,
        {
            "commonLabels": clashing,
            "operator": {"podLabels": clashing},
            "api": {"podLabels": clashing},
            "runner": {"podLabels": clashing},
            "jobs": {"podLabels": clashing, "podAnnotations": {"helm.sh/hook": "x"}},
            "monitoring": {
                "serviceMonitor": {"labels": clashing},
                "prometheusRule": {"labels": clashing},
                "dashboard": {"labels": clashing},
            },
        },
    )
    text = template(offline_helm, values).ok().stdout
    manifests = [it for it in yaml.load_all(text, OnceLoader) if it]
    for manifest in manifests:
        labels = manifest["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] == "agents"
        assert labels["app.kubernetes.io/part-of"] == "wegent"
        assert labels["team"] == "other"
    for manifest in of_kind(manifests, "Deployment", "Job"):
        pods = manifest["spec"]["template"]["metadata"]["labels"]
        assert pods["app.kubernetes.io/component"] in ("operator", "api", "runner", "job")
        assert pods["team"] == "other"


def test_the_charts_test_and_prometheus_reach_the_proxy(offline_helm: Helm) -> None:
    policy = named(render(offline_helm, EVERY_VALUE), "NetworkPolicy", "everything-api")
    [rule] = policy["spec"]["ingress"]
    test = named(render(offline_helm, EVERY_VALUE), "Pod", "everything-test")
    wanted = [
        *EVERY_VALUE["networkPolicy"]["apiFrom"],
        *EVERY_VALUE["networkPolicy"]["metricsFrom"],
    ]
    assert rule["from"][:-1] == wanted
    selector = rule["from"][-1]["podSelector"]["matchLabels"]
    assert selector.items() <= test["metadata"]["labels"].items()
    assert "app.kubernetes.io/component" in selector


def test_the_runner_is_reached_by_the_proxy_and_by_prometheus_alone(offline_helm: Helm) -> None:
    manifests = render(offline_helm, EVERY_VALUE)
    [rule] = named(manifests, "NetworkPolicy", "everything-runner")["spec"]["ingress"]
    proxy = named(manifests, "Deployment", "everything-api")["spec"]["template"]["metadata"]
    selector = rule["from"][0]["podSelector"]["matchLabels"]
    assert selector.items() <= proxy["labels"].items()
    assert rule["from"][1:] == EVERY_VALUE["networkPolicy"]["metricsFrom"]
    [default] = named(render(offline_helm), "NetworkPolicy", "wegent-runner")["spec"]["ingress"]
    assert len(default["from"]) == 1
    out = named(manifests, "NetworkPolicy", "everything-api")["spec"]["egress"]
    runner = named(manifests, "Deployment", "everything-runner")["spec"]["template"]["metadata"]
    [peer] = [to for rule in out for to in rule.get("to", ()) if "podSelector" in to]
    assert peer["podSelector"]["matchLabels"].items() <= runner["labels"].items()


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "192.168.1.1", "100.64.0.1"])
def test_the_runner_reaches_the_internet_without_private_networks(
    offline_helm: Helm, address: str
) -> None:
    policy = named(render(offline_helm), "NetworkPolicy", "wegent-runner")
    blocks = [
        to["ipBlock"]
        for rule in policy["spec"]["egress"]
        for to in rule.get("to", ())
        if "ipBlock" in to
    ]
    assert [it["cidr"] for it in blocks] == ["0.0.0.0/0", "::/0"]
    assert any(ip_address(address) in ip_network(it) for it in blocks[0]["except"])
    assert not any(ip_address("1.1.1.1") in ip_network(it) for it in blocks[0]["except"])


def test_with_the_api_servers_addresses_the_runner_reaches_no_private_network(
    offline_helm: Helm,
) -> None:
    api_server = [{"ipBlock": {"cidr": "10.96.0.1/32"}}]
    values = nested("networkPolicy.apiServerTo", api_server)
    policy = named(render(offline_helm, values), "NetworkPolicy", "wegent-runner")
    anywhere = [rule["ports"] for rule in policy["spec"]["egress"] if "to" not in rule]
    assert [{port["port"] for port in ports} for ports in anywhere] == [{53, 5353}], "only DNS"
    opened = [
        ip_network(to["ipBlock"]["cidr"])
        for rule in policy["spec"]["egress"]
        for to in rule.get("to", ())
        if "except" not in to["ipBlock"]
    ]
    assert opened == [ip_network("10.96.0.1/32")]


def test_the_runners_scale_by_busy_slots_and_waiting_tasks(offline_helm: Helm) -> None:
    values = {
        "runner": {"autoscaling": {"enabled": True}, "store": {"existingSecret": "transcripts"}},
        "networkPolicy": {"runnerEgress": [{"ports": [{"port": 5432}]}]},
    }
    scaler = named(render(offline_helm, values), "HorizontalPodAutoscaler", "wegent-runner")["spec"]
    targets = {
        it["pods"]["metric"]["name"]: it["pods"]["target"]["averageValue"]
        for it in scaler["metrics"]
    }
    assert targets == {"wegent_runner_slots_busy": "30", "wegent_runner_pending_tasks": "10"}
    registry = wegent_runner.telemetry.metrics.Metrics().registry
    assert targets.keys() <= {metric.name for metric in registry.collect()}
    assert scaler["behavior"]["scaleDown"]["policies"] == [
        {"type": "Pods", "value": 1, "periodSeconds": 120}
    ]


def test_sqlite_serves_one_runner_and_postgresql_any_number(offline_helm: Helm) -> None:
    one = render(offline_helm)
    [claim] = of_kind(one, "PersistentVolumeClaim")
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert named(one, "Deployment", "wegent-runner")["spec"]["strategy"] == {"type": "Recreate"}
    many = render(
        offline_helm,
        {
            "runner": {"replicas": 3, "store": {"existingSecret": "transcripts"}},
            "networkPolicy": {"runnerEgress": [{"ports": [{"port": 5432}]}]},
        },
    )
    assert not of_kind(many, "PersistentVolumeClaim")
    deployment = named(many, "Deployment", "wegent-runner")["spec"]
    assert deployment["replicas"] == 3
    assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    [container] = deployment["template"]["spec"]["containers"]
    assert "store" not in {it["name"] for it in container["volumeMounts"]}


def test_without_the_runner_nothing_of_it_is_left(offline_helm: Helm) -> None:
    manifests = render(offline_helm, merged(EVERY_VALUE, {"runner": {"enabled": False}}))
    assert not [it for it in manifests if it["metadata"]["name"] == "everything-runner"]


def test_each_alert_is_documented_with_its_remedy(offline_helm: Helm) -> None:
    page = (CHECKOUT / "docs" / "observability.md").read_text(encoding="utf-8")
    rule = named(render(offline_helm, EVERY_VALUE), "PrometheusRule", "everything")
    for alert in rule["spec"]["groups"][0]["rules"]:
        said = alert["annotations"]
        row = f"| `{alert['alert']}` | {alert['labels']['severity']} | {said['summary']} | "
        assert row + f"{said['runbook']} |\n" in page


def test_queries_ask_for_metrics_that_there_are(offline_helm: Helm) -> None:
    rule = named(render(offline_helm, EVERY_VALUE), "PrometheusRule", "everything")
    texts = [alert["expr"] for group in rule["spec"]["groups"] for alert in group["rules"]]
    dashboard = json.loads((CHART / "files" / "dashboard.json").read_text(encoding="utf-8"))
    texts += [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    registries = (
        wegent_operator.runtime.metrics.Metrics().registry,
        wegent_api.server.metrics.Metrics().registry,
        wegent_runner.telemetry.metrics.Metrics().registry,
    )
    known = {name for registry in registries for name in registry._names_to_collectors}
    asked = {
        name for text in texts for name in re.findall(r"\bwegent_(?:operator|api|runner)_\w+", text)
    }
    assert asked <= known
    for group in rule["spec"]["groups"]:
        for alert in group["rules"]:
            assert set(alert["annotations"]) == {"summary", "runbook"}
