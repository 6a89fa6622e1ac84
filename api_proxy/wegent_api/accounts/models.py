"""Bodies of ``/api/v1/auth``: judged as strictly as the kinds are, by the same rules."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, SecretStr, WithJsonSchema

from wegent_api.accounts.store import Account
from wegent_api.names import USER_NAME_SCHEMA, new_user_name, user_name
from wegent_api.settings import MAX_PASSWORD_CHARS
from wegent_crds.kinds.account import NOT_IN_SYSTEM_NAMESPACES, Email, NamespaceGrant
from wegent_crds.schema.base import Schema
from wegent_crds.schema.extensions import map_by

MAX_MEMBERSHIPS = 64
"""As many as an Account takes."""

Role = Literal["user", "admin"]
EmailAddress = Annotated[
    Email,
    # Generators of clients and of test data know the format. From the pattern of the CRD, with
    # letters of all scripts, one of them takes minutes to make an address of full length.
    WithJsonSchema(
        {
            "type": "string",
            "format": "email",
            "maxLength": 254,
            "examples": ["developer@example.com"],
        }
    ),
]
Password = Annotated[SecretStr, Field(min_length=1, max_length=MAX_PASSWORD_CHARS)]


class Body(Schema):
    """A request's body. What was sent is never quoted: it may be a password."""

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
    """A new user as an admin makes them."""

    role: Role = "admin"
    """What the user may do everywhere: an admin, unless this says otherwise."""
    namespaces: (
        Annotated[
            list[NamespaceGrant],
            Field(max_length=MAX_MEMBERSHIPS),
            map_by("name"),
            NOT_IN_SYSTEM_NAMESPACES,
        ]
        | None
    ) = None
    """Rights in namespaces other than the user's own and the shared ones."""


class Credentials(Body):
    """What a user logs in with."""

    username: Annotated[str, AfterValidator(user_name), USER_NAME_SCHEMA]
    """Name of the user."""
    password: Password
    """The user's password."""


class PasswordChange(Body):
    """Another password for the caller."""

    old_password: Password
    """The password that is in force."""
    new_password: Password
    """12 to 128 characters, unless configured otherwise."""


class Answer(Schema):
    """What a request is answered."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)


class Registered(Answer):
    """A user that has just been made."""

    username: str
    email: str
    role: Role

    @classmethod
    def of(cls, account: Account) -> Self:
        """Return what ``account`` looks like to whoever made it."""
        return cls.model_validate(
            {"username": account.username, "email": account.email, "role": account.role}
        )


class Token(Answer):
    """A login."""

    access_token: str
    """To be sent as ``Authorization: Bearer``."""
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - names a kind of token
    expires_in: int
    """Seconds."""


class Me(Answer):
    """The caller. One that is no user of Wegent's has a ``username`` and nothing else."""

    username: str
    """The user's name; of others, the name by which the API server knows them."""
    email: str | None = None
    role: Role | None = None
    namespaces: list[NamespaceGrant] | None = None
    """Rights that the account gives in namespaces other than the user's own and the shared ones."""
    memberships: list[NamespaceGrant] | None = None
    """Namespaces that their admins let the user into: each can be left. Left out where there are
    none, or the proxy may not know them."""

    @classmethod
    def of(cls, account: Account, memberships: list[NamespaceGrant] | None) -> Self:
        """Return what ``account`` looks like to its user."""
        return cls.model_validate(
            {
                "username": account.username,
                "email": account.email,
                "role": account.role,
                "namespaces": list(account.namespaces),
                "memberships": memberships or None,
            }
        )
