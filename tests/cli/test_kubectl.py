"""kubectl with the login of the CLI, and the CLI as a plugin of kubectl."""

import json
from pathlib import Path

import pytest
import yaml

from devcluster.controlplane import ControlPlane
from tests.support.api import Api
from tests.support.cli import PLUGIN, Cli
from tests.support.commands import Result
from tests.support.kubectl import Kubectl

pytestmark = pytest.mark.usefixtures("operator")


@pytest.fixture
def program(control_plane: ControlPlane) -> Path:
    return control_plane.binaries.kubectl


async def kubectl_of(cli: Cli, program: Path, *arguments: str) -> Result:
    return await cli.run_other(program, *arguments)


async def test_kubectl_with_the_login(at_home: Cli, home: str, program: Path, api: Api) -> None:
    await api.create("ghosts", home, "g", {"systemPrompt": "You help."})
    told = (await at_home.run("kubeconfig")).ok().stderr
    assert "try `kubectl get wegent`" in told
    file = at_home.home / ".kube" / "config"
    assert file.stat().st_mode & 0o077 == 0
    assert at_home.context["token"] not in file.read_text()
    shown = (await kubectl_of(at_home, program, "get", "ghosts")).ok().stdout
    assert shown.splitlines()[1].split()[0] == "g"
    who = (await kubectl_of(at_home, program, "auth", "whoami", "-o", "json")).ok().json
    assert who["status"]["userInfo"]["username"].endswith(at_home.variables["TEST_USER"])


async def test_kubectl_with_an_expired_login(at_home: Cli, program: Path) -> None:
    (await at_home.run("kubeconfig")).ok()
    at_home.edit(expiresAt="2020-01-01T00:00:00+00:00")
    result = await kubectl_of(at_home, program, "get", "ghosts")
    assert result.exit_code == 1
    assert "error: the login has expired" in result.stderr
    assert "remedy: log in with `wegent login`" in result.stderr


async def test_the_credential(user: Cli) -> None:
    info = {"apiVersion": "client.authentication.k8s.io/v1beta1", "kind": "ExecCredential"}
    cli = user.with_(KUBERNETES_EXEC_INFO=json.dumps(info))
    body = (await cli.run("credential")).ok().json
    assert body["apiVersion"] == info["apiVersion"]
    assert body["status"]["token"] == user.context["token"]
    assert body["status"]["expirationTimestamp"].endswith("Z")


async def test_a_damaged_kubeconfig_shows_none_of_its_tokens(user: Cli) -> None:
    file = user.home / "mine"
    file.write_text("users:\n- name: a\n  user:\n    token: secret-of-mine: x\n")
    result = await user.run("kubeconfig", "--file", file)
    assert result.exit_code == 2
    assert f"{file}, line 4: this is not valid YAML" in result.stderr
    assert "secret-of-mine" not in result.stderr


async def test_other_entries_of_a_kubeconfig_stay(user: Cli) -> None:
    file = user.home / "mine"
    mine = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "prod", "cluster": {"server": "https://prod"}}],
        "users": [{"name": "me", "user": {"token": "t"}}],
        "contexts": [{"name": "prod", "context": {"cluster": "prod", "user": "me"}}],
        "current-context": "prod",
        "preferences": {"colors": True},
    }
    file.write_text(yaml.safe_dump(mine))
    for _ in range(2):
        (await user.run("kubeconfig", "--file", file, "--keep-current")).ok()
    merged = yaml.safe_load(file.read_text())
    assert merged["current-context"] == "prod"
    assert merged["preferences"] == {"colors": True}
    assert merged["clusters"][0]["name"] == "prod"
    assert len(merged["clusters"]) == len(merged["users"]) == len(merged["contexts"]) == 2
    file.write_text("- not a kubeconfig")
    assert (await user.run("kubeconfig", "--file", file)).exit_code == 2
    assert file.read_text() == "- not a kubeconfig"


async def test_as_a_plugin(at_home: Cli, home: str, program: Path, api: Api) -> None:
    await api.create("ghosts", home, "g", {"systemPrompt": "You help."})
    assert PLUGIN.exists()
    shown = (await kubectl_of(at_home, program, "wegent", "get", "ghosts")).ok().stdout
    assert shown.splitlines()[1].split()[0] == "g"
    helped = (await kubectl_of(at_home, program, "wegent", "--help")).ok().stdout
    assert helped.startswith("Usage: kubectl wegent")


async def test_with_a_kubeconfig_alone(stranger: Cli, kubectl: Kubectl, namespace: str) -> None:
    """No login and no REST API: the API server itself."""
    cli = stranger.with_(KUBECONFIG=str(kubectl.kubeconfig))
    where = ("-n", namespace)
    ghost = "apiVersion: agent.wecode.io/v1\nkind: Ghost\nmetadata: {name: g}\n"
    ghost += "spec: {systemPrompt: Hi}\n"
    applied = (await cli.run("apply", "-f", "-", *where, stdin=ghost)).ok()
    assert applied.stdout == "ghost/g created\n"
    assert (await cli.run("get", "ghosts", *where)).ok().stdout.splitlines()[1].startswith("g ")
    (await cli.run("tree", "ghost/g", *where)).ok()
    (await cli.run("doctor", *where)).ok()
    for command in (("key", "set", "m"), ("token", "list"), ("chat", "x"), ("namespace", "list")):
        result = await cli.run(*command, stdin="x")
        assert result.exit_code == 3, command
        assert "remedy: " in result.stderr
    (await cli.run("delete", "ghost/g", *where)).ok()
    (await stranger.run("login", "--kubeconfig", kubectl.kubeconfig, "--name", "mine")).ok()
    (await stranger.run("get", "ghosts", *where)).ok()
    assert (await stranger.run("config", "list", "-o", "name")).ok().stdout == "mine\n"
