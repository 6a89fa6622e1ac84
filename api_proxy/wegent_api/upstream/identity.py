"""Who the caller is, in the words of the API server: nothing is read in their token here."""

from dataclasses import dataclass
from typing import Any, Final

from wegent_api.http.bearer import Caller
from wegent_api.upstream.client import UserApi

SELF_SUBJECT_REVIEW: Final = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller, as RBAC knows them."""

    username: str
    groups: tuple[str, ...]


async def identity(user_api: UserApi, caller: Caller) -> Identity:
    """Return as whom the API server knows ``caller``.

    Raises:
        UpstreamStatus: it does not take the token.
        Unavailable: it did not say.
    """
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer: Any = await user_api.request_json(caller, "POST", SELF_SUBJECT_REVIEW, body=review)
    info = answer["status"]["userInfo"]
    return Identity(str(info["username"]), tuple(info.get("groups") or ()))


async def subject(user_api: UserApi, caller: Caller) -> str:
    """Return the name by which the API server knows ``caller``; it raises what `identity` does."""
    return (await identity(user_api, caller)).username


def user_of(name: str, accounts_namespace: str) -> str | None:
    """Return the user whom the API server knows by ``name``; None if it is none of Wegent's."""
    prefix = f"system:serviceaccount:{accounts_namespace}:"
    return name.removeprefix(prefix) if name.startswith(prefix) else None


def own_namespace(username: str) -> str:
    """Return the name of the namespace that a user has for themselves."""
    return f"wegent-{username}"
