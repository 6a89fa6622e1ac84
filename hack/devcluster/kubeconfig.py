"""Kubeconfig files: one cluster, one user, one context, everything embedded.

A file that names no other file can be copied, mounted and mailed.
"""

import base64
import json
from pathlib import Path
from typing import Any

from devcluster.files import write_private
from devcluster.pki import KeyPair


def write_kubeconfig(
    path: Path, *, name: str, server: str, ca_file: Path, credentials: KeyPair | str
) -> Path:
    """Write a kubeconfig that only its owner may read.

    Args:
        path: of the file; replaced in one step, since another program may be reading it.
        name: of the cluster, the user and the context.
        server: base URL of the API server.
        ca_file: what the server is verified with.
        credentials: a client certificate, or a bearer token.
    """
    user: dict[str, Any]
    if isinstance(credentials, str):
        user = {"token": credentials}
    else:
        user = {
            "client-certificate-data": _base64(credentials.certificate),
            "client-key-data": _base64(credentials.key),
        }
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": name,
                "cluster": {"server": server, "certificate-authority-data": _base64(ca_file)},
            }
        ],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    # JSON is YAML, and needs no library to be written.
    write_private(path, json.dumps(document, indent=2).encode() + b"\n")
    return path


def _base64(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()
