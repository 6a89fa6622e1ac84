"""Bodies of ``/api/v1/auth``, validated as strictly as the kinds, by the same rules."""

from datetime import datetime
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, SecretStr, WithJsonSchema

from wegent_api.accounts.api_tokens import ApiToken
from wegent_api.accounts.store import Account
from wegent_api.accounts.tokens import MIN_LIFETIME_S, IssuedToken
from wegent_api.names import LABEL_SCHEMA, USER_NAME_SCHEMA, dns_label, new_user_name, user_name
from wegent_api.settings import MAX_PASSWORD_CHARS
from wegent_crds.kinds.account import NOT_IN_SYSTEM_NAMESPACES, Email, NamespaceGrant
from wegent_crds.schema.base import Schema
from wegent_crds.schema.extensions import map_by

MAX_MEMBERSHIPS = 64
"""Limit of namespaces in an Account."""

Role = Literal["user", "admin"]
EmailAddress = Annotated[
    Email,
    # Generators of clients and of test data support the format. The CRD's pattern allows letters of
    # all scripts, and one of the generators needs minutes for an address of full length.
    WithJsonSchema(
        {
            "type": "string",
            "format": "email",
            "maxLength": 254,
            "examples": ["developer@example.com"],
        }
    ),
]
NamespaceGrants = Annotated[
    list[NamespaceGrant],
    Field(max_length=MAX_MEMBERSHIPS),
    map_by("name"),
    NOT_IN_SYSTEM_NAMESPACES,
]
Password = Annotated[SecretStr, Field(min_length=1, max_length=MAX_PASSWORD_CHARS)]


DAY_S: Final = 86_400
MAX_API_TOKEN_S: Final = 365 * DAY_S


class Body(Schema):
    """A request's body. Errors never quote the input, which may be a password."""

    model_config = ConfigDict(hide_input_in_errors=True)


class Registration(Body):
    """A new user."""

    username: Annotated[str, AfterValidator(new_user_name), USER_NAME_SCHEMA]
    """A DNS-1123 label of at most 50 characters."""
    email: EmailAddress
    """Address of the user."""
    password: Password
    """12 to 128 characters, unless configured otherwise."""


class AdminRegistration(Registration):
    """A new user that an admin creates."""

    role: Role = "admin"
    """Role of the user in all namespaces. The default is an admin."""
    namespaces: NamespaceGrants | None = None
    """Rights in namespaces other than the user's own and the shared ones."""


class Credentials(Body):
    """Name and password for a login."""

    username: Annotated[str, AfterValidator(user_name), USER_NAME_SCHEMA]
    """Name of the user."""
    password: Password
    """The user's password."""


class PasswordChange(Body):
    """A new password for the caller."""

    old_password: Password
    """The current password."""
    new_password: Password
    """12 to 128 characters, unless configured otherwise."""


class Answer(Schema):
    """Base of answers."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)


class Registered(Answer):
    """A user that has just been created."""

    username: str
    email: str
    role: Role

    @classmethod
    def of(cls, account: Account) -> Self:
        """Return the view of ``account`` for its creator."""
        return cls.model_validate(
            {"username": account.username, "email": account.email, "role": account.role}
        )


class Token(Answer):
    """A token from a login."""

    access_token: str
    """Token to send as ``Authorization: Bearer``."""
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - names a kind of token
    expires_in: int
    """Lifetime of the token in seconds."""


TokenName = Annotated[str, AfterValidator(dns_label), LABEL_SCHEMA]


class ApiTokenCreation(Body):
    """An API token to create."""

    name: TokenName
    """A DNS-1123 label of at most 63 characters, which no other valid token of the user has."""
    expires_in_seconds: Annotated[int, Field(ge=MIN_LIFETIME_S, le=MAX_API_TOKEN_S)] = 30 * DAY_S
    """Lifetime in seconds, from 10 minutes to 365 days. The cluster may have a shorter limit."""


class ApiTokenInfo(Answer):
    """An API token without its value."""

    name: str
    created_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, token: ApiToken) -> Self:
        """Return the view of ``token``."""
        return cls(name=token.name, created_at=token.created, expires_at=token.expires)


class ApiTokenList(Answer):
    """The valid API tokens of the caller."""

    items: list[ApiTokenInfo]


class CreatedApiToken(ApiTokenInfo):
    """A new API token. Its value can't be shown again."""

    token: str
    """Token to send as ``Authorization: Bearer``, or to give to a client as its API key."""

    @classmethod
    def of_issued(cls, token: ApiToken, issued: IssuedToken) -> Self:
        """Return the view of a new token with its value."""
        fields = {"created_at": token.created, "expires_at": token.expires}
        return cls(name=token.name, token=issued.token, **fields)


class NamespaceAccess(Answer):
    """A namespace that the caller may use."""

    name: str
    role: Literal["viewer", "editor", "admin"]
    """Highest role that RoleBindings give in the namespace."""
    sources: list[Literal["own", "shared", "group", "account", "member", "other"]]
    """Where roles come from: the user's own namespace, a shared one, that of a group, the account,
    a membership that an admin of the namespace gave, or another RoleBinding."""


class Me(Answer):
    """The caller. A caller who is not a Wegent user has no ``email`` and no ``role``."""

    username: str
    """Name of the user. For others, the name that the API server gives them."""
    email: str | None = None
    role: Role | None = None
    default_namespace: str
    """Namespace of requests that name none, also in the caller's kubeconfig."""
    namespaces: list[NamespaceAccess] | None = None
    """All namespaces in which RoleBindings give the caller a role, each once, sorted by name. An
    admin has that role in all other namespaces too. Omitted if the proxy may not read them."""
    memberships: list[NamespaceGrant] | None = None
    """Namespaces to which their admins have added the user, who can leave each of them. Omitted if
    there are none, or the proxy may not read them."""
