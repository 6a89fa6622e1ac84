"""Accounts, read and written as the proxy itself, in the accounts namespace only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends

from wegent_api.http.state import FromState
from wegent_crds.conditions import ConditionType
from wegent_crds.registry import ACCOUNT, API_VERSION
from wegent_kube import ApiError, KubeClient
from wegent_kube.resources import Resource, resource_of

ACCOUNTS: Final[Resource] = resource_of(ACCOUNT)


@dataclass(frozen=True, slots=True)
class Account:
    """What the proxy needs of an Account."""

    username: str
    uid: str
    email: str
    role: str
    namespaces: tuple[Mapping[str, str], ...]
    suspended: bool
    password_secret: str | None
    """Name of the Secret with the password's hash; None where no password is taken."""
    deleting: bool = False
    """Whether only finalizers keep it: it gives no access any more."""
    unready: str = ""
    """Why the operator could not set it up, by its condition Ready; empty if it could."""

    @property
    def is_active_admin(self) -> bool:
        """Whether the user may do with Accounts what an admin may."""
        return self.role == "admin" and not (self.suspended or self.deleting)

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "Account":
        """Return the account that ``body``, as the API server sent it, describes."""
        metadata, spec = body["metadata"], body["spec"]
        return cls(
            username=metadata["name"],
            uid=metadata["uid"],
            email=spec["email"],
            role=spec["role"],
            namespaces=tuple(spec.get("namespaces") or ()),
            suspended=bool(spec.get("suspended")),
            password_secret=(spec.get("passwordSecretRef") or {}).get("name"),
            deleting="deletionTimestamp" in metadata,
            unready=_unready(body),
        )


def _unready(body: Mapping[str, Any]) -> str:
    for condition in (body.get("status") or {}).get("conditions") or ():
        if (condition["type"], condition["status"]) == (ConditionType.READY, "False"):
            return f"{condition['reason']}: {condition['message']}"
    return ""


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An Account to be made."""

    username: str
    email: str
    role: str
    namespaces: tuple[Mapping[str, str], ...] = ()

    def body(self, namespace: str, password_secret: str) -> dict[str, Any]:
        """Return the object that the API server is sent."""
        spec: dict[str, Any] = {
            "email": self.email,
            "role": self.role,
            "passwordSecretRef": {"name": password_secret},
        }
        if self.namespaces:
            spec["namespaces"] = [dict(membership) for membership in self.namespaces]
        return {
            "apiVersion": API_VERSION,
            "kind": ACCOUNT.kind,
            "metadata": {"name": self.username, "namespace": namespace},
            "spec": spec,
        }


class Accounts:
    """The Accounts of one namespace."""

    def __init__(self, own_api: KubeClient, namespace: str) -> None:
        self._own_api = own_api
        self.namespace = namespace

    async def get(self, username: str) -> Account | None:
        """Return the account of ``username``, a checked name; None if there is none.

        Raises:
            KubeError: the API server did not say.
        """
        try:
            return Account.of(await self._own_api.request("GET", self.path(username)))
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def path(self, username: str | None = None) -> str:
        """Return the path of the collection, or of one account."""
        return ACCOUNTS.path(self.namespace, username)


AccountsDep = Annotated[Accounts, Depends(FromState("accounts"))]
"""Parameter type of a route that works with Accounts."""
