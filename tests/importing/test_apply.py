"""``--apply`` on a real proxy and API server: objects, secrets, and a second time."""

import asyncio
import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from devcluster.controlplane import ControlPlane
from tests.api.users import User, unique
from tests.importing.shapes import HEADER_TOKEN, MODEL_KEY, SECRETS, model, whole_set
from tests.importing.test_database import group
from tests.importing.test_database import kind as row_of
from tests.importing.test_database import user as account
from tests.support.api import Api
from tests.support.proxy import Client as ProxyClient
from wegent_import import annotations as known
from wegent_import.apply import CHANGED, OF_ANOTHER
from wegent_import.command import Request, run
from wegent_import.secrets import secret_name
from wegent_kube.content_types import MERGE_PATCH
from wegent_sdk import Client


def imported(path: Path, client: Client, **options: Any) -> tuple[int, str, str]:
    """Return the exit code, the standard output and the standard error of an import."""
    out, err = io.StringIO(), io.StringIO()
    request = Request(paths=[str(path)], apply=True, tasks="pending", **options)
    code = run(request, {}, out, err, lambda: client)
    for secret in SECRETS:
        assert secret not in out.getvalue() + err.getvalue()
    return code, out.getvalue(), err.getvalue()


def mapped(namespace: str) -> list[str]:
    return [f"default={namespace}", f"tools/shared={namespace}"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "wegent.yaml"
    write(path, [it for it in whole_set() if it["kind"] != "Workspace"])
    return path


def write(path: Path, bodies: list[dict[str, Any]]) -> None:
    path.write_text(yaml.safe_dump_all(bodies), encoding="utf-8")


async def secret_value(api: Api, namespace: str, name: str) -> tuple[str, str]:
    """Return the value of a Secret, and its hosts."""
    path = f"/api/v1/namespaces/{namespace}/secrets/{name}"
    body = await api.client.request("GET", path)
    value = base64.b64decode(body["data"]["key"]).decode()
    return value, body["metadata"]["annotations"]["agent.wecode.io/hosts"]


async def test_objects_and_secrets_over_rest(
    api: Api, user: User, proxy_url: str, file: Path
) -> None:
    with Client(proxy_url, token=user.client.token) as client:
        options = {"map_namespace": mapped(user.home)}
        code, out, err = await asyncio.to_thread(imported, file, client, **options)
        assert code == 0, err + out
        assert out.count(" created") == 7
        assert out.count(" stored") == 2
        key = await secret_value(api, user.home, "claude-sonnet-key")
        assert key == (MODEL_KEY, "llm.example.com")
        header = secret_name("Ghost", "reviewer-ghost", "weather", "Authorization")
        value = await secret_value(api, user.home, header)
        assert value == (HEADER_TOKEN, "weather.example.com")
        code, out, _ = await asyncio.to_thread(imported, file, client, **options)
        assert code == 0
        assert out.count(" unchanged") == 7


async def test_a_dry_run_stores_nothing(api: Api, user: User, proxy_url: str, file: Path) -> None:
    with Client(proxy_url, token=user.client.token) as client:
        name = unique("dry")
        write(file, [model(name)])
        options = {"map_namespace": mapped(user.home), "dry_run": True}
        code, out, _ = await asyncio.to_thread(imported, file, client, **options)
        assert code == 0, out
        assert await api.get("models", user.home, name) is None


async def test_a_refusal_is_a_failure_and_keeps_the_others(
    user: User, proxy_url: str, file: Path
) -> None:
    with Client(proxy_url, token=user.client.token) as client:
        places = [f"default={user.home}", "tools/shared=of-others"]
        code, out, _ = await asyncio.to_thread(imported, file, client, map_namespace=places)
        assert code == 1
        assert "skill/read-diffs in of-others failed" in out
        assert f"shell/claudecode in {user.home}" in out


async def test_with_a_kubeconfig(
    api: Api, control_plane: ControlPlane, namespace: str, file: Path
) -> None:
    other = f"{namespace}-tools"
    with Client.from_kubeconfig(control_plane.kubeconfig) as client:
        options: dict[str, Any] = {
            "map_namespace": [f"default={namespace}", f"tools/shared={other}"],
            "create_namespaces": True,
        }
        code, out, err = await asyncio.to_thread(imported, file, client, **options)
        assert code == 0, err + out
        assert f"namespace/{other} in the cluster configured" in out
        assert (await secret_value(api, namespace, "claude-sonnet-key"))[0] == MODEL_KEY
        code, out, _ = await asyncio.to_thread(imported, file, client, **options)
        assert code == 0
        assert out.count(" unchanged") == 7


async def test_groups_over_rest(
    api: Api, admin_client: ProxyClient, user: User, proxy_url: str, tmp_path: Path
) -> None:
    name = unique("group")
    ann = unique("ann")
    rows = [
        *(account(1, user.name), account(2, ann)),
        group(1, name, 1, display_name="A group"),
    ]
    path = tmp_path / "rows.ndjson"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    with Client(proxy_url, token=admin_client.token) as client:
        code, out, _ = await asyncio.to_thread(imported, path, client)
        assert code == 1
        assert f"account/{user.name} in wegent-accounts unchanged" in out
        assert f"account/{ann} in wegent-accounts failed: the REST API makes no Account" in out
        assert f"group/{name} in wegent-accounts created" in out
        body = await api.get("groups", "wegent-accounts", name)
        assert body is not None
        assert body["spec"]["displayName"] == "A group"
        _, out, _ = await asyncio.to_thread(imported, path, client)
        assert f"group/{name} in wegent-accounts unchanged" in out
        again = await api.get("groups", "wegent-accounts", name)
        assert again is not None
        assert again["metadata"]["generation"] == body["metadata"]["generation"]


async def test_a_group_that_was_changed_since_its_import_stays_so_over_rest(
    api: Api, admin_client: ProxyClient, user: User, proxy_url: str, tmp_path: Path
) -> None:
    name = unique("Group")
    path = tmp_path / "rows.ndjson"
    rows = [account(1, user.name), group(1, name, 1)]
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    place = f"/apis/agent.wecode.io/v1/namespaces/wegent-accounts/groups/{name.lower()}"
    with Client(proxy_url, token=admin_client.token) as client:
        code, out, _ = await asyncio.to_thread(imported, path, client)
        assert code == 0, out
        change = {"spec": {"members": [], "displayName": "Without members"}}
        await api.client.request("PATCH", place, body=change, content_type=MERGE_PATCH)
        changed = await api.get("groups", "wegent-accounts", name.lower())
        assert changed is not None
        assert changed["metadata"]["annotations"][known.NAME] == name
        code, out, _ = await asyncio.to_thread(imported, path, client)
        assert code == 0, out
        assert f"group/{name.lower()} in wegent-accounts unchanged: {CHANGED}" in out
        again = await api.get("groups", "wegent-accounts", name.lower())
        assert again is not None
        assert again["spec"] == changed["spec"]


async def test_a_group_that_exists_keeps_its_members_over_rest(
    api: Api, admin_client: ProxyClient, user: User, proxy_url: str, tmp_path: Path
) -> None:
    name = unique("group")
    path = tmp_path / "rows.ndjson"
    rows = [account(1, user.name), group(1, name, 1), row_of(1, 1, model("m"), namespace=name)]
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    with Client(proxy_url, token=admin_client.token) as client:
        made = {"name": name, "displayName": "Of others"}
        await asyncio.to_thread(client.raw.request, "POST", "/api/v1/namespaces", body=made)
        code, out, _ = await asyncio.to_thread(imported, path, client)
        assert code == 1
        assert f"group/{name} in wegent-accounts failed: the name is taken" in out
        body = await api.get("groups", "wegent-accounts", name)
        assert body is not None
        assert not body["spec"].get("members")
        # Nor do the members of the other group see objects of this one.
        assert f"model/m in {name} failed: {OF_ANOTHER}" in out
        assert "secret/" not in out


async def test_a_group_that_exists_keeps_its_members_with_a_kubeconfig(
    api: Api, control_plane: ControlPlane, tmp_path: Path
) -> None:
    name, ann = unique("group"), unique("ann")
    path = tmp_path / "rows.ndjson"
    rows = [account(1, ann), group(1, name, 1)]
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    with Client.from_kubeconfig(control_plane.kubeconfig) as client:
        _, out, _ = await asyncio.to_thread(imported, path, client)
        assert f"group/{name} in wegent-accounts created" in out
        _, out, _ = await asyncio.to_thread(imported, path, client)
        assert f"group/{name} in wegent-accounts unchanged" in out
        change: dict[str, Any] = {"spec": {"members": []}}
        place = "/apis/agent.wecode.io/v1/namespaces/wegent-accounts/groups"
        await api.client.request("PATCH", f"{place}/{name}", body=change, content_type=MERGE_PATCH)
        _, out, _ = await asyncio.to_thread(imported, path, client)
        assert f"group/{name} in wegent-accounts unchanged: {CHANGED}" in out
        changed = await api.get("groups", "wegent-accounts", name)
        assert changed is not None
        assert not changed["spec"].get("members")
        other = unique("group")
        made = {
            "apiVersion": "agent.wecode.io/v1",
            "kind": "Group",
            "metadata": {"name": other, "namespace": "wegent-accounts"},
            "spec": {"displayName": "Of others"},
        }
        await api.client.request("POST", place, body=made)
        rows[-1] = group(1, other, 1)
        path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
        code, out, _ = await asyncio.to_thread(imported, path, client)
        assert code == 1
        assert f"group/{other} in wegent-accounts failed: the name is taken" in out
        body = await api.get("groups", "wegent-accounts", other)
        assert body is not None
        assert not body["spec"].get("members")
