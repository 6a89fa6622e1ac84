"""Writers of an Account: the proxy itself, or the caller, whose rights apply.

Both write the same objects. They differ only in the source of the refusals.
"""

from functools import partial
from typing import Any, Final, Protocol, Unpack

from wegent_api.http.bearer import Caller
from wegent_api.http.errors import UpstreamStatus
from wegent_api.upstream.client import UserApi
from wegent_kube import ApiError, KubeClient
from wegent_kube.options import RequestOptions

STRICT: Final = {"fieldValidation": "Strict"}
"""Query parameters for which the API server refuses unknown fields instead of dropping them."""
DRY_RUN: Final = {"dryRun": "All"} | STRICT
"""The same, without storing anything. It shows whether the API server would refuse the write."""


class Writer(Protocol):
    """Writes with the rights of the proxy or of a caller."""

    async def __call__(
        self, method: str, path: str, *, body: Any, **options: Unpack[RequestOptions]
    ) -> Any:
        """Send ``body`` and return the stored object. Raises ``UpstreamStatus`` for a refusal."""


def as_proxy(own_api: KubeClient) -> Writer:
    """Return the writer with the proxy's own rights, which policies restrict."""

    async def write(method: str, path: str, *, body: Any, **options: Unpack[RequestOptions]) -> Any:
        try:
            return await own_api.request(method, path, body=body, **options)
        except ApiError as error:
            if _is_about_object(method, error):
                raise UpstreamStatus(error.status, error.code, {}) from error
            raise

    return write


def as_caller(user_api: UserApi, caller: Caller) -> Writer:
    """Return the writer with the rights of ``caller``."""
    return partial(user_api.request_json, caller)


def _is_about_object(method: str, error: ApiError) -> bool:
    """Return whether a refusal is about the object. Any other is about the proxy's rights."""
    exists = error.is_already_exists or error.is_conflict
    return exists or error.is_invalid or (method == "PATCH" and error.is_not_found)
