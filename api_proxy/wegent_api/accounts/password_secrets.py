"""Password Secrets: one for each password, immutable, owned by its Account.

A Secret is written under a generated name, before the Account that refers to it. The password is
valid once the Account refers to the Secret. If the proxy dies in between, the Secret is an orphan,
which a sweep deletes. Login tokens are bound to the Secret's name and uid. So a changed password is
a new Secret, and revokes them.
"""

import base64
import binascii
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from wegent_api.accounts.store import Account
from wegent_api.http.errors import Problem
from wegent_crds.registry import ACCOUNT, API_VERSION, GROUP
from wegent_kube import KubeClient, KubeError, delete_or_none, get_or_none
from wegent_kube.content_types import JSON_PATCH, METADATA_LIST
from wegent_kube.resources import SECRETS

logger = logging.getLogger(__name__)

SECRET_TYPE: Final = f"{GROUP}/password"
USER_LABEL: Final = f"{GROUP}/password-of"
"""Label with the user's name, by which the sweep selects Secrets."""
HASH_KEY: Final = "hash"
"""Data key of the Argon2id hash."""
NO_SUCH_NAME: Final = "no-such-secret"
"""Name to read if an account doesn't exist, so that it causes the same requests."""
NOT_YET_STORED: Final = "not-yet-stored"
"""Name that an Account refers to in a dry run."""


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Name and uid of one Secret. A name may be reused, a uid never is."""

    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class StoredPassword:
    """A password's hash, and the Secret that holds it."""

    secret: SecretRef
    hash: str


@dataclass(frozen=True, slots=True)
class PasswordSecretInfo:
    """A password Secret in a sweep."""

    secret: SecretRef
    resource_version: str
    username: str
    created: datetime
    owned: bool
    """True if the Secret is deleted with its Account."""


class PasswordSecrets:
    """The password Secrets of the accounts namespace, with the proxy's own rights."""

    def __init__(self, own_api: KubeClient, namespace: str) -> None:
        self._own_api = own_api
        self._namespace = namespace

    @asynccontextmanager
    async def created(self, username: str, password_hash: str) -> AsyncIterator[SecretRef]:
        """Store a hash for ``username``, and forget it if the Account's write is refused.

        The block writes the Account. After a 5xx the Account may refer to the Secret, so the
        sweep decides.
        """
        secret = await self._create(username, password_hash)
        try:
            yield secret
        except Problem as error:
            if not error.is_server_error:
                await self.forget(secret)
            raise

    async def _create(self, username: str, password_hash: str) -> SecretRef:
        """Store a hash for ``username`` under a new name."""
        made = await self._own_api.request(
            "POST",
            self._path(),
            body={
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {
                    "generateName": f"password-{username}-",
                    "labels": {USER_LABEL: username},
                },
                "type": SECRET_TYPE,
                "immutable": True,
                "stringData": {HASH_KEY: password_hash},
            },
        )
        return _ref(made["metadata"])

    async def read(self, name: str | None) -> StoredPassword | None:
        """Return the password stored under ``name``, or None if there is none.

        It always makes one request to the API server, so that all logins make the same requests.
        """
        path = self._path(name or NO_SUCH_NAME)
        body = await get_or_none(self._own_api.request("GET", path))
        if body is None:
            return None
        try:
            value = base64.b64decode(body["data"][HASH_KEY]).decode("ascii")
        except (KeyError, TypeError, binascii.Error, UnicodeDecodeError):
            return None  # not a password Secret; such an account has no login
        return StoredPassword(_ref(body["metadata"]), value)

    async def give_to(self, account: Account, secret: SecretRef) -> None:
        """Make ``account`` the owner, so that the Secret is deleted with it."""
        owner = {
            "apiVersion": API_VERSION,
            "kind": ACCOUNT.kind,
            "name": account.username,
            "uid": account.uid,
        }
        await self._own_api.request(
            "PATCH",
            self._path(secret.name),
            body=[
                {"op": "test", "path": "/metadata/uid", "value": secret.uid},
                {"op": "add", "path": "/metadata/ownerReferences", "value": [owner]},
            ],
            content_type=JSON_PATCH,
        )

    async def give_or_leave(self, account: Account, secret: SecretRef) -> None:
        """Make ``account`` the owner. If that fails, the next sweep does it."""
        try:
            await self.give_to(account, secret)
        except KubeError as error:
            logger.warning("Owner of a password Secret not set; the sweep retries it: %s", error)

    async def forget(self, secret: SecretRef) -> None:
        """Delete an unused Secret. If that fails, the next sweep does it."""
        try:
            await self.delete(secret)
        except KubeError as error:
            logger.warning("Orphaned password Secret not deleted; the sweep retries it: %s", error)

    async def delete(self, secret: SecretRef, *, resource_version: str | None = None) -> None:
        """Delete exactly this Secret. It may be gone already, or changed in the meantime."""
        preconditions = {"uid": secret.uid}
        if resource_version is not None:
            preconditions["resourceVersion"] = resource_version
        path, options = self._path(secret.name), {"preconditions": preconditions}
        await delete_or_none(self._own_api.request("DELETE", path, body=options))

    async def all(self) -> AsyncIterator[PasswordSecretInfo]:
        """Yield all password Secrets, without their hashes."""
        pages = self._own_api.pages(
            self._path(), params={"labelSelector": USER_LABEL}, accept=METADATA_LIST
        )
        async for page in pages:
            for item in page["items"] or ():  # null in an empty metadata-only list
                metadata = item["metadata"]
                yield PasswordSecretInfo(
                    _ref(metadata),
                    metadata["resourceVersion"],
                    metadata["labels"][USER_LABEL],
                    datetime.fromisoformat(metadata["creationTimestamp"]),
                    owned=bool(metadata.get("ownerReferences")),
                )

    def _path(self, name: str | None = None) -> str:
        return SECRETS.path(self._namespace, name)


def _ref(metadata: Mapping[str, Any]) -> SecretRef:
    return SecretRef(metadata["name"], metadata["uid"])
