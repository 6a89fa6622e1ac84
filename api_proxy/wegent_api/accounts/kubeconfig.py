"""A kubeconfig for the caller: the API server's address and CA, and the caller's own token.

It refers to no other file, so that it can be saved anywhere. It gives the caller no new rights and
works as long as the token does.
"""

import asyncio
import base64
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from fastapi import Depends

from wegent_api.http.bearer import Caller
from wegent_api.http.state import FromState
from wegent_kube import Connection

CLUSTER: Final = "wegent"


class Kubeconfigs:
    """Creates kubeconfigs.

    Args:
        connection: the proxy's own connection, for address and CA only. Its credentials are not
            used.
        url: the API server's address for users, if it differs. Empty otherwise.
    """

    def __init__(self, connection: Connection, url: str) -> None:
        self._connection = connection
        self._url = url.rstrip("/") or connection.server

    async def make(self, caller: Caller, username: str, namespace: str) -> str:
        """Return the kubeconfig of ``caller`` as YAML. ``namespace`` is that of its context."""
        context = {"cluster": CLUSTER, "user": username, "namespace": namespace}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": CLUSTER, "cluster": await self._cluster()}],
            "users": [{"name": username, "user": {"token": caller.token}}],
            "contexts": [{"name": CLUSTER, "context": context}],
            "current-context": CLUSTER,
        }
        return yaml.safe_dump(document, sort_keys=False)

    async def _cluster(self) -> dict[str, Any]:
        cluster: dict[str, Any] = {"server": self._url}
        if not self._connection.verify:
            cluster["insecure-skip-tls-verify"] = True
        elif self._connection.ca_file is not None:
            # Read the file each time, because a pod's file follows the renewal of the cluster's CA.
            ca = await asyncio.to_thread(Path(self._connection.ca_file).read_bytes)
            cluster["certificate-authority-data"] = base64.b64encode(ca).decode("ascii")
        return cluster


KubeconfigsDep = Annotated[Kubeconfigs, Depends(FromState("kubeconfigs"))]
"""Parameter type of a route that creates a kubeconfig."""
