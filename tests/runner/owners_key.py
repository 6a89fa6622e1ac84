"""The API key of the owner of a Model, as fixtures."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support.api import Api
from tests.support.provider import Provider
from wegent_crds.api_keys import HOSTS_ANNOTATION, SECRET_TYPE
from wegent_kube.resources import SECRETS

KEY = "sk-the-owners-secret"
Store = Callable[..., Awaitable[None]]


@pytest.fixture
def store(api: Api, namespace: str, provider: Provider) -> Store:
    """Store the owner's key for the provider."""

    async def make(
        hosts: str | None = None, type_: str = SECRET_TYPE, where: str | None = None
    ) -> None:
        home = where or namespace
        allowed = f"http://127.0.0.1:{provider.port}" if hosts is None else hosts
        body = {
            "metadata": {"name": "owners", "annotations": {HOSTS_ANNOTATION: allowed}},
            "type": type_,
            "stringData": {"key": KEY},
        }
        await api.client.request("POST", SECRETS.path(home), body=body)

    return make


@pytest.fixture
def use(api: Api, namespace: str, bot: str) -> Store:
    """Let the Bot's Model refer to the key, with further changes."""
    del bot

    async def change(**spec: Any) -> None:
        spec = {"apiKeySecretRef": {"name": "owners", "key": "key"}, **spec}
        await api.merge("models", namespace, "m", {"spec": spec})

    return change
