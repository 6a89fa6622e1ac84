"""The user: the login, the user's names and rights, and tokens for programs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from wegent_sdk.credentials import Login
from wegent_sdk.objects import encoded
from wegent_sdk.watches import Operations
from wegent_sdk.wire import Answer, Request


@dataclass(frozen=True, slots=True)
class Grant:
    """A role in a namespace."""

    name: str
    role: str


@dataclass(frozen=True, slots=True)
class Me:
    """The user of a client.

    Attributes:
        username: the user's name. Of a user without an Account, the name in Kubernetes.
        email: address; None without an Account.
        role: ``user`` or ``admin``; None without an Account.
        namespaces: all namespaces with the user's role; of older servers, those of the Account.
        memberships: namespaces to which their admins have added the user.
        default_namespace: namespace of requests that name none; None if the server doesn't say it.
        body: the whole answer, with fields that this version doesn't know.
    """

    username: str
    email: str | None = None
    role: str | None = None
    namespaces: Sequence[Grant] = ()
    memberships: Sequence[Grant] = ()
    default_namespace: str | None = None
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token for a program.

    Attributes:
        name: its name.
        created_at: time of its creation.
        expires_at: time of its end.
        token: the token itself, right after its creation; None later.
    """

    name: str
    created_at: datetime
    expires_at: datetime
    token: str | None = field(default=None, repr=False)


class AccountOperations(Operations):
    """Requests about the user."""

    async def login(self, username: str, password: str) -> Login:
        """Log in, and use the login from now on. It is not repeated by itself.

        Raises:
            LoginExpired: the name or the password is wrong.
            TooManyRequests: there were too many wrong ones.
            WegentError: the request failed.
        """
        self._raw.target.need_login("logins")
        body = encoded({"username": username, "password": password})
        request = Request("POST", "/api/v1/auth/login", content=body)
        return self._logged_in(await self._raw.api.send_anonymously(request))

    async def register(self, username: str, password: str, email: str) -> None:
        """Register a user, without a login.

        The operator sets the user up within seconds. Until then, `login` raises `Unavailable`.

        Raises:
            AlreadyExists: the name is taken.
            Forbidden: registration is closed.
            Invalid: the name, the password or the address is not acceptable.
            TooManyRequests: there were too many registrations.
            WegentError: the request failed.
        """
        self._raw.target.need_login("registrations")
        body = encoded({"username": username, "password": password, "email": email})
        request = Request("POST", "/api/v1/auth/register", content=body)
        await self._raw.api.send_anonymously(request)

    async def change_password(self, old: str, new: str) -> Login:
        """Change the user's password, and use the new login from now on. All other logins end.

        Raises:
            Invalid: the old password is wrong, or the new one is not acceptable.
            LoginExpired: there is no login, or it has expired.
            TooManyRequests: there were too many wrong passwords.
            Unavailable: the password may have been changed. Log in with the new one.
            WegentError: the request failed.
        """
        self._raw.target.need_login("passwords")
        body = encoded({"oldPassword": old, "newPassword": new})
        request = Request("POST", "/api/v1/auth/password", content=body)
        return self._logged_in(await self._raw.api.send(request))

    def _logged_in(self, answer: Answer) -> Login:
        """Use the login of an answer from now on, and return it."""
        api = self._raw.api
        token, seconds = api.token_of(answer)
        login = Login(token)
        login.replace(token, seconds)
        api.credentials = login
        return login

    async def renew(self) -> Login:
        """Renew the login now. Clients do that by themselves, before it expires.

        Raises:
            Forbidden: the login is too old to be renewed.
            LoginExpired: there is no login, or it has expired.
            WegentError: the request failed.
        """
        self._raw.target.need_login("logins")
        return await self._raw.api.renew()

    async def me(self) -> Me:
        """Return the user.

        Raises:
            LoginExpired: the token is not good.
            WegentError: the request failed.
        """
        if not self._raw.target.is_rest:
            review = await self._raw.request(
                "POST",
                "/apis/authentication.k8s.io/v1/selfsubjectreviews",
                body={"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"},
            )
            with self._raw.api.reading():
                name = str(review["status"]["userInfo"]["username"])
            return Me(name, default_namespace=self._raw.target.default_namespace, body=review)
        body = await self._raw.api.object(Request("GET", "/api/v1/auth/me", repeatable=True))
        with self._raw.api.reading():
            name = str(body["username"])
        return Me(
            name,
            body.get("email"),
            body.get("role"),
            _grants(body.get("namespaces")),
            _grants(body.get("memberships")),
            body.get("defaultNamespace"),
            body,
        )

    async def kubeconfig(self) -> str:
        """Return a kubeconfig for the user, as YAML: the API server, its CA, and the user's token.

        Raises:
            NeedsLogin: the client has a kubeconfig.
            WegentError: the request failed.
        """
        self._raw.target.need_login("kubeconfigs")
        request = Request("GET", "/api/v1/auth/kubeconfig", repeatable=True)
        answer = await self._raw.api.send(request)
        return answer.content.decode("utf-8", "replace")


class TokenOperations(Operations):
    """Requests for tokens of programs."""

    async def list(self) -> Sequence[ApiToken]:
        """Return the valid tokens of the user, without their values.

        Raises:
            WegentError: the request failed.
        """
        self._raw.target.need_login("tokens of programs")
        body = await self._raw.request("GET", "/api/v1/auth/tokens")
        with self._raw.api.reading():
            return [_token(it) for it in body["items"]]

    async def create(self, name: str, expires_in_s: int | None = None) -> ApiToken:
        """Create a token. Its value can't be read again.

        Args:
            name: a name that no other token of the user has.
            expires_in_s: its lifetime in seconds; 30 days if left out.

        Raises:
            Conflict: the name is taken.
            Forbidden: the login was renewed: log in with the password again.
            WegentError: the request failed.
        """
        self._raw.target.need_login("tokens of programs")
        lifetime = {} if expires_in_s is None else {"expiresInSeconds": expires_in_s}
        body = {"name": name, **lifetime}
        made = await self._raw.request("POST", "/api/v1/auth/tokens", body=body)
        with self._raw.api.reading():
            return _token(made)

    async def revoke(self, name: str) -> None:
        """End a token, within ten seconds.

        Raises:
            NotFound: there is none of this name.
            WegentError: the request failed.
        """
        self._raw.target.need_login("tokens of programs")
        path = f"/api/v1/auth/tokens/{quote(name, safe='')}"
        await self._raw.api.delete(Request("DELETE", path))


def _grants(items: Any) -> Sequence[Grant]:
    found = items if isinstance(items, list) else []
    return [Grant(str(it.get("name")), str(it.get("role"))) for it in found if isinstance(it, dict)]


def _token(body: Mapping[str, Any]) -> ApiToken:
    return ApiToken(
        body["name"],
        datetime.fromisoformat(body["createdAt"]),
        datetime.fromisoformat(body["expiresAt"]),
        body.get("token"),
    )
