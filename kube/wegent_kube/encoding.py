"""JSON of requests and answers, and of all sizes that are measured in bytes.

Characters are not escaped. An emoji has four bytes in UTF-8, and twelve bytes as the escaped
surrogate pair that ``json.dumps`` writes by default. With escapes, an object that the API
server stores could be too large to be sent back to it.
"""

import json
import re
from typing import Any, Final

from pydantic_core import from_json

_NOT_IN_YAML: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""Characters that JSON allows unescaped. YAML reads them as line breaks, or rejects them."""


def decode_json(raw: bytes) -> Any:
    """Return the value of a JSON text in UTF-8.

    pydantic's parser takes half of the time of ``json``. It refuses lone surrogates and more
    than 200 levels, so ``json`` decides about a text that it refuses.

    Raises:
        ValueError, RecursionError: the text is not JSON.
    """
    try:
        return from_json(raw)
    except ValueError:
        return json.loads(raw)


def encode_json(value: Any) -> bytes:
    """Return ``value`` as compact JSON in UTF-8.

    A lone surrogate is not a character and can't be encoded in UTF-8. A value that contains one
    is escaped completely, so that encoding never fails. Go decodes the surrogate as U+FFFD.
    """
    try:
        return _compact(value).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def encode_yaml(value: Any) -> bytes:
    """Return ``value`` as YAML that is also JSON, for server-side apply.

    YAML has no surrogate pairs, so a character beyond U+FFFF must not be escaped.
    """
    text = _NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", _compact(value))
    return text.encode()


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
