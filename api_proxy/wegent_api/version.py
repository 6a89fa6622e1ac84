"""The proxy's version, for the API server and the OpenAPI document."""

from importlib.metadata import version
from typing import Final

VERSION: Final = version("wegent")
USER_AGENT: Final = f"wegent-api/{VERSION}"
