"""Helpers that render the chart and find objects in the result."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from tests.chart.conftest import CHART, EVERYTHING
from tests.support.commands import Result
from tests.support.helm import Helm

Manifest = Mapping[str, Any]

MUTATING = "--api-versions=admissionregistration.k8s.io/v1/MutatingAdmissionPolicy"
"""An API that a current cluster has, but Helm alone doesn't know."""
IMAGES: dict[str, Any] = {"image": {"repository": "wegent"}}
"""The one value without a default."""
EVERY_VALUE: dict[str, Any] = yaml.safe_load(EVERYTHING.read_text(encoding="utf-8"))


def template(
    helm: Helm, values: Mapping[str, Any] | None = None, *, release: str = "wegent",
    namespace: str = "wegent-system",
) -> Result:  # fmt: skip
    """Render the chart with ``values`` over its defaults, and with images."""
    return helm.run(
        *("template", release, CHART, f"--namespace={namespace}", MUTATING, "--values=-"),
        stdin=yaml.safe_dump(merged(IMAGES, values or {})),
    )


def render(helm: Helm, values: Mapping[str, Any] | None = None, **where: str) -> list[Manifest]:
    """Return the rendered objects; fail if Helm fails."""
    return [*template(helm, values, **where).manifests]


def nested(path: str, value: Any) -> dict[str, Any]:
    """Return ``value`` at a dotted path."""
    for name in reversed(path.split(".")):
        value = {name: value}
    return dict(value)


def at(values: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path, None if there is none."""
    found: Any = values
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Return values merged, of which the last ones win; the chart's own mappings are merged."""
    result: dict[str, Any] = {}
    for layer in layers:
        for name, value in layer.items():
            old = result.get(name)
            both = isinstance(old, Mapping) and isinstance(value, Mapping) and value
            result[name] = merged(old, value) if both and old else value
    return result


def without(values: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return values without the one at a dotted path, which takes its default."""
    name, _, rest = path.partition(".")
    inner = {name: without(values[name], rest)} if rest else {}
    return {key: value for key, value in values.items() if key != name} | inner


def of_kind(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    """Return the objects of some kinds."""
    return [it for it in manifests if it["kind"] in kinds]


def named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    """Return the one object of a kind and name."""
    [found] = [it for it in of_kind(manifests, kind) if it["metadata"]["name"] == name]
    return found


def pod_specs(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Yield each Pod's spec, with the name of its object."""
    for manifest in of_kind(manifests, "Deployment", "Job", "Pod"):
        spec = manifest["spec"]
        name = f"{manifest['kind']}/{manifest['metadata']['name']}"
        yield name, spec if manifest["kind"] == "Pod" else spec["template"]["spec"]


def env_of(manifests: list[Manifest], deployment: str) -> dict[str, str]:
    """Return the environment of a Deployment's container, without values from elsewhere."""
    spec = named(manifests, "Deployment", deployment)["spec"]["template"]["spec"]
    return {it["name"]: it["value"] for it in spec["containers"][0]["env"] if "value" in it}
