"""The headers of requests to an MCP server, and the secrets among them.

The value of a header in ``headersFrom`` is an API key: a Secret that names the hosts that may
receive it. It is checked against the address of each request, and is kept for a minute, so that a
new value takes effect in the midst of a run.
"""

from collections.abc import Mapping

from wegent_crds.schema.mcp_servers import PROTOCOL_HEADERS
from wegent_kube import KubeError
from wegent_runner.engine.keys import KeyNotUsable, Keys
from wegent_runner.engine.redaction import MIN_CHARACTERS, struck
from wegent_runner.plan.plan import McpServerPlan


class HeaderFault(Exception):  # noqa: N818 - names the event
    """A header can't be sent. The message names the field, the fault and the remedy.

    Attributes:
        passing: True if the fault may end by itself.
    """

    def __init__(self, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing


class Headers:
    """The headers of requests to one server."""

    def __init__(self, plan: McpServerPlan, keys: Keys) -> None:
        self._plan = plan
        self._keys = keys
        self._secrets: set[str] = set()

    async def for_request(self, url: str) -> Mapping[str, str]:
        """Return the headers of a request to ``url``.

        Raises:
            HeaderFault: a header isn't a user's to set, or its Secret can't be used for this URL.
        """
        headers = dict(self._plan.headers)
        for name in (*headers, *self._plan.headers_from):
            if name.lower() in PROTOCOL_HEADERS:
                raise HeaderFault(f"headers: {name} is set by the protocol; remove it")
        for name, place in self._plan.headers_from.items():
            try:
                value = await self._keys.get(place, url)
            except KeyNotUsable as error:
                raise HeaderFault(f"headersFrom.{name}: {error}", passing=error.passing) from error
            except KubeError as error:
                told = f"headersFrom.{name}: Secret {place.name} can't be read now: {error}"
                raise HeaderFault(told, passing=True) from error
            self._secrets.update((value, *value.split()))
            headers[name] = value
        return headers

    def forget(self) -> None:
        """Drop the values, because the server refused them: the Secrets may have newer ones."""
        for place in self._plan.headers_from.values():
            self._keys.forget(place)

    def strike(self, text: str) -> str:
        """Return a text of the server without the secrets, also without their scheme."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            if len(secret) >= MIN_CHARACTERS:
                text = struck(text, secret)
        return text
