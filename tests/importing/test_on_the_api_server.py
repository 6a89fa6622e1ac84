"""Results on a real API server: strictly valid, Ready, and the same after a second import."""

import json
from typing import Any

import pytest

from tests.api.users import unique
from tests.importing.shapes import bot, converted, ghost, shell, whole_set
from tests.importing.test_database import group, imported, kind, user
from tests.support.api import Api
from tests.support.kubectl import Kubectl
from wegent_crds.registry import BY_KIND

pytestmark = pytest.mark.usefixtures("operator")
APPLY = ("apply", "--server-side", "--field-manager=wegent-import", "--validate=strict")


def result_in(namespace: str) -> list[dict[str, Any]]:
    other = f"{namespace}-tools"
    options: dict[str, Any] = {"namespaces": {"default": namespace, "tools/shared": other}}
    found = converted(*whole_set(), tasks="pending", create_namespaces=True, **options)
    return [*found.objects, *(secret.body() for secret in found.secrets if secret.hosts)]


def listing(objects: list[dict[str, Any]]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "List", "items": objects}


async def test_all_become_ready_and_a_second_import_changes_nothing(
    api: Api, kubectl: Kubectl, namespace: str
) -> None:
    objects = result_in(namespace)
    (await kubectl.call(*APPLY, "-f", "-", stdin=listing(objects))).ok()
    kinds = [it for it in objects if it["kind"] in BY_KIND]
    assert len(kinds) == 7
    for body in kinds:
        metadata = body["metadata"]
        await api.settled(
            BY_KIND[body["kind"]].plural, metadata["namespace"], metadata["name"], "Ready"
        )
    before = await versions(api, kinds)
    (await kubectl.call(*APPLY, "-f", "-", stdin=listing(result_in(namespace)))).ok()
    assert await versions(api, kinds) == before


async def versions(api: Api, objects: list[dict[str, Any]]) -> list[tuple[str, int]]:
    """Return each object's name with its generation, which a change of the spec raises."""
    found = []
    for body in objects:
        metadata = body["metadata"]
        plural = BY_KIND[body["kind"]].plural
        stored = await api.get(plural, metadata["namespace"], metadata["name"])
        assert stored is not None
        annotations = json.dumps(stored["metadata"].get("annotations"), sort_keys=True)
        found.append((f"{plural} {annotations}", stored["metadata"]["generation"]))
    return found


async def test_a_database_with_users_and_groups(api: Api, kubectl: Kubectl, namespace: str) -> None:
    name = unique("ann")
    team = f"{namespace}-team"
    rows = [
        user(1, name),
        group(1, team, 1),
        kind(1, 0, shell()),
        kind(2, 1, ghost()),
        kind(3, 1, bot(modelRef=None)),
        kind(4, 1, ghost("of the group") | {"metadata": {"name": "g", "namespace": team}}),
    ]
    options: dict[str, Any] = {"namespaces": {"default": namespace}, "create_namespaces": True}
    objects = list(imported(*rows, **options).objects)
    # The operator makes the namespace of a user, in which the user's own objects are.
    first = [it for it in objects if it["kind"] in {"Namespace", "Account", "Group"}]
    (await kubectl.call(*APPLY, "-f", "-", stdin=listing(first))).ok()
    await api.settled("accounts", "wegent-accounts", name, "Ready")
    await api.settled("groups", "wegent-accounts", team, "Ready")
    (await kubectl.call(*APPLY, "-f", "-", stdin=listing(objects))).ok()
    for body in objects:
        metadata = body["metadata"]
        if body["kind"] != "Namespace":
            await api.settled(
                BY_KIND[body["kind"]].plural, metadata["namespace"], metadata["name"], "Ready"
            )
    assert await api.get("bots", f"wegent-{name}", "reviewer-bot") is not None
    bindings = await kubectl.call("get", "rolebindings", "-n", team, "-o", "name")
    assert f"wegent-account-{name}-admin" in bindings.ok().stdout
