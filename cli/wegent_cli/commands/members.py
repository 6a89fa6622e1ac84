"""``members``: the users of a namespace."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from wegent_cli.call import Call, command, group
from wegent_cli.documents import show
from wegent_cli.tables import table
from wegent_cli.terminal import Style


class Role(StrEnum):
    """Roles in a namespace."""

    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"


UserName = Annotated[str, typer.Argument(help="Name of the user.", metavar="USER")]
RoleName = Annotated[Role, typer.Argument(help="Role of the user.", metavar="ROLE")]


def register(app: typer.Typer) -> None:
    """Register the commands."""
    members = group(app, "members", "Let others into a namespace.")
    command(members, "list", examples=("wegent members list -n wegent-developer",))(list_)
    command(
        members,
        "set",
        examples=("wegent members set reviewer editor -n wegent-developer",),
    )(set_)
    command(members, "remove", examples=("wegent members remove reviewer -n wegent-developer",))(
        remove
    )


def list_(call: Call) -> None:
    """List the members of a namespace. For its admins."""
    namespace = namespace_of(call)
    items: list[dict[str, Any]] = [
        {"username": it.username, "role": it.role, "byAccount": it.by_account}
        for it in call.client.members(namespace).list()
    ]

    def human() -> None:
        rows = [
            [it["username"] or "(all users)", it["role"], "yes" if it["byAccount"] else "no"]
            for it in items
        ]
        if not rows:
            call.terminal.note(f"The namespace {namespace} has no members.")
            return
        for line in table(("User", "Role", "By account"), rows, call.terminal.width):
            call.terminal.line(line)

    show(call, {"items": items}, human)


def set_(call: Call, user: UserName, role: RoleName) -> None:
    """Give a user a role in a namespace, in place of the one before. For its admins.

    A viewer reads, an editor also writes, an admin also manages members.
    """
    namespace = namespace_of(call)
    call.client.members(namespace).put(user, role.value)
    call.terminal.note(f"{user} is {role} of the namespace {namespace}.", Style.GOOD)


def remove(call: Call, user: UserName) -> None:
    """Take away the role that a namespace gives to a user. Every member may leave."""
    namespace = namespace_of(call)
    call.client.members(namespace).delete(user)
    call.terminal.note(f"{user} is no longer a member of the namespace {namespace}.", Style.GOOD)


def namespace_of(call: Call) -> str:
    """Return the namespace of a call, for requests whose path names it."""
    return call.default_namespace or call.client.me().default_namespace or "default"
