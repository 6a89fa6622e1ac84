"""Writes the values of MCP servers' headers as their caller. They are never read."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from wegent_api.http.bearer import Caller
from wegent_api.http.errors import Conflict, NotFound
from wegent_api.keys.secrets import DATA_KEY, KeySecrets
from wegent_api.upstream.client import UserApi
from wegent_crds.registry import Kind
from wegent_crds.schema.fields import SecretKeyReference
from wegent_kube.content_types import JSON_PATCH
from wegent_kube.encoding import encode_json
from wegent_kube.resources import resource_of

MAX_NAME: Final = 253
"""Characters of a Secret's name."""
DIGEST_CHARS: Final = 10
NO_DNS: Final = re.compile("[^a-z0-9]+")


class HeaderSecrets:
    """The headers of MCP servers of a kind's objects in one namespace, with a caller's rights."""

    def __init__(self, user_api: UserApi, caller: Caller, kind: Kind, namespace: str) -> None:
        self._user_api = user_api
        self._caller = caller
        self._kind = kind
        self._namespace = namespace
        self._secrets = KeySecrets(user_api, caller, namespace)

    async def put(
        self, name: str, server: str, header: str, value: str, hosts: Sequence[str]
    ) -> SecretKeyReference:
        """Store the value of a header, and return its place.

        A server that doesn't have the header in ``headersFrom`` gets it, with a new Secret.

        Raises:
            NotFound: the object has no such server.
            Conflict: the name of the new Secret is taken.
            UpstreamStatus: the API server refused a request.
        """
        spec = await self._server(name, server)
        named = find_reference(spec, header)
        if named is not None:
            await self._secrets.replace(named, value, hosts)
            return named
        place = SecretKeyReference(name=secret_name(self._kind, name, server, header), key=DATA_KEY)
        patch = encode_json(reference_patch(spec, server, header, place))
        # The schema may refuse the header, and then no Secret should be left behind.
        await self._patch(name, patch, {"dryRun": "All"})
        if not await self._secrets.create(place, value, hosts):
            reference = f'{{"name": "{place.name}", "key": "{place.key}"}}'
            raise Conflict(
                f'secrets "{place.name}" already exists, and may have another value; to replace it,'
                f" first set spec.mcpServers[{server}].headersFrom[{header}].secretKeyRef to"
                f" {reference}, or else to the name of another Secret"
            )
        await self._patch(name, patch, {})
        return place

    async def delete(self, name: str, server: str, header: str) -> None:
        """Delete the Secret with the value of a header. The server still refers to it.

        Raises:
            NotFound: the object has no such server, or that has no such header from a Secret.
            UpstreamStatus: the API server refused a request.
        """
        place = find_reference(await self._server(name, server), header)
        if place is None:
            raise NotFound(
                f'{self._kind.plural} "{name}": spec.mcpServers[{server}].headersFrom has no'
                f" {header}"
            )
        await self._secrets.delete(place)

    async def _server(self, name: str, server: str) -> Mapping[str, Any]:
        path = resource_of(self._kind).path(self._namespace, name)
        body = await self._user_api.request_json(self._caller, "GET", path)
        servers: Mapping[str, Mapping[str, Any]] = body["spec"].get("mcpServers") or {}
        if server not in servers:
            raise NotFound(f'{self._kind.plural} "{name}": spec.mcpServers has no {server}')
        return servers[server]

    async def _patch(self, name: str, patch: bytes, params: Mapping[str, str]) -> None:
        await self._user_api.request(
            self._caller,
            "PATCH",
            resource_of(self._kind).path(self._namespace, name),
            body=patch,
            params=params,
            content_type=JSON_PATCH,
        )


def find_reference(server: Mapping[str, Any], header: str) -> SecretKeyReference | None:
    """Return the Secret of a header of an MCP server; the case of the name is ignored."""
    for name, source in (server.get("headersFrom") or {}).items():
        if name.lower() == header.lower():
            return SecretKeyReference.model_validate(source["secretKeyRef"])
    return None


def reference_patch(
    server: Mapping[str, Any], name: str, header: str, place: SecretKeyReference
) -> list[dict[str, Any]]:
    """Return the JSON patch that makes the header of the server ``name`` refer to a Secret.

    It fails if the header has been given a Secret since ``server`` was read. No name of a server or
    of a header contains a character that a JSON pointer escapes.
    """
    path = f"/spec/mcpServers/{name}/headersFrom"
    source: dict[str, Any] = {"secretKeyRef": place.model_dump(by_alias=True)}
    if "headersFrom" in server:
        path, added = f"{path}/{header}", source
    else:
        added = {header: source}
    return [
        {"op": "test", "path": path, "value": None},
        {"op": "add", "path": path, "value": added},
    ]


def secret_name(kind: Kind, name: str, server: str, header: str) -> str:
    """Return the name of the Secret of a header: ``<kind>-<name>-<server>-<header>-<digest>``.

    The digest tells apart what the dashes don't, such as the header ``b-c`` of the server ``a`` and
    the header ``c`` of ``a-b``. The part before it is for people, and is shortened. The case of a
    header doesn't count, as in HTTP.
    """
    parts = (kind.singular, name, server, header.lower())
    digest = hashlib.sha256(encode_json(parts)).hexdigest()[:DIGEST_CHARS]
    rest = NO_DNS.sub("-", f"{server}-{header}".lower())
    shown = f"{kind.singular}-{name}-{rest}"[: MAX_NAME - DIGEST_CHARS - 1]
    return f"{shown.rstrip('-.')}-{digest}"
