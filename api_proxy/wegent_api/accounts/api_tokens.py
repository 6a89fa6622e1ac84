"""API tokens: long-lived keys of users for their programs, such as clients of OpenAI's API.

A token is a ServiceAccount's, from a TokenRequest, bound to a Secret of its own. The API server
refuses it within seconds of the Secret's deletion. The Secret holds no data: the token is shown
once, and stored nowhere.

The name and the type of a Secret decide to whom it belongs. Only the proxy writes such Secrets. A
Secret's owner is the Secret of the user's password. So the garbage collector deletes the tokens
after a change of the password, even if the proxy dies before, and after the deletion of the
Account. A suspended user has no ServiceAccount, without which no token is valid.
"""

import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import Depends

from wegent_api.accounts.password_secrets import SecretRef
from wegent_api.accounts.session import Session, User
from wegent_api.accounts.store import Accounts
from wegent_api.accounts.tokens import IssuedToken, PasswordChanged, TokenIssuer
from wegent_api.http.errors import Conflict, Forbidden, NotFound
from wegent_api.http.state import FromState
from wegent_crds.registry import GROUP
from wegent_kube import ApiError, KubeClient, KubeError, delete_or_none, get_or_none
from wegent_kube.content_types import MERGE_PATCH, METADATA_LIST
from wegent_kube.resources import SECRETS

logger = logging.getLogger(__name__)

SECRET_TYPE: Final = f"{GROUP}/token"
USER_LABEL: Final = f"{GROUP}/token-of"
"""Label with the user's name, by which a user's Secrets are selected."""
EXPIRES_ANNOTATION: Final = f"{GROUP}/expires-at"
SUBJECT_ANNOTATION: Final = f"{GROUP}/subject-uid"
"""Annotation: the UID of the ServiceAccount for which the token was issued."""
MAX_TOKENS: Final = 20
"""Tokens of one user."""
OF_TOKENS: Final = {"fieldSelector": f"type={SECRET_TYPE}"}


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token without its value."""

    secret: SecretRef
    username: str
    name: str
    created: datetime
    expires: datetime
    subject_uid: str

    @classmethod
    def of(cls, metadata: Mapping[str, Any]) -> "ApiToken | None":
        """Return the token of a Secret; None if the Secret was not written by the proxy."""
        try:
            return cls.read(metadata)
        except (KeyError, ValueError):
            return None

    @classmethod
    def read(cls, metadata: Mapping[str, Any]) -> "ApiToken":
        """Return the token of a Secret that the proxy has written.

        Raises:
            KeyError, ValueError: the proxy did not write the Secret.
        """
        _, username, name = metadata["name"].split(".")
        annotations = metadata["annotations"]
        return cls(
            SecretRef(metadata["name"], metadata["uid"]),
            username,
            name,
            datetime.fromisoformat(metadata["creationTimestamp"]),
            datetime.fromisoformat(annotations[EXPIRES_ANNOTATION]),
            annotations[SUBJECT_ANNOTATION],
        )

    def is_valid_for(self, user: User, now: datetime) -> bool:
        """Return False once the token has expired, or the user has been suspended since."""
        return self.subject_uid == user.uid and now < self.expires


class ApiTokens:
    """The API tokens of all users, with the proxy's own rights.

    Callers must have checked who the user is.
    """

    def __init__(
        self, own_api: KubeClient, accounts: Accounts, issuer: TokenIssuer, namespace: str
    ) -> None:
        self._own_api = own_api
        self._accounts = accounts
        self._issuer = issuer
        self._namespace = namespace

    async def list(self, user: User) -> list[ApiToken]:
        """Return the valid tokens of a user, by name."""
        now = datetime.now(UTC)
        found = [it async for it in self._of(user.username) if it.is_valid_for(user, now)]
        return sorted(found, key=lambda it: it.name)

    async def create(
        self, session: Session, name: str, lifetime_s: int
    ) -> tuple[ApiToken, IssuedToken]:
        """Create a token for the user of a login.

        The API server may issue it for a shorter time.

        Raises:
            Conflict: the user has a valid token of that name, or has just changed the password, or
                a Secret that is no token has the name.
            Forbidden: the user has as many tokens as allowed.
        """
        made = await self._store(session, name, lifetime_s)
        try:
            return await self._issue(session, made, lifetime_s)
        except PasswordChanged:
            await self._forget(made)
            raise Conflict("the password has just been changed; log in again") from None
        except BaseException:
            await self._forget(made)
            raise

    async def delete(self, username: str, name: str) -> None:
        """Delete a token of a user. The API server refuses it within seconds.

        Raises:
            NotFound: the user has no token of that name.
        """
        found = await self._get(_secret_name(username, name))
        if found is None:
            raise NotFound(f'tokens "{name}" not found')
        await self._delete(found)

    async def delete_all(self, username: str) -> None:
        """Delete all tokens of a user."""
        async for found in self._of(username):
            await self._delete(found)

    async def delete_expired(self) -> int:
        """Delete the Secrets of expired tokens of all users; return their number."""
        now, count = datetime.now(UTC), 0
        async for found in self._all(OF_TOKENS):
            if found.expires <= now:
                await self._delete(found)
                count += 1
        return count

    async def _issue(
        self, session: Session, made: ApiToken, lifetime_s: int
    ) -> tuple[ApiToken, IssuedToken]:
        # Counted with the new one: of several requests at the same time, none exceeds the limit.
        if len(await self.list(session.user)) > MAX_TOKENS:
            raise Forbidden(f"a user may have {MAX_TOKENS} API tokens; delete one first")
        username = session.user.username
        issued = await self._issuer.issue(username, made.secret, lifetime_s=lifetime_s)
        made = await self._expires(made, issued)
        # A change of the password deletes the tokens that it finds after the Account's patch.
        account = await self._accounts.get(username)
        if account is None or account.password_secret != session.secret.name:
            raise PasswordChanged
        return made, issued

    async def _store(self, session: Session, name: str, lifetime_s: int) -> ApiToken:
        """Create the Secret. One that is left of an invalid token is replaced."""
        body = _secret(session, name, datetime.now(UTC) + timedelta(seconds=lifetime_s))
        for _ in range(2):
            try:
                made = await self._own_api.request("POST", self._path(), body=body)
            except ApiError as error:
                if not error.is_already_exists:
                    raise
            else:
                return ApiToken.read(made["metadata"])
            there = await self._get(body["metadata"]["name"])
            if there is None:  # another Secret has its name, or it is just being deleted
                continue
            if there.is_valid_for(session.user, datetime.now(UTC)):
                raise Conflict(f'tokens "{name}" already exists')
            await self._delete(there)
        raise Conflict(f'tokens "{name}" can\'t be created: its name is taken; choose another')

    async def _expires(self, token: ApiToken, issued: IssuedToken) -> ApiToken:
        """Note the time until which the API server has issued a token, if it is another."""
        expires = datetime.now(UTC) + timedelta(seconds=issued.lifetime_s)
        if abs(expires - token.expires) < timedelta(minutes=1):
            return token
        made = await self._own_api.request(
            "PATCH",
            self._path(token.secret.name),
            body={"metadata": {"annotations": {EXPIRES_ANNOTATION: _stamp(expires)}}},
            content_type=MERGE_PATCH,
        )
        return ApiToken.read(made["metadata"])

    async def _forget(self, token: ApiToken) -> None:
        """Delete a token that nobody was given. If that fails, it expires by itself."""
        try:
            await self._delete(token)
        except KubeError as error:
            logger.warning("Secret of an unused API token not deleted: %s", error)

    async def _get(self, name: str) -> ApiToken | None:
        body = await get_or_none(self._own_api.request("GET", self._path(name)))
        if body is None or body.get("type") != SECRET_TYPE:
            return None
        return ApiToken.of(body["metadata"])

    async def _delete(self, token: ApiToken) -> None:
        options = {"preconditions": {"uid": token.secret.uid}}
        path = self._path(token.secret.name)
        await delete_or_none(self._own_api.request("DELETE", path, body=options))

    async def _of(self, username: str) -> AsyncIterator[ApiToken]:
        async for found in self._all(OF_TOKENS | {"labelSelector": f"{USER_LABEL}={username}"}):
            if found.username == username:
                yield found

    async def _all(self, params: Mapping[str, str]) -> AsyncIterator[ApiToken]:
        pages = self._own_api.pages(self._path(), params=params, accept=METADATA_LIST)
        async for page in pages:
            for item in page["items"] or ():  # null in an empty metadata-only list
                if (found := ApiToken.of(item["metadata"])) is not None:
                    yield found

    def _path(self, name: str | None = None) -> str:
        return SECRETS.path(self._namespace, name)


def _secret_name(username: str, name: str) -> str:
    """Return the name of a token's Secret. Neither of the two names has a dot."""
    return f"token.{username}.{name}"


def _secret(session: Session, name: str, expires: datetime) -> dict[str, Any]:
    username = session.user.username
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": _secret_name(username, name),
            "labels": {USER_LABEL: username},
            "annotations": {
                EXPIRES_ANNOTATION: _stamp(expires),
                SUBJECT_ANNOTATION: session.user.uid,
            },
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "kind": "Secret",
                    "name": session.secret.name,
                    "uid": session.secret.uid,
                }
            ],
        },
        "type": SECRET_TYPE,
        "immutable": True,
    }


def _stamp(time: datetime) -> str:
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")


ApiTokensDep = Annotated[ApiTokens, Depends(FromState("api_tokens"))]
"""Parameter type of a route that works with API tokens."""
