"""Accounts, read and written with the proxy's own rights, in the accounts namespace only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends

from wegent_api.http.state import FromState
from wegent_crds.conditions import ConditionType, conditions_of, find_condition
from wegent_crds.registry import ACCOUNT, API_VERSION
from wegent_kube import KubeClient, get_or_none
from wegent_kube.resources import Resource, resource_of

ACCOUNTS: Final[Resource] = resource_of(ACCOUNT)


@dataclass(frozen=True, slots=True)
class Account:
    """The fields of an Account that the proxy uses."""

    username: str
    uid: str
    email: str
    role: str
    namespaces: tuple[Mapping[str, str], ...]
    suspended: bool
    password_secret: str | None
    """Name of the Secret with the password's hash. None if the user can't log in."""
    deleting: bool = False
    """True if the Account is being deleted and only finalizers hold it. It gives no access."""
    unready: str = ""
    """Reason and message of the operator's condition Ready if it is False, else empty."""

    @property
    def is_active_admin(self) -> bool:
        """True if the user has an admin's rights on Accounts."""
        return self.role == "admin" and not (self.suspended or self.deleting)

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "Account":
        """Return the account in ``body``, an object of the API server."""
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
    ready = find_condition(conditions_of(body), ConditionType.READY)
    return f"{ready.reason}: {ready.message}" if ready is not None and ready.is_false else ""


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An Account to create."""

    username: str
    email: str
    role: str
    namespaces: tuple[Mapping[str, str], ...] = ()

    def body(self, namespace: str, password_secret: str) -> dict[str, Any]:
        """Return the object to send to the API server."""
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
        """Return the account of ``username``, a checked name, or None if there is none.

        Raises:
            KubeError: the API server did not answer.
        """
        body = await get_or_none(self._own_api.request("GET", self.path(username)))
        return None if body is None else Account.of(body)

    def path(self, username: str | None = None) -> str:
        """Return the path of the collection, or of one account."""
        return ACCOUNTS.path(self.namespace, username)


AccountsDep = Annotated[Accounts, Depends(FromState("accounts"))]
"""Parameter type of a route that works with Accounts."""
