"""Headers that restrict how browsers use an answer.

API answers are data: nothing in them may run, and no page may frame them. The page at ``/docs``
runs only its own scripts. The hash of its one inline script is in the policy.
"""

import base64
import hashlib
import re
from typing import Final

from starlette.datastructures import MutableHeaders

DOCS: Final = "/docs"
ASSETS: Final = "/docs/assets/"
APIS: Final = ("/api/", "/v1/")
NOTHING: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""Content-Security-Policy of all answers except the page at `DOCS`."""

ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",  # for browsers that don't know frame-ancestors
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": NOTHING,
}
"""Headers of every answer."""
_ALWAYS: Final = [(name.lower().encode(), value.encode()) for name, value in ALWAYS.items()]
_INLINE_SCRIPT: Final = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


def protect(path: str, headers: MutableHeaders) -> None:
    """Add the missing security headers to an answer for ``path``."""
    given = {name for name, _ in headers.raw}
    headers.raw.extend(it for it in _ALWAYS if it[0] not in given)
    if b"cache-control" in given:
        return
    if path.startswith(APIS):
        # Objects have an ETag. A browser may keep them if it revalidates them each time.
        kept = b"private, no-cache" if b"etag" in given else b"no-store"
        headers.raw.append((b"cache-control", kept))
    elif not path.startswith(ASSETS):
        headers.raw.append((b"cache-control", b"no-cache"))


def page_policy(page: bytes) -> str:
    """Return the Content-Security-Policy of an HTML page with its own scripts.

    Swagger UI sets styles in its scripts, which requires ``unsafe-inline`` for styles.
    """
    hashes = "".join(
        f" 'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"
        for script in _INLINE_SCRIPT.findall(page)
    )
    return (
        f"default-src 'none'; script-src 'self'{hashes}; style-src 'self' 'unsafe-inline';"
        " img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none';"
        " form-action 'self'; frame-ancestors 'none'"
    )
