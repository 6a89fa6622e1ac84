"""Unusual answers of the API server about password Secrets."""

from collections.abc import AsyncIterator
from typing import Any, cast

from wegent_api.accounts.password_secrets import PasswordSecrets
from wegent_kube import KubeClient


class Pages:
    """A client that answers lists with these pages."""

    def __init__(self, *pages: dict[str, Any]) -> None:
        self._pages = pages

    async def pages(self, *_: object, **__: object) -> AsyncIterator[dict[str, Any]]:
        for page in self._pages:
            yield page


async def test_an_empty_metadata_only_list_has_null_for_items() -> None:
    """kube-apiserver sends this if there is no Secret yet."""
    kube = Pages({"kind": "PartialObjectMetadataList", "metadata": {}, "items": None})
    secrets = PasswordSecrets(cast("KubeClient", kube), "wegent-accounts")
    assert [found async for found in secrets.all()] == []
