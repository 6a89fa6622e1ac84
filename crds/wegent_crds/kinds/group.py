"""Group: a namespace for a group of users, with members, a quota and limits."""

import re
from typing import Annotated, Final, Literal

from pydantic import Field

from wegent_crds import members
from wegent_crds.kinds.account import NAME_MAX as USERNAME_MAX
from wegent_crds.schema.base import Schema
from wegent_crds.schema.custom_resource import Column, CustomResource
from wegent_crds.schema.extensions import (
    INT32,
    INT64,
    NULLS_DROPPED,
    Rule,
    defaulted,
    keys_match,
    map_by,
)
from wegent_crds.schema.fields import DNS_LABEL
from wegent_crds.schema.status import Status

NAME_MAX: Final = 63
"""Characters. The namespace has the name of the Group."""
MEMBERS_MAX: Final = 128
IMPORTED_NAME: Final = "import.agent.wecode.io/name"
"""Annotation: the name of the object in the original Wegent, from ``wegent import``."""
IMPORTED_NAME_MAX: Final = 256
"""Characters. A group's name has 100 in Wegent."""
RESOURCES_MAX: Final = 32
RESOURCE: Final = r"^count/[a-z0-9]([-a-z0-9.]{0,244}[a-z0-9])?$"
UID: Final = r"^[0-9a-zA-Z]([-0-9a-zA-Z]*[0-9a-zA-Z])?$"
MAX_REQUESTS_PER_MINUTE: Final = 1_000_000
MAX_TOKENS_PER_DAY: Final = 1_000_000_000_000
_NAME: Final = re.compile(DNS_LABEL)

Username = Annotated[
    str,
    Field(min_length=1, max_length=USERNAME_MAX, pattern=rf"^{DNS_LABEL}$", examples=["developer"]),
]
Uid = Annotated[str, Field(min_length=1, max_length=64, pattern=UID)]


class GroupMember(Schema):
    """GroupMember gives a user a role in the namespace."""

    username: Username
    """Name of the user's Account, at most 50 characters. If there is no such Account, ResolvedRefs
    and Ready are False with the reason RefNotFound, and the other members have their roles."""
    role: Literal["viewer", "editor", "admin"]
    """Role of the user in the namespace: a viewer reads, an editor also writes, an admin also gives
    access to other users."""
    account_uid: Uid | None = None
    """UID of the Account, at most 64 characters. If it is set, only that Account has the role, and
    no later Account of the same name. Defaults to the Account that existed when the operator first
    saw the member."""


class GroupLimits(Schema):
    """GroupLimits limits the calls of Models by the Tasks in the namespace."""

    requests_per_minute: Annotated[int, Field(ge=1, le=MAX_REQUESTS_PER_MINUTE), INT32] | None = (
        None
    )
    """Number of requests to Models in a minute, 1 to 1,000,000; others wait. Defaults to the
    runner's setting."""
    tokens_per_day: Annotated[int, Field(ge=1, le=MAX_TOKENS_PER_DAY), INT64] | None = None
    """Number of tokens in a day of UTC, 1 to 1,000,000,000,000; then Tasks fail. Defaults to the
    runner's setting."""


class GroupSpec(Schema):
    """GroupSpec describes a group's namespace."""

    display_name: Annotated[str, Field(max_length=128)] | None = None
    """Name of the group for people, at most 128 characters."""
    members: (
        Annotated[list[GroupMember], Field(max_length=MEMBERS_MAX), map_by("username")] | None
    ) = None
    """Members of the group with their roles, at most 128, each user once. Admins of the namespace
    can give access to further users. Without admins, the admins of all of Wegent manage it."""
    quota: (
        Annotated[
            dict[str, Annotated[int, Field(ge=0, le=1_000_000), INT32]],
            Field(max_length=RESOURCES_MAX),
            keys_match(
                RESOURCE, "names must be count/<resource>, such as count/bots.agent.wecode.io"
            ),
            NULLS_DROPPED,
        ]
        | None
    ) = None
    """Number of objects that the namespace may hold, 0 to 1,000,000, by resource: at most 32 names
    such as count/bots.agent.wecode.io. Defaults to the quota of a user's own namespace; an empty
    map means no quota."""
    limits: GroupLimits | None = None
    """Limits on the calls of Models by the Tasks in the namespace. Defaults to those of the
    runner's settings."""


class BoundMember(Schema):
    """BoundMember is the Account that a member of the spec stands for."""

    username: Username
    """Name of the member."""
    account_uid: Annotated[str, Field(max_length=64)] = ""
    """UID of the Account when the operator first saw the member. Empty if there was none, so that
    a later Account of the name does not get the role. Defaults to the empty string."""


class GroupStatus(Status):
    """GroupStatus is the observed state of a Group."""

    members: (
        Annotated[list[BoundMember], Field(max_length=MEMBERS_MAX), map_by("username")] | None
    ) = None
    """Members of the spec without accountUid, with the Accounts that they stand for, at most
    128."""


class Group(CustomResource):
    """Group is users who share a namespace. Only those in the accounts namespace count.

    The namespace has the name of the Group: a DNS-1123 label. The names default and wegent, and
    those that begin with kube- or wegent- are reserved.
    """

    columns = (Column("Display", ".spec.displayName", priority=1),)
    rules = (
        Rule(
            cel=f"size(self.metadata.name) <= {NAME_MAX}"
            f" && self.metadata.name.matches(r'^{DNS_LABEL}$')",
            message="a Group's name must be a DNS-1123 label (lower case letters, digits and"
            f" dashes) of at most {NAME_MAX} characters",
            check=lambda self: (
                len(self.metadata.resulting_name) <= NAME_MAX
                and _NAME.fullmatch(self.metadata.resulting_name) is not None
            ),
            field_path=".metadata.name",
        ),
        Rule(
            cel=f"!(self.metadata.name in {list(members.RESERVED_NAMESPACES)})"
            f" && !self.metadata.name.startsWith('{members.SYSTEM_PREFIX}')"
            f" && !self.metadata.name.startsWith('{members.OWN_NAMESPACE_PREFIX}')",
            message="a Group must not have a reserved name: default, wegent, and names that"
            f" begin with {members.SYSTEM_PREFIX} or {members.OWN_NAMESPACE_PREFIX}",
            check=lambda self: members.may_be_a_groups(self.metadata.resulting_name),
            field_path=".metadata.name",
        ),
    )

    kind: Literal["Group"]
    """Name of the kind: Group."""
    spec: GroupSpec
    """Specification of the namespace, its members, quota and limits."""
    status: GroupStatus = Field(default_factory=GroupStatus, json_schema_extra=defaulted({}))
    """Most recently observed status of the Group, written by the operator. Ignored when the
    object is created or updated: only the status subresource writes it."""
