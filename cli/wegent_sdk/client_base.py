"""The base of both clients."""

from os import PathLike
from typing import ClassVar, Self

from wegent_sdk.account import AccountOperations
from wegent_sdk.apply import ApplyOperations
from wegent_sdk.binding import Group
from wegent_sdk.connect import TIMEOUT_S, over_kubernetes, over_rest
from wegent_sdk.credentials import Login
from wegent_sdk.http import AsyncHttp, SyncHttp
from wegent_sdk.kinds import KindOperations
from wegent_sdk.watches import WatchOperations

FilePath = str | PathLike[str]


class ClientOperations(KindOperations, ApplyOperations, AccountOperations):
    """The operations that are methods of the client itself."""

    async def close(self) -> None:
        """Close the connections."""
        await self._raw.api.wire.close()


class BaseClient(Group[ClientOperations]):
    """The connection of a client.

    Args:
        url: address of the REST API, such as ``https://wegent.example.com``.
        token: a login, which is renewed before it expires, or a token; None for a client that logs
            in, with `login`.
        verify: False to trust every certificate, or a file with certificates of authorities.
        timeout_s: seconds for a connection, and between two pieces of an answer.
        namespace: namespace of requests that name none; that of the server if left out.

    Raises:
        ConfigurationError: the address, the token or the file can't be used.
    """

    _http: ClassVar[type[SyncHttp | AsyncHttp]]

    def __init__(
        self,
        url: str,
        *,
        token: str | Login | None = None,
        verify: bool | FilePath = True,
        timeout_s: float = TIMEOUT_S,
        namespace: str | None = None,
    ) -> None:
        self._set_up(over_rest(self._http, url, token, verify, timeout_s, namespace))

    @classmethod
    def from_kubeconfig(
        cls,
        path: FilePath | None = None,
        context: str | None = None,
        namespace: str | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
    ) -> Self:
        """Return a client of the Kubernetes API itself, which needs no login and no REST API.

        Events, transcripts, tokens and keys need the REST API: they raise `NeedsLogin`.

        Args:
            path: the kubeconfig; ``$KUBECONFIG``, else ``~/.kube/config``, if left out.
            context: name of its context; the current one if left out.
            namespace: namespace of requests that name none; that of the context if left out.
            timeout_s: seconds for a connection, and between two pieces of an answer.

        Raises:
            ConfigurationError: the kubeconfig can't be used.
        """
        client = cls.__new__(cls)
        client._set_up(  # noqa: SLF001 - of its own class
            over_kubernetes(cls._http, path, context, namespace, timeout_s)
        )
        return client

    def _set_up(self, raw: WatchOperations) -> None:
        super().__init__(ClientOperations(raw))
        self._raw = raw

    @property
    def url(self) -> str:
        """Address of the server."""
        return self._raw.api.url

    @property
    def is_rest(self) -> bool:
        """True for the REST API, False for the Kubernetes API."""
        return self._raw.target.is_rest

    @property
    def namespace(self) -> str | None:
        """Namespace of requests that name none; None if the server decides."""
        return self._raw.target.default_namespace

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.url}>"
