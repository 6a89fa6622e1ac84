"""The optional parts of a request, which every layer over a client passes on."""

from collections.abc import Mapping
from typing import TypedDict


class RequestOptions(TypedDict, total=False):
    """Options of a request to the API server. JSON is the default of both media types."""

    params: Mapping[str, str] | None
    content_type: str
    accept: str
