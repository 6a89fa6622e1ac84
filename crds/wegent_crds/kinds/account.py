"""Account: a user, for whom the operator creates a ServiceAccount, a namespace and bindings."""

import re
from typing import Annotated, Final, Literal

from pydantic import Field

from wegent_crds import members
from wegent_crds.schema.base import Schema
from wegent_crds.schema.custom_resource import Column, CustomResource
from wegent_crds.schema.extensions import Rule, map_by
from wegent_crds.schema.fields import DNS_LABEL, LocalReference, NamespaceName

NAME_MAX: Final = 50
"""Characters. The user's own namespace, ``wegent-<name>``, has at most 63."""
RESERVED_NAMES: Final = ("accounts", "default", "system")
"""``wegent-<name>`` would be the accounts namespace, a shared one, or the operator's."""
_NAME: Final = re.compile(DNS_LABEL)

_LETTERS: Final = (
    "\u00a1-\u1fff\u2070-\u2fff\u3001-\ud7ff\uf900-\ufefe\uff01-\uffdc\U00010000-\U0003fffd"
)
"""Characters beyond ASCII, without spaces, invisible marks and marks that change the direction of
writing."""
EMAIL: Final = (
    f"^[!-?A-~{_LETTERS}]+@[A-Za-z0-9{_LETTERS}]([-A-Za-z0-9.{_LETTERS}]*[A-Za-z0-9{_LETTERS}])?$"
)
"""Visible characters around one @, because RFC 6531 allows addresses in all scripts. The pattern
doesn't prove that mail arrives."""
Email = Annotated[
    str,
    Field(
        max_length=254,
        pattern=EMAIL,
        examples=["developer@example.com"],
    ),
]


class NamespaceGrant(Schema):
    """NamespaceGrant gives the user a role in one namespace."""

    name: NamespaceName
    """Name of the namespace. If it does not exist, ResolvedRefs and Ready are False with the reason
    RefNotFound. System namespaces are not allowed."""
    role: Literal["viewer", "editor", "admin"]
    """Role of the user in the namespace: a viewer reads, an editor also writes, an admin also gives
    access to other users."""


NOT_IN_SYSTEM_NAMESPACES: Final = Rule(
    cel=f"self.all(it, !(it.name in {list(members.SYSTEM_NAMESPACES)})"
    f" && !it.name.startsWith('{members.SYSTEM_PREFIX}'))",
    message="rights in a system namespace are not allowed:"
    f" {', '.join(members.SYSTEM_NAMESPACES)} and names that begin with {members.SYSTEM_PREFIX}",
    check=lambda grants: not any(members.is_system_namespace(it.name) for it in grants),
)
"""An admin of the accounts namespace would be an admin of the whole cluster's Wegent, without the
role that shows it."""


class AccountSpec(Schema):
    """AccountSpec describes a user and the user's rights."""

    email: Email
    """E-mail address of the user, at most 254 characters. It is not verified."""
    role: Literal["user", "admin"] = "user"
    """Role of the user in the whole cluster. An admin has all rights on Wegent's kinds and on
    Accounts. A user has rights only in the user's own namespace, in the shared namespaces and in
    those of the field namespaces. Defaults to user."""
    namespaces: (
        Annotated[
            list[NamespaceGrant], Field(max_length=64), map_by("name"), NOT_IN_SYSTEM_NAMESPACES
        ]
        | None
    ) = None
    """Roles of the user in further namespaces, at most 64, each namespace once. The user's own
    namespace and the shared namespaces need no entry."""
    suspended: bool = False
    """Specifies whether the user's access is withdrawn. Setting it to false restores the access.
    Defaults to false."""
    password_secret_ref: LocalReference | None = None
    """Reference to the Secret with the Argon2id hash of the password, under the key hash. The
    Secret is in the namespace of the Account. If it is not set or does not exist, the user
    can't log in. A new password is stored in a new Secret, which ends all sessions."""


class Account(CustomResource):
    """Account is a user of Wegent. Only Accounts in the accounts namespace have an effect.

    The name of the Account is the name of the user: a DNS-1123 label of at most 50 characters.
    The names accounts, default and system are reserved.
    """

    columns = (
        Column("Role", ".spec.role"),
        Column("Email", ".spec.email", priority=1),
        Column("Suspended", ".spec.suspended", "boolean"),
    )
    selectable = (".spec.role", ".spec.suspended")
    rules = (
        Rule(
            cel=f"size(self.metadata.name) <= {NAME_MAX}"
            f" && self.metadata.name.matches(r'^{DNS_LABEL}$')",
            message=f"an Account's name must be a DNS-1123 label (lower case letters, digits and"
            f" dashes) of at most {NAME_MAX} characters",
            check=lambda self: (
                len(self.metadata.resulting_name) <= NAME_MAX
                and _NAME.fullmatch(self.metadata.resulting_name) is not None
            ),
            field_path=".metadata.name",
        ),
        Rule(
            cel=f"!(self.metadata.name in {list(RESERVED_NAMES)})",
            message=f"an Account must not have a reserved name: {', '.join(RESERVED_NAMES)}",
            check=lambda self: self.metadata.resulting_name not in RESERVED_NAMES,
            field_path=".metadata.name",
        ),
    )

    kind: Literal["Account"]
    """Name of the kind: Account."""
    spec: AccountSpec
    """Specification of the user and the user's rights."""
