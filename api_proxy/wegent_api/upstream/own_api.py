"""The API server with the proxy's own credentials, for work that callers have no rights for."""

from typing import Annotated

from fastapi import Depends

from wegent_api.http.state import FromState
from wegent_kube import KubeClient

OwnApiDep = Annotated[KubeClient, Depends(FromState("own_api"))]
"""Parameter type of a route that does part of its work with the proxy's own rights."""
