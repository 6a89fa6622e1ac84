"""The caller's identity, as the API server states it. The proxy never reads the token itself."""

from dataclasses import dataclass
from typing import Any, Final

from wegent_api.http.bearer import Caller
from wegent_api.upstream.client import UserApi

SELF_SUBJECT_REVIEW: Final = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller's identity in RBAC."""

    username: str
    groups: tuple[str, ...]
    uid: str = ""
    """UID of a ServiceAccount; empty for others."""


async def identity(user_api: UserApi, caller: Caller) -> Identity:
    """Return the identity of ``caller`` in the API server.

    Raises:
        UpstreamStatus: the API server does not accept the token.
        Unavailable: the API server did not answer.
    """
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer: Any = await user_api.request_json(caller, "POST", SELF_SUBJECT_REVIEW, body=review)
    info = answer["status"]["userInfo"]
    return Identity(
        str(info["username"]), tuple(info.get("groups") or ()), str(info.get("uid", ""))
    )


async def subject(user_api: UserApi, caller: Caller) -> str:
    """Return the user name of ``caller`` in the API server. Raises the errors of `identity`."""
    return (await identity(user_api, caller)).username


def user_of(name: str, accounts_namespace: str) -> str | None:
    """Return the Wegent user with the API server's user name ``name``, or None for others."""
    prefix = f"system:serviceaccount:{accounts_namespace}:"
    return name.removeprefix(prefix) if name.startswith(prefix) else None
