"""The one JSON encoder for everything that is sent, and for everything that is measured in bytes.

Characters stay as they are. An emoji is four bytes of UTF-8, and twelve bytes as the escaped
surrogate pair that ``json.dumps`` writes by default: an object that the API server holds can
then be too large to be sent back to it.
"""

import json
import re
from typing import Any, Final

_NOT_IN_YAML: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""Characters that JSON takes as they are. YAML reads them as line breaks, or refuses them."""


def encode_json(value: Any) -> bytes:
    """Return ``value`` as compact JSON in UTF-8.

    A lone surrogate is no character and has no UTF-8. A value that holds one is escaped as a
    whole, so that the encoder never fails on it; Go reads the surrogate as U+FFFD.
    """
    try:
        return _compact(value).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def encode_yaml(value: Any) -> bytes:
    """Return ``value`` as YAML that is JSON too, for server-side apply.

    YAML knows no surrogate pairs, so that a character beyond U+FFFF must stand as it is.
    """
    text = _NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", _compact(value))
    return text.encode()


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
