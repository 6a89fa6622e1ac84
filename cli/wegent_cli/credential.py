"""The answer of ``wegent credential``, which kubectl calls for a token.

kubectl keeps the token until its expiry, and then calls again. The format is that of
https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from wegent_cli.text import moment

API_VERSIONS: Final = tuple(f"client.authentication.k8s.io/{it}" for it in ("v1", "v1beta1"))
MARGIN: Final = timedelta(seconds=30)
"""kubectl asks again this long before the token ends, so that no request has an expired one."""


def requested_version(exec_info: str | None) -> str:
    """Return the API version that kubectl asks for in ``KUBERNETES_EXEC_INFO``, or the first."""
    try:
        version = json.loads(exec_info or "{}").get("apiVersion")
    except (ValueError, AttributeError):
        version = None
    return version if version in API_VERSIONS else API_VERSIONS[0]


def exec_credential(token: str, expires_at: str, *, api_version: str, now: datetime) -> str:
    """Return the ExecCredential with a token, as JSON.

    Args:
        token: the token.
        expires_at: its end, RFC 3339; empty if it is not known.
        api_version: the version that kubectl asks for.
        now: the present. A token that is about to end is given without a margin.
    """
    status: dict[str, Any] = {"token": token}
    if end := moment(expires_at):
        earlier = end - MARGIN if end - MARGIN > now else end
        status["expirationTimestamp"] = earlier.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return json.dumps({"apiVersion": api_version, "kind": "ExecCredential", "status": status})
