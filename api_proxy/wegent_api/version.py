"""Which version this is, as told to the API server and in the OpenAPI document."""

from importlib.metadata import version
from typing import Final

VERSION: Final = version("wegent")
USER_AGENT: Final = f"wegent-api/{VERSION}"
