"""Who the caller is, in the words of the API server: nothing is read in their token here."""

from typing import Any, Final

from wegent_api.callers import Caller
from wegent_api.services import Services

SELF_SUBJECT_REVIEW: Final = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


async def subject(services: Services, caller: Caller) -> str:
    """Return the name by which the API server knows ``caller``.

    Raises:
        Refused: it does not take the token.
        Unavailable: it did not say.
    """
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer: Any = await services.callers.fetch(caller, "POST", SELF_SUBJECT_REVIEW, body=review)
    return str(answer["status"]["userInfo"]["username"])


def user_of(name: str, accounts_namespace: str) -> str | None:
    """Return the user whom the API server knows by ``name``; None if it is none of Wegent's."""
    prefix = f"system:serviceaccount:{accounts_namespace}:"
    return name.removeprefix(prefix) if name.startswith(prefix) else None


def own_namespace(username: str) -> str:
    """Return the name of the namespace that a user has for themselves."""
    return f"wegent-{username}"
