"""The tables of roles and policies in docs/security.md, generated from the manifests."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from codegen import policies, rbac
from codegen.files import GeneratedRegion
from codegen.markdown import cell, code, table
from devcluster.checkout import CHECKOUT

PAGE: Final = Path("docs/security.md")

Manifest = Mapping[str, Any]


def generate() -> Iterator[GeneratedRegion]:
    """Yield the tables of roles and of policies."""
    manifests = list(_manifests())
    roles = [it for it in manifests if it["kind"] in ("Role", "ClusterRole")]
    for role in roles:
        yield GeneratedRegion(PAGE, _title(role), rights(role))
    yield GeneratedRegion(PAGE, "refusals", refusals(manifests))


def rights(role: Manifest) -> str:
    """Return the table of a role's rights."""
    return table(
        ("Resources", "Verbs"), ((_resources(rule), _verbs(rule)) for rule in role["rules"])
    )


def refusals(manifests: Iterable[Manifest]) -> str:
    """Return the table of the validating policies' rules, with their own messages."""
    manifests = list(manifests)
    warning = {
        manifest["spec"]["policyName"]
        for manifest in manifests
        if manifest.get("spec", {}).get("validationActions") == ["Warn"]
    }
    rows = [
        (code(manifest["metadata"]["name"]), _matched(manifest), cell(rule["message"]))
        for manifest in manifests
        if manifest["kind"] == "ValidatingAdmissionPolicy"
        and manifest["metadata"]["name"] not in warning
        for rule in manifest["spec"]["validations"]
    ]
    return table(("Policy", "Requests", "Message"), rows)


def _title(role: Manifest) -> str:
    """Return kind, name and, if it has one, namespace of a role."""
    metadata = role["metadata"]
    title = f"{role['kind']} {metadata['name']}"
    return f"{title} in {metadata['namespace']}" if "namespace" in metadata else title


def _manifests() -> Iterator[Manifest]:
    generated = (file.text for file in (*policies.generate(), *rbac.generate()))
    by_hand = ((CHECKOUT / path).read_text(encoding="utf-8") for path in rbac.WRITTEN_BY_HAND)
    for text in (*generated, *by_hand):
        yield from filter(None, yaml.safe_load_all(text))
    for job in rbac.chart_jobs().values():
        yield from job


def _resources(rule: Mapping[str, Any]) -> str:
    only = f", only {_codes(rule['resourceNames'])}" if "resourceNames" in rule else ""
    return _codes(rule["resources"]) + only


def _verbs(rule: Mapping[str, Any]) -> str:
    return ", ".join(rule["verbs"])


def _matched(policy: Manifest) -> str:
    (rule,) = policy["spec"]["matchConstraints"]["resourceRules"]
    return f"{' and '.join(rule['operations'])} of {_codes(rule['resources'])}"


def _codes(names: Iterable[str]) -> str:
    return ", ".join(map(code, names))
