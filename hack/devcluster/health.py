"""Asking servers on this machine whether they are ready."""

import ssl
from typing import Final

import httpx

from devcluster.pki import Credentials

TIMEOUT_S: Final = 2.0
"""This machine answers at once or not at all."""


def admin_context(credentials: Credentials) -> ssl.SSLContext:
    """Return the TLS settings with which an API server knows its administrator."""
    context = ssl.create_default_context(cafile=str(credentials.authority.certificate))
    context.load_cert_chain(credentials.admin.certificate, credentials.admin.key)
    return context


def fault_of(url: str, context: ssl.SSLContext | None = None, *, method: str = "GET") -> str | None:
    """Return None if ``url`` answers 200, otherwise the answer or the error."""
    try:
        # A proxy that the environment names is not for this machine.
        answer = httpx.request(
            method, url, verify=context or False, timeout=TIMEOUT_S, trust_env=False
        )
    except httpx.HTTPError as error:
        return f"{method} {url}: {str(error) or type(error).__name__}"
    return None if answer.is_success else f"{answer.status_code}: {answer.text[:300]}"
