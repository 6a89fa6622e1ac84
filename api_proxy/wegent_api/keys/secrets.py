"""Writes the Secrets of keys as their caller. They are never read.

A key is a Secret of a type of its own, with an annotation that names the hosts that may receive it.
The API server's answers to writes contain the Secret, and are dropped here.
"""

import base64
from collections.abc import Sequence
from typing import Any, Final

from wegent_api.http.bearer import Caller
from wegent_api.http.errors import UpstreamStatus
from wegent_api.upstream.client import UserApi
from wegent_crds.api_keys import HOSTS_ANNOTATION, SECRET_TYPE
from wegent_crds.schema.fields import SecretKeyReference
from wegent_kube.encoding import encode_json
from wegent_kube.resources import SECRETS

DATA_KEY: Final = "key"
"""Key of the data in a new Secret."""
BACKGROUND: Final = {"propagationPolicy": "Background"}
"""The policy ``wegent-keys`` allows no other: the answers would contain the key."""


class KeySecrets:
    """The Secrets of keys in one namespace, written with the rights of a caller."""

    def __init__(self, user_api: UserApi, caller: Caller, namespace: str) -> None:
        self._user_api = user_api
        self._caller = caller
        self._namespace = namespace

    async def create(self, place: SecretKeyReference, key: str, hosts: Sequence[str]) -> bool:
        """Create a Secret. Return False if there is one of that name, which may have another key.

        Raises:
            UpstreamStatus: the API server refused the request.
        """
        try:
            await self._post(_secret(place, key, hosts))
        except UpstreamStatus as error:
            if not error.is_already_exists:
                raise
            return False
        return True

    async def replace(self, place: SecretKeyReference, key: str, hosts: Sequence[str]) -> None:
        """Replace a Secret, or create it.

        Raises:
            UpstreamStatus: the API server refused a request.
        """
        secret = _secret(place, key, hosts)
        path = SECRETS.path(self._namespace, place.name)
        try:
            await self._user_api.request(self._caller, "PUT", path, body=encode_json(secret))
        except UpstreamStatus as error:
            if not error.is_not_found:
                raise
            await self._post(secret)

    async def delete(self, place: SecretKeyReference) -> None:
        """Delete a Secret.

        Raises:
            UpstreamStatus: the API server refused the request.
        """
        path = SECRETS.path(self._namespace, place.name)
        await self._user_api.request(self._caller, "DELETE", path, body=encode_json(BACKGROUND))

    async def _post(self, secret: dict[str, Any]) -> None:
        path = SECRETS.path(self._namespace)
        await self._user_api.request(self._caller, "POST", path, body=encode_json(secret))


def _secret(place: SecretKeyReference, key: str, hosts: Sequence[str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": place.name, "annotations": {HOSTS_ANNOTATION: ", ".join(hosts)}},
        "type": SECRET_TYPE,
        "data": {place.key: base64.b64encode(key.encode()).decode()},
    }
