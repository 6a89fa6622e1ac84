"""The API server as the proxy itself, for routes whose work their callers have no rights for."""

from typing import Annotated

from fastapi import Depends

from wegent_api.http.state import FromState
from wegent_kube import KubeClient

OwnApiDep = Annotated[KubeClient, Depends(FromState("own_api"))]
"""Parameter type of a route that does a part of its work with the proxy's own rights."""
