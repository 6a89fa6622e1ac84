"""Asking servers on this machine whether they are ready."""

import http.client
import ssl
import urllib.error
import urllib.request
from typing import Final

from devcluster.pki import Credentials

TIMEOUT_S: Final = 2.0
"""This machine answers at once or not at all."""


def admin_context(credentials: Credentials) -> ssl.SSLContext:
    """Return the TLS settings with which an API server knows its administrator."""
    context = ssl.create_default_context(cafile=str(credentials.authority.certificate))
    context.load_cert_chain(credentials.admin.certificate, credentials.admin.key)
    return context


def fault_of(url: str, context: ssl.SSLContext | None = None) -> str | None:
    """Return None if ``url`` answers 200, otherwise the answer or the error."""
    # Whatever proxy the environment names, it is not for this machine.
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    try:
        with opener.open(url, timeout=TIMEOUT_S):
            return None
    except urllib.error.HTTPError as error:
        with error:
            return f"{error.code}: {error.read().decode(errors='replace')[:300]}"
    except (OSError, http.client.HTTPException) as error:
        return f"GET {url}: {error}"
