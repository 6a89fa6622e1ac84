"""``charts/wegent``: the chart's files that follow from CRDs, roles, policies and settings.

The manifests in ``crds/`` and ``config/`` are for fixed namespaces: wegent-system and
wegent-accounts. The chart's manifests are the same ones with the names of a release. They are
generated here, so that no rule has a second copy that could be forgotten.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from codegen import artifacthub, chart_policies, chart_values, crds, policies, rbac
from codegen.chart_policies import LABELS, TEMPLATED_LABELS
from codegen.files import MARK, Generated, GeneratedFile, WithBlocks, WithoutAliases
from devcluster.checkout import CHECKOUT
from wegent_crds.registry import KINDS

CHART: Final = Path("charts/wegent")
KUBE_VERSION: Final = ">=1.31.0-0"
"""Kinds have selectable fields by default from 1.31 on; ``-0`` admits pre-releases."""

Manifest = Mapping[str, Any]

NAMES: Final = {
    "release-namespace": ".Release.Namespace",
    "accounts-namespace": ".Values.accounts.namespace",
    "operator": 'include "wegent.operator.fullname" .',
    "operator-account": 'include "wegent.operator.serviceAccountName" .',
    "api": 'include "wegent.api.fullname" .',
    "api-account": 'include "wegent.api.serviceAccountName" .',
    "runner": 'include "wegent.runner.fullname" .',
    "runner-account": 'include "wegent.runner.serviceAccountName" .',
    "first-admin": 'include "wegent.firstAdmin.fullname" .',
    "uninstall": 'include "wegent.uninstall.fullname" .',
}
"""The placeholder of each of Wegent's names while YAML is written, and Helm's expression for it."""
NAMESPACES: Final = {
    "wegent-system": "@release-namespace@",
    "wegent-accounts": "@accounts-namespace@",
}
JOBS: Final = {"wegent-first-admin": "@first-admin@", "wegent-uninstall": "@uninstall@"}
PROGRAMS: Final = ("operator", "api", "runner")
PARTS: Final = {**{f"wegent-{name}": f"@{name}@" for name in PROGRAMS}, **JOBS}
ACCOUNTS: Final = {**{f"wegent-{name}": f"@{name}-account@" for name in PROGRAMS}, **JOBS}
OPTIONAL: Final = {"runner": ".runner.enabled"}
"""The value that turns on a program that may be left out."""

HOOKS: Final = {
    "first-admin": (".firstAdmin.enabled", "post-install,post-upgrade"),
    "uninstall": (".uninstall.removeFinalizers", "pre-delete"),
}
"""The chart's Jobs: the value that turns each on, and when Helm runs it."""


def generate() -> Iterator[Generated]:
    """Yield the chart's generated files, and the generated parts of others."""
    yield _chart_yaml()
    yield from chart_values.generate()
    for kind in KINDS:
        crd = crds.definition(kind)
        yield template(f"crds/{kind.singular}.yaml", "hack/codegen/crds.py", [crd], ".crds.enabled")
    for name, manifests in _roles():
        yield template(f"rbac/{name}.yaml", "config/rbac", manifests, OPTIONAL.get(name))
    for name, (value, event) in HOOKS.items():
        rights = rbac.chart_jobs()[name]
        source = f"hack/codegen/templates/rbac/{name}.yaml"
        yield template(f"{name}/rbac.yaml", source, rights, value, event)
    for file in policies.generate():
        text = chart_policies.template(file.text)
        yield _template(f"policies/{file.path.name}", str(file.path), text)


def template(
    path: str, source: str, manifests: Iterable[Manifest], value: str | None, event: str = ""
) -> GeneratedFile:
    """Return a template of ``manifests``, rendered where ``value`` is true, or always.

    With ``event``, the manifests are hooks: Helm creates them before the Job of that event, and
    deletes them after it.
    """
    documents = "".join(map(_document, manifests))
    if event:
        documents = documents.replace(
            "metadata:\n", f"metadata:\n  annotations:\n    {_hook(event)}\n"
        )
    if value is not None:
        documents = f"{{{{- if .Values{value} }}}}\n{documents}{{{{- end }}}}\n"
    return _template(path, source, documents)


def _template(path: str, source: str, text: str) -> GeneratedFile:
    header = f"{{{{- /*\n{MARK}\n# from {source}. Change that, not this file.\n*/}}}}\n"
    return GeneratedFile(CHART / "templates" / path, header + text)


def _hook(event: str) -> str:
    return f'{{{{- include "wegent.hook" (list "{event}" "-5") | nindent 4 }}}}'


def _document(manifest: Manifest) -> str:
    """Return one document, with Helm's expressions."""
    text = yaml.dump(
        _named(manifest), Dumper=WithoutAliases, sort_keys=False, allow_unicode=True, width=100
    )
    # Text that looks like Helm's syntax must reach the API server unchanged.
    text = text.replace("{{", '{{ "{{" }}')
    text = re.sub(r"@([a-z-]+)@", lambda found: f"{{{{ {NAMES[found[1]]} }}}}", text)
    text = text.replace(LABELS, TEMPLATED_LABELS)
    kind = manifest["kind"]
    if kind == "CustomResourceDefinition":
        text = text.replace("metadata:\n", 'metadata:\n  {{- include "wegent.keep" . }}\n', 1)
    text = f"---\n{text}"
    if kind == "ServiceAccount" and manifest["metadata"]["name"] not in JOBS:
        part = f".{manifest['metadata']['name'].removeprefix('wegent-')}"
        more = (
            f"  {{{{- with .Values{part}.serviceAccount.annotations }}}}\n  annotations:\n"
            "    {{- toYaml . | nindent 4 }}\n  {{- end }}\nautomountServiceAccountToken: false\n"
        )
        text = f"{{{{- if .Values{part}.serviceAccount.create }}}}\n{text}{more}{{{{- end }}}}\n"
    return text


def _named(manifest: Manifest) -> dict[str, Any]:
    """Return ``manifest`` with a placeholder for each name that depends on the release."""
    metadata = dict(manifest["metadata"])
    kind = manifest["kind"]
    names = ACCOUNTS if kind == "ServiceAccount" else PARTS
    if kind != "CustomResourceDefinition":
        metadata["name"] = _renamed(metadata["name"], names)
    if "namespace" in metadata:
        metadata["namespace"] = NAMESPACES[metadata["namespace"]]
    named = {**manifest, "metadata": metadata}
    if "rules" in manifest:
        named["rules"] = [_rule(rule) for rule in manifest["rules"]]
    if "roleRef" in manifest:
        named["roleRef"] = {
            **manifest["roleRef"],
            "name": _renamed(manifest["roleRef"]["name"], PARTS),
        }
        named["subjects"] = [
            {
                **subject,
                "name": ACCOUNTS[subject["name"]],
                "namespace": NAMESPACES[subject["namespace"]],
            }
            for subject in manifest["subjects"]
        ]
    return named


def _rule(rule: Manifest) -> Manifest:
    """Return a rule on Deployments with the release's names; other rules need no change."""
    if rule["resources"] != ["deployments"]:
        return rule
    return {**rule, "resourceNames": [PARTS[name] for name in rule["resourceNames"]]}


def _renamed(name: str, names: Mapping[str, str]) -> str:
    for ours, marked in names.items():
        if name == ours or name.startswith(f"{ours}-"):
            return marked + name.removeprefix(ours)
    return name


def _roles() -> Iterator[tuple[str, list[Manifest]]]:
    for file in rbac.generate():
        yield file.path.stem, _load(file.text)
    for path in rbac.WRITTEN_BY_HAND:
        yield path.stem, _load((CHECKOUT / path).read_text(encoding="utf-8"))


def _load(text: str) -> list[Manifest]:
    return [document for document in yaml.safe_load_all(text) if document]


def _chart_yaml() -> GeneratedFile:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    fields = {
        "apiVersion": "v2",
        "name": "wegent",
        "description": project["description"],
        "type": "application",
        "version": project["version"],
        "appVersion": project["version"],
        "kubeVersion": KUBE_VERSION,
        "keywords": project["keywords"],
        "annotations": artifacthub.annotations(project),
    }
    header = f"{MARK}\n# from pyproject.toml, CHANGELOG.md and hack/codegen/. Change those.\n"
    body = yaml.dump(fields, Dumper=WithBlocks, sort_keys=False, allow_unicode=True, width=100)
    return GeneratedFile(CHART / "Chart.yaml", header + body)
