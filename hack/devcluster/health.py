"""Asking the servers whether they are ready, with a client certificate on this machine."""

import http.client
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final

from devcluster.pki import KeyPair
from devcluster.ports import LOOPBACK

TIMEOUT_S: Final = 2.0
"""This machine answers at once or not at all."""


def endpoint_probe(
    port: int, path: str, *, ca_file: Path, identity: KeyPair, host: str = LOOPBACK
) -> Callable[[], str | None]:
    """Return a probe: None when ``path`` answers 200, else what is the matter."""
    context = ssl.create_default_context(cafile=str(ca_file))
    context.load_cert_chain(identity.certificate, identity.key)

    def probe() -> str | None:
        connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            return f"GET {path}: {error}"
        finally:
            connection.close()
        return None if answer.status == http.HTTPStatus.OK else f"{answer.status}: {text[:300]}"

    return probe
