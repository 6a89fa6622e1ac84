"""Account: a user, as the operator turns it into a ServiceAccount and its rights."""

import re
from typing import Annotated, Final, Literal

from pydantic import Field

from wegent_crds import members
from wegent_crds.schema.base import Schema
from wegent_crds.schema.custom_resource import Column, CustomResource
from wegent_crds.schema.extensions import Rule, map_by
from wegent_crds.schema.fields import DNS_LABEL, LocalReference, NamespaceName

NAME_MAX: Final = 50
"""Leaves room in 63 for the user's own namespace, ``wegent-<name>``."""
RESERVED_NAMES: Final = ("accounts", "default", "system")
"""Their namespaces would be the accounts' own, a shared one, and the operator's."""
_NAME: Final = re.compile(DNS_LABEL)

_LETTERS: Final = (
    "\u00a1-\u1fff\u2070-\u2fff\u3001-\ud7ff\uf900-\ufefe\uff01-\uffdc\U00010000-\U0003fffd"
)
"""Beyond ASCII: no spaces, no marks that are invisible or turn the direction of writing."""
EMAIL: Final = (
    f"^[!-?A-~{_LETTERS}]+@[A-Za-z0-9{_LETTERS}]([-A-Za-z0-9.{_LETTERS}]*[A-Za-z0-9{_LETTERS}])?$"
)
"""Visible characters around one @, as RFC 6531 has addresses in all scripts. Whether mail arrives
there, only mail can tell."""
Email = Annotated[
    str,
    Field(
        max_length=254,
        pattern=EMAIL,
        examples=["developer@example.com"],
    ),
]


class NamespaceGrant(Schema):
    """A right in one namespace."""

    name: NamespaceName
    """Name of the namespace."""
    role: Literal["viewer", "editor", "admin"]
    """What the user may do there: read, also write, also give access to others."""


NOT_IN_SYSTEM_NAMESPACES: Final = Rule(
    cel=f"self.all(it, !(it.name in {list(members.SYSTEM_NAMESPACES)})"
    f" && !it.name.startsWith('{members.SYSTEM_PREFIX}'))",
    message="nobody is given rights in a system namespace:"
    f" {', '.join(members.SYSTEM_NAMESPACES)} and those that begin with {members.SYSTEM_PREFIX}",
    check=lambda grants: not any(members.is_system_namespace(it.name) for it in grants),
)
"""An admin of the accounts namespace would be an admin of everything, and not be seen as one."""


class AccountSpec(Schema):
    """Who the user is, and what they may do."""

    email: Email
    """Address of the user."""
    role: Literal["user", "admin"] = "user"
    """What the user may do everywhere: an admin, everything with Wegent's kinds and Accounts."""
    namespaces: (
        Annotated[
            list[NamespaceGrant], Field(max_length=64), map_by("name"), NOT_IN_SYSTEM_NAMESPACES
        ]
        | None
    ) = None
    """Rights in namespaces other than the user's own and the shared ones."""
    suspended: bool = False
    """Whether the user's access is withdrawn for the time being."""
    password_secret_ref: LocalReference | None = None
    """Secret beside the Account with the Argon2id hash of the password, under the key hash. A
    changed password is a new Secret, which ends all sessions."""


class Account(CustomResource):
    """An Account is a user. It counts in the accounts namespace only.

    The user's name is the Account's: an RFC 1123 label of at most 50 characters, and not
    accounts, default or system.
    """

    columns = (
        Column("Role", ".spec.role"),
        Column("Email", ".spec.email"),
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
            message=f"an Account may not be named {', '.join(RESERVED_NAMES)}: these are reserved",
            check=lambda self: self.metadata.resulting_name not in RESERVED_NAMES,
            field_path=".metadata.name",
        ),
    )

    kind: Literal["Account"]
    """Name of the kind."""
    spec: AccountSpec
    """Who the user is, and what they may do."""
