"""``namespace``: namespaces of groups."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from wegent_cli.call import Call, command, group
from wegent_cli.documents import show
from wegent_cli.errors import CliError, described, usage
from wegent_cli.tables import table
from wegent_cli.terminal import Style

PATH = "/api/v1/namespaces"
ROLES = ("viewer", "editor", "admin")
REASONS: Final = {
    "shared": "it is shared by all users",
    "account": "your Account names it, which admins of Wegent change",
    "other": "your role comes from a RoleBinding that is not Wegent's",
}
"""Why a role in a namespace isn't left, by the source that ``/auth/me`` names."""


def register(app: typer.Typer) -> None:
    """Register the commands."""
    namespaces = group(app, "namespace", "Create, list and leave the namespaces of groups.")
    command(
        namespaces,
        "create",
        examples=(
            "wegent namespace create platform",
            "wegent namespace create platform --member ada=admin --member bo=editor",
        ),
        namespaced=False,
    )(create)
    command(namespaces, "list", examples=("wegent namespace list",), namespaced=False)(list_)
    command(namespaces, "leave", examples=("wegent namespace leave platform",), namespaced=False)(
        leave
    )


def create(
    call: Call,
    name: Annotated[str, typer.Argument(help="Name of the namespace.", metavar="NAME")],
    *,
    member: Annotated[
        list[str] | None,
        typer.Option("--member", help="USER=ROLE; may be repeated.", metavar="USER=ROLE"),
    ] = None,
    display_name: Annotated[
        str | None, typer.Option("--display-name", help="Name for people.")
    ] = None,
) -> None:
    """Create a namespace for a group. For admins of Wegent."""
    from wegent_sdk import Forbidden  # noqa: PLC0415

    body: dict[str, Any] = {"name": name, "members": [grant(it) for it in member or ()]}
    if display_name:
        body["displayName"] = display_name
    try:
        made = _request(call, "POST", body)
    except Forbidden as error:
        known = described(error)
        if known is None or call.client.me().role == "admin":
            raise
        known.remedy = "admins of Wegent create namespaces for groups: ask one of them"
        raise known from error

    def human() -> None:
        if made.get("ready"):
            call.terminal.note(f"The namespace {name} is created.", Style.GOOD)
        else:
            fault = f"{made.get('reason')}: {made.get('message')}"
            call.terminal.note(f"The group {name} is created, not ready: {fault}", Style.CAUTION)

    show(call, made, human)


def grant(text: str) -> dict[str, str]:
    """Return the member that ``USER=ROLE`` describes.

    Raises:
        CliError: it has another form.
    """
    user, equals, role = text.partition("=")
    if not user or not equals or role not in ROLES:
        raise usage(f"--member {text} is not USER=ROLE", f"roles are: {', '.join(ROLES)}")
    return {"username": user, "role": role}


def list_(call: Call) -> None:
    """List the namespaces that you may use, with your role."""
    listed = _request(call, "GET", None)
    items = listed.get("items") or []

    def human() -> None:
        if not items:
            call.terminal.note("There are no namespaces.")
            return
        rows = [
            [str(it.get("name")), str(it.get("role") or "-"), str(it.get("displayName") or "")]
            for it in items
        ]
        for line in table(("Name", "Role", "Display name"), rows, call.terminal.width):
            call.terminal.line(line)

    show(call, listed, human)


def leave(
    call: Call,
    name: Annotated[str, typer.Argument(help="Name of the namespace.", metavar="NAME")],
) -> None:
    """Leave the namespace of a group, or of another user."""
    from wegent_sdk import NotFound  # noqa: PLC0415

    _needs_login(call)
    client = call.client
    me = client.me()
    members = client.members(name)
    others = _admins_besides(members, me.username)
    try:
        members.delete(me.username)
    except NotFound as error:
        if reason := why_not_left(me.body, name):
            raise CliError(f"{name} can't be left: {reason}") from error
        raise
    call.terminal.note(f"You are no longer a member of {name}.", Style.GOOD)
    if others == 0:
        note = f"{name} has no admin now. Admins of Wegent manage it."
        call.terminal.note(note, Style.CAUTION)


def why_not_left(me: Mapping[str, Any], name: str) -> str:
    """Return the reason for which a namespace can't be left, for a user who is no member there.

    Args:
        me: the answer of ``/auth/me``.
        name: of the namespace.
    """
    listed = me.get("namespaces")
    found = [it for it in listed if it.get("name") == name] if isinstance(listed, list) else []
    sources = found[0].get("sources") or () if found else ()
    return next((REASONS[it] for it in REASONS if it in sources), "")


def _admins_besides(members: Any, username: str) -> int | None:
    """Return the number of other admins of a namespace; None for a user who may not list them."""
    from wegent_sdk import Forbidden  # noqa: PLC0415

    try:
        listed = members.list()
    except Forbidden:
        return None
    return len({it.username for it in listed if it.role == "admin"} - {username})


def _request(call: Call, method: str, body: Any) -> dict[str, Any]:
    """Send a request about namespaces.

    Raises:
        CliError: this is a server without them.
    """
    _needs_login(call)
    answer = call.client.raw.request(method, PATH, body=body)
    if not isinstance(answer, dict):
        raise CliError("the server gave no namespaces", "the server may be older than this command")
    return answer


def _needs_login(call: Call) -> None:
    from wegent_sdk import NeedsLogin  # noqa: PLC0415

    if call.context.kubeconfig:
        raise NeedsLogin("namespaces of groups need Wegent's REST API, and a login")
