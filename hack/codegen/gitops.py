"""``gitops/``: manifests for Argo CD and Flux, and the parts of pages that show them."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from codegen.files import MARK, Generated, GeneratedFile, GeneratedRegion, WithBlocks
from devcluster.checkout import CHECKOUT
from wegent_crds.registry import GROUP

FOLDER: Final = Path("gitops")
PAGE: Final = Path("docs/gitops.md")
CHART_PAGE: Final = Path("charts/wegent/README.md")
TEMPLATES: Final = Path("hack/codegen/templates/gitops")
HEALTH: Final = FOLDER / "argocd" / "health.lua"
LABELS: Final = {
    "app.kubernetes.io/name": "argocd-cm",
    "app.kubernetes.io/part-of": "argocd",
}
"""Argo CD reads no ConfigMap without them, and an apply of the patch must not remove them."""
MANIFESTS: Final = {
    "applications.yaml": FOLDER / "argocd" / "applications.yaml",
    "release.yaml": FOLDER / "flux" / "release.yaml",
    "kustomizations.yaml": FOLDER / "flux" / "kustomizations.yaml",
}
"""The manifests that name the chart's version, by their templates."""


def generate() -> Iterator[Generated]:
    """Yield the manifests and the regions of the pages that show them."""
    health = config_map()
    yield GeneratedFile(FOLDER / "argocd" / "argocd-cm.yaml", _headed(HEALTH, health))
    for page in (PAGE, CHART_PAGE):
        yield GeneratedRegion(page, "argocd-cm", _fenced(health))
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for name, path in MANIFESTS.items():
        text = (CHECKOUT / TEMPLATES / name).read_text(encoding="utf-8")
        text = text.replace("@version@", project["version"])
        yield GeneratedFile(path, _headed(TEMPLATES / name, text))
        yield GeneratedRegion(PAGE, path.relative_to(FOLDER).as_posix(), _fenced(text))


def config_map() -> str:
    """Return the patch of Argo CD's ConfigMap that brings the health check of all kinds."""
    script = (CHECKOUT / HEALTH).read_text(encoding="utf-8")
    # Argo CD takes a wildcard in this form alone: a key of a ConfigMap can't have an asterisk.
    checks = _yaml({f"{GROUP}/*": {"health.lua": script}})
    return _yaml(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "argocd-cm", "namespace": "argocd", "labels": dict(LABELS)},
            "data": {"resource.customizations": checks},
        }
    )


def _yaml(body: Any) -> str:
    return yaml.dump(body, Dumper=WithBlocks, sort_keys=False, width=100)


def _headed(source: Path, text: str) -> str:
    return f"{MARK}\n# from {source}. Change that, not this file.\n{text}"


def _fenced(text: str) -> str:
    return f"```yaml\n{text}```"
