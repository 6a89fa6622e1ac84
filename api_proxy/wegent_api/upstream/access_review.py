"""Asks the API server whether a caller may do something, with the caller's own token."""

from typing import Any, Final

from wegent_api.http.bearer import Caller
from wegent_api.upstream.client import UserApi
from wegent_crds.registry import GROUP

ACCESS_REVIEW: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


async def may(user_api: UserApi, caller: Caller, verb: str, plural: str, namespace: str) -> bool:
    """Return True if the caller may do something with all objects of a kind in a namespace.

    Raises:
        UpstreamStatus: the token is not accepted, or may not ask.
        Unavailable: the API server can't be reached.
    """
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {
            "resourceAttributes": {
                "group": GROUP,
                "resource": plural,
                "verb": verb,
                "namespace": namespace,
            }
        },
    }
    answer: Any = await user_api.request_json(caller, "POST", ACCESS_REVIEW, body=review)
    return answer["status"]["allowed"] is True
