"""Bodies of the requests that write keys: those of Models, and headers of MCP servers."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field, SecretStr

from wegent_api.accounts.models import Answer, Body
from wegent_crds.schema.fields import SecretKeyReference

MAX_KEY_CHARS: Final = 4096
"""Some providers' keys are JWTs. A longer header than this is refused by many servers."""
MAX_HOSTS: Final = 16
HOST: Final = re.compile(
    r"(?P<scheme>http://)?(?P<host>\[[0-9a-f:.]+\]|[a-z0-9]([-a-z0-9.]*[a-z0-9])?)"
    r"(?P<port>:[0-9]{1,5})?"
)


def _printable(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("must be printable ASCII characters without spaces")
    return value


def _host(value: str) -> str:
    found = HOST.fullmatch(value.lower())
    if found is None:
        raise ValueError(
            "must be a host, such as api.openai.com or llm.example:8443, without https:// and"
            " without a path; http://llm.example allows the key to be sent unencrypted"
        )
    default = ":80" if found["scheme"] else ":443"
    return found[0].removesuffix(default) if found["port"] == default else found[0]


def _header_value(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text.isascii() or not text.isprintable() or text != text.strip():
        raise ValueError("must be printable ASCII characters, with no space at the ends")
    return value


ApiKey = Annotated[
    SecretStr, Field(min_length=1, max_length=MAX_KEY_CHARS), AfterValidator(_printable)
]
HeaderValue = Annotated[
    SecretStr, Field(min_length=1, max_length=MAX_KEY_CHARS), AfterValidator(_header_value)
]
Host = Annotated[str, Field(max_length=261), AfterValidator(_host)]


class ModelKeyChange(Body):
    """The API key of a Model."""

    key: ApiKey
    """The key. No answer ever contains it."""
    hosts: Annotated[list[Host], Field(min_length=1, max_length=MAX_HOSTS)] | None = None
    """Hosts that may receive the key, over https. Required if the Model has a baseUrl, which others
    may change. Defaults to the host of the Model's provider."""


class ModelKey(Answer):
    """The place of a Model's key, and the hosts that may receive it."""

    secret_key_ref: SecretKeyReference
    """Secret in the Model's namespace, and the key of its data."""
    hosts: list[str]
    """Hosts that may receive the key."""


class SecretHeaderChange(Body):
    """The value of a header of an MCP server."""

    value: HeaderValue
    """The value, such as `Bearer ...`. No answer ever contains it."""
    hosts: Annotated[list[Host], Field(min_length=1, max_length=MAX_HOSTS)]
    """Hosts that may receive the value, over https. They are not taken from the server's url, which
    others may change."""


class SecretHeader(Answer):
    """The place of the value of a header, and the hosts that may receive it."""

    secret_key_ref: SecretKeyReference
    """Secret in the namespace of the object, and the key of its data."""
    hosts: list[str]
    """Hosts that may receive the value."""
