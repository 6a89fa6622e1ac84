"""API keys of Models, secret headers of MCP servers, and the test of a Model."""

from collections.abc import Sequence
from typing import Any, Final, Literal
from urllib.parse import quote

from wegent_crds.registry import BY_PLURAL, MODEL
from wegent_sdk.objects import encoded
from wegent_sdk.raw import Body
from wegent_sdk.watches import Operations
from wegent_sdk.wire import Request

TEST_WITHIN_S: Final = 60.0
"""The call itself ends after 30 seconds, and may wait for its turn as long."""
Owner = Literal["ghosts", "skills"]


class KeyOperations(Operations):
    """Requests that write secrets. No request reads one."""

    async def put(
        self,
        model: str,
        key: str,
        hosts: Sequence[str] | None = None,
        namespace: str | None = None,
    ) -> Body:
        """Store the API key of a Model; return the place of the Secret, and the hosts.

        Args:
            model: name of the Model.
            key: the key.
            hosts: hosts that may receive it; those of the provider if left out.
            namespace: namespace of the Model.

        Raises:
            Invalid: the key or a host is not valid, or the Model needs ``hosts``.
            WegentError: the request failed.
        """
        return await self._put(self._key(model, namespace), {"key": key}, hosts, namespace)

    async def delete(self, model: str, namespace: str | None = None) -> None:
        """Delete the API key of a Model.

        Raises:
            WegentError: the request failed.
        """
        await self._delete(self._key(model, namespace), namespace)

    async def put_header(
        self,
        owner: Owner,
        name: str,
        server: str,
        header: str,
        value: str,
        hosts: Sequence[str],
        *,
        namespace: str | None = None,
    ) -> Body:
        """Store the value of a header of an MCP server; return its place, and the hosts.

        Args:
            owner: kind of the object that has the server.
            name: name of the object.
            server: name of the server.
            header: name of the header.
            value: the whole value, such as ``Bearer ...``.
            hosts: hosts that may receive it.
            namespace: namespace of the object.

        Raises:
            WegentError: the request failed.
        """
        path = self._header(owner, name, server, header, namespace)
        return await self._put(path, {"value": value}, hosts, namespace)

    async def delete_header(
        self, owner: Owner, name: str, server: str, header: str, *, namespace: str | None = None
    ) -> None:
        """Delete the value of a header of an MCP server.

        Raises:
            WegentError: the request failed.
        """
        await self._delete(self._header(owner, name, server, header, namespace), namespace)

    async def test(self, model: str, namespace: str | None = None) -> Body:
        """Have a runner call a Model once. A call that fails is a result too.

        Returns:
            The result: ``succeeded``, the times in milliseconds, ``usage``, and ``error`` with
            ``reason`` and ``message`` of a failure.

        Raises:
            Unavailable: there is no runner.
            WegentError: the request failed.
        """
        self._raw.target.need_login("tests of Models")
        target = self._raw.target
        path = f"{target.path(MODEL, namespace, model)}/test"
        return await self._raw.api.object(
            Request("POST", path, target.params(namespace), answer_within_s=TEST_WITHIN_S)
        )

    def _key(self, model: str, namespace: str | None) -> str:
        self._raw.target.need_login("keys")
        return f"{self._raw.target.path(MODEL, namespace, model)}/key"

    def _header(
        self, owner: Owner, name: str, server: str, header: str, namespace: str | None
    ) -> str:
        self._raw.target.need_login("keys")
        root = self._raw.target.path(BY_PLURAL[owner], namespace, name)
        return f"{root}/mcpservers/{quote(server, safe='')}/headers/{quote(header, safe='')}"

    async def _put(
        self, path: str, body: dict[str, Any], hosts: Sequence[str] | None, namespace: str | None
    ) -> Body:
        named = {} if hosts is None else {"hosts": list(hosts)}
        params = self._raw.target.params(namespace)
        return await self._raw.api.object(
            Request("PUT", path, params, encoded({**body, **named}), repeatable=True)
        )

    async def _delete(self, path: str, namespace: str | None) -> None:
        await self._raw.api.delete(Request("DELETE", path, self._raw.target.params(namespace)))
