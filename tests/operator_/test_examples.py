"""Every manifest of ``examples/`` becomes Ready."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from devcluster.checkout import CHECKOUT
from tests.support.api import Api
from tests.support.kubectl import Kubectl
from tests.unit.pages import PAGES
from wegent_crds.registry import BY_KIND, GROUP

FOLDER = CHECKOUT / "examples"
APART = {"account.yaml", "group.yaml", "rbac.yaml"}
"""Not of a user's namespace."""

pytestmark = pytest.mark.usefixtures("operator")


def manifests() -> Iterator[dict[str, Any]]:
    for file in sorted(FOLDER.rglob("*.yaml")):
        if file.name not in APART:
            yield from yaml.safe_load_all(file.read_text(encoding="utf-8"))


async def test_each_becomes_ready(api: Api, kubectl: Kubectl, namespace: str) -> None:
    found = list(manifests())
    for manifest in found:
        manifest["metadata"]["namespace"] = namespace
    listing = {"apiVersion": "v1", "kind": "List", "items": found}
    kubectl.run("create", "-f", "-", stdin=listing).ok()
    waiting = 0
    for manifest in found:
        if not manifest["apiVersion"].startswith(f"{GROUP}/"):
            continue
        continues = "previousTaskRef" in manifest["spec"]  # until the previous Task is Completed
        waiting += continues
        await api.settled(
            BY_KIND[manifest["kind"]].plural,
            namespace,
            manifest["metadata"]["name"],
            "RefNotReady" if continues else "Ready",
        )
    assert waiting == 2


def test_no_two_objects_have_one_name() -> None:
    names = [(it["kind"], it["metadata"]["name"]) for it in manifests()]
    assert len(names) == len(set(names))


def test_keys_are_placeholders_with_hosts() -> None:
    secrets = [it for it in manifests() if it["kind"] == "Secret"]
    assert secrets
    for secret in secrets:
        assert secret["type"] == f"{GROUP}/api-key"
        assert set(secret["stringData"].values()) == {"replace-me"}
        assert secret["metadata"]["annotations"][f"{GROUP}/hosts"]


def test_each_folder_is_on_a_page() -> None:
    linked = {link for page in PAGES for link in page.links}
    for folder in FOLDER.iterdir():
        if folder.is_dir():
            assert any(f"examples/{folder.name}/" in link for link in linked), folder
