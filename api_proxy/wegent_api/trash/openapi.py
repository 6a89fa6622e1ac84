"""The routes of the trash in the OpenAPI document."""

from typing import Final

from wegent_api.http.openapi import PENDING, SCHEMAS, Responses, json_content
from wegent_api.kinds.openapi import (
    NOT_MODIFIED,
    errors,
    kind_list_response,
    one_object,
)
from wegent_crds.registry import KINDS, TOMBSTONE

_ANY_KIND: Final = {
    "anyOf": [{"$ref": f"{SCHEMAS}{kind.kind}"} for kind in KINDS if kind.user_facing]
}

LIST: Final[Responses] = kind_list_response(TOMBSTONE) | errors(410)
ONE: Final[Responses] = one_object(TOMBSTONE, 200) | NOT_MODIFIED | errors(404)
RESTORED: Final[Responses] = (
    {200: {"description": "The restored object.", "content": json_content(_ANY_KIND)}}
    | PENDING
    | errors(404, 409, 422)
)
PURGED: Final[Responses] = errors(404, 409, 412)
