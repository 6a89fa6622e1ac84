"""Writes the API keys of Models as their caller. They are never read."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from wegent_api.http.bearer import Caller
from wegent_api.http.errors import Cause, Conflict, Invalid, NotFound
from wegent_api.keys.secrets import DATA_KEY, KeySecrets
from wegent_api.upstream.client import UserApi
from wegent_crds.providers import BASE_URLS
from wegent_crds.registry import MODEL
from wegent_crds.schema.fields import SecretKeyReference
from wegent_kube.content_types import JSON_PATCH
from wegent_kube.encoding import encode_json
from wegent_kube.resources import resource_of

MODELS: Final = resource_of(MODEL)


class ModelKeys:
    """The keys of the Models in one namespace, written with the rights of a caller."""

    def __init__(self, user_api: UserApi, caller: Caller, namespace: str) -> None:
        self._user_api = user_api
        self._caller = caller
        self._namespace = namespace
        self._secrets = KeySecrets(user_api, caller, namespace)

    async def put(
        self, model: str, key: str, hosts: Sequence[str] | None
    ) -> tuple[SecretKeyReference, Sequence[str]]:
        """Store the key of a Model. Return its place, and the hosts that may receive it.

        A Model that refers to no Secret is made to refer to a new one.

        Raises:
            Invalid: there are no hosts, and no safe default.
            Conflict: the Model refers to no Secret, and the name of the new one is taken.
            UpstreamStatus: the API server refused a request.
        """
        spec = await self._spec(model)
        named = _reference(spec)
        place = named or SecretKeyReference(name=f"{model}-key", key=DATA_KEY)
        hosts = hosts or (default_host(spec),)
        if named is not None:
            await self._secrets.replace(place, key, hosts)
            return place, hosts
        if not await self._secrets.create(place, key, hosts):
            reference = f'{{"name": "{place.name}", "key": "{place.key}"}}'
            raise Conflict(
                f'secrets "{place.name}" already exists, and may have the key of another Model;'
                f" to replace that key, first set spec.apiKeySecretRef to {reference},"
                " or else to the name of another Secret"
            )
        await self._refer(model, place)
        return place, hosts

    async def delete(self, model: str) -> None:
        """Delete the Secret with the key of a Model. The Model still refers to it.

        Raises:
            NotFound: the Model refers to no Secret.
            UpstreamStatus: the API server refused a request.
        """
        place = _reference(await self._spec(model))
        if place is None:
            raise NotFound(f'models "{model}": spec.apiKeySecretRef names no Secret')
        await self._secrets.delete(place)

    async def _spec(self, model: str) -> Mapping[str, Any]:
        path = MODELS.path(self._namespace, model)
        body = await self._user_api.request_json(self._caller, "GET", path)
        spec: Mapping[str, Any] = body["spec"]
        return spec

    async def _refer(self, model: str, place: SecretKeyReference) -> None:
        reference = place.model_dump(by_alias=True)
        patch = [
            {"op": "test", "path": "/spec/apiKeySecretRef", "value": None},
            {"op": "add", "path": "/spec/apiKeySecretRef", "value": reference},
        ]
        path = MODELS.path(self._namespace, model)
        await self._user_api.request(
            self._caller, "PATCH", path, body=encode_json(patch), content_type=JSON_PATCH
        )


def default_host(spec: Mapping[str, Any]) -> str:
    """Return the host of a Model's provider.

    The host of ``baseUrl`` is no default: every editor of the namespace may have changed it since
    the caller last saw the Model, and would get the key.

    Raises:
        Invalid: the Model has a baseUrl, or its provider's address isn't known.
    """
    url = BASE_URLS.get(spec["provider"])
    if url is not None and "baseUrl" not in spec:
        return str(urlsplit(url).hostname)
    why = "has a baseUrl" if "baseUrl" in spec else "has a provider without a known address"
    message = f"must name the hosts that may receive the key, because the Model {why}"
    raise Invalid.of([Cause("FieldValueRequired", "hosts", message)], what="ModelKeyChange")


def _reference(spec: Mapping[str, Any]) -> SecretKeyReference | None:
    reference = spec.get("apiKeySecretRef")
    return None if reference is None else SecretKeyReference.model_validate(reference)
