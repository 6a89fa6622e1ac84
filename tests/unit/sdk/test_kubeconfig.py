"""Kubeconfigs of users: contexts, plugins, and those that can't be used."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from wegent_sdk import AsyncClient, Client, ConfigurationError
from wegent_sdk.kubeconfig import load

SECRET = "secret-token-of-a-person"


def kubeconfig(user: dict[str, Any], **context: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:6443/"}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [
            {"name": "one", "context": {"cluster": "c", "user": "u"}},
            {
                "name": "two",
                "context": {"cluster": "c", "user": "u", "namespace": "two", **context},
            },
        ],
    }


def write(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), "utf-8")
    return path


def test_a_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "config", kubeconfig({"token": SECRET}))
    found = load(path, None)
    assert (found.url, found.namespace) == ("https://127.0.0.1:6443", "default")
    assert found.credentials.read() == SECRET
    assert SECRET not in repr(found)
    assert load(path, "two").namespace == "two"
    with Client.from_kubeconfig(path, "two") as client:
        assert (client.namespace, client.is_rest) == ("two", False)
        assert SECRET not in repr(client)
    monkeypatch.setenv("KUBECONFIG", str(path))
    with Client.from_kubeconfig(namespace="mine") as client:
        assert client.namespace == "mine"


async def test_of_an_async_client(tmp_path: Path) -> None:
    path = write(tmp_path / "config", kubeconfig({"token": SECRET}))
    async with AsyncClient.from_kubeconfig(path, "two") as client:
        assert (client.url, client.namespace) == ("https://127.0.0.1:6443", "two")


def test_a_plugin_gives_the_token(tmp_path: Path) -> None:
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": SECRET},
    }
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": ["-c", f"print({json.dumps(json.dumps(credential))})"],
        "interactiveMode": "Never",
    }
    found = load(write(tmp_path / "config", kubeconfig({"exec": plugin})), None)
    assert found.credentials.read() == SECRET


def test_a_client_certificate(tmp_path: Path) -> None:
    certificate = trustme.CA().issue_cert("person")
    pem, key = tmp_path / "c.pem", tmp_path / "k.pem"
    certificate.cert_chain_pems[0].write_to_path(str(pem))
    certificate.private_key_pem.write_to_path(str(key))
    user = {"client-certificate": str(pem), "client-key": str(key)}
    found = load(write(tmp_path / "config", kubeconfig(user)), None)
    assert found.credentials.read() is None


@pytest.mark.parametrize(
    ("content", "context", "text"),
    [
        (None, None, "can't be used"),
        ("", None, "can't be used"),
        ("[]", None, "can't be used"),
        (f"token: '{SECRET}\n  - [", None, "not valid YAML"),
        (kubeconfig({"token": SECRET}), "three", "no context 'three'; it has one, two"),
        (kubeconfig({"token": SECRET}, cluster="absent"), "two", "can't be used"),
        (
            kubeconfig({"client-certificate": "/nowhere.pem", "client-key": "/nowhere.key"}),
            None,
            "nowhere",
        ),
    ],
)
def test_one_that_can_t_be_used(
    tmp_path: Path, content: Any, context: str | None, text: str
) -> None:
    path = tmp_path / "config"
    if content is not None:
        write(path, content)
    with pytest.raises(ConfigurationError) as refused:
        load(path, context)
    assert text in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("tag", ["!!int", "!!bool", "!!timestamp"])
def test_a_value_that_its_tag_does_not_fit_is_not_shown(tmp_path: Path, tag: str) -> None:
    path = write(tmp_path / "config", f"users: [{{user: {{token: {tag} {SECRET}}}}}]\n")
    with pytest.raises(ConfigurationError, match="the kubeconfig") as refused:
        load(path, None)
    assert SECRET not in str(refused.value)
