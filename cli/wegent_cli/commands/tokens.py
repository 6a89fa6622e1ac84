"""``token``: long-lived tokens for programs."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from wegent_cli.call import Call, command, group
from wegent_cli.documents import show
from wegent_cli.errors import usage
from wegent_cli.tables import table
from wegent_cli.terminal import Style
from wegent_cli.text import age, duration, moment

UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION: Final = re.compile(r"(\d{1,9})([smhd])")

TokenName = Annotated[str, typer.Argument(help="Name of the token.", metavar="NAME")]


def register(app: typer.Typer) -> None:
    """Register the commands."""
    tokens = group(app, "token", "Create, list and revoke tokens for programs.")
    command(
        tokens,
        "create",
        examples=("wegent token create open-webui", "wegent token create ci --expires 90d"),
        namespaced=False,
    )(create)
    command(tokens, "list", examples=("wegent token list",), namespaced=False)(list_)
    command(tokens, "revoke", examples=("wegent token revoke ci",), namespaced=False)(revoke)


def seconds_of(text: str) -> int:
    """Return the seconds of a duration such as ``90d``, ``12h`` or ``30m``.

    Raises:
        CliError: it has another form.
    """
    if not (found := _DURATION.fullmatch(text)):
        raise usage(f"{text} is not a duration", "for example: 90d, 12h or 30m")
    return int(found[1]) * UNITS[found[2]]


def create(
    call: Call,
    name: TokenName,
    *,
    expires: Annotated[
        str, typer.Option("--expires", help="Lifetime, such as 90d or 12h, at most 365d.")
    ] = "30d",
) -> None:
    """Create a token and print it. It can't be shown again.

    It has all your rights. Only a fresh login creates tokens: run `wegent login` before.
    """
    lifetime_s = seconds_of(expires)
    made = _facts(call.client.tokens.create(name, expires_in_s=lifetime_s))
    show(call, made, lambda: call.terminal.line(made["token"]))
    call.terminal.note(f"The token {name} expires at {made['expiresAt']}.", Style.FAINT)


def list_(call: Call) -> None:
    """List your tokens, without their values."""
    items = [_facts(it) for it in call.client.tokens.list()]

    def human() -> None:
        if not items:
            call.terminal.note("There are no tokens.")
            return
        now = datetime.now(UTC)
        rows = []
        for it in items:
            end = moment(it["expiresAt"])
            left = duration((end - now).total_seconds()) if end else ""
            rows.append([it["name"], age(it["createdAt"], now), left])
        for line in table(("Name", "Age", "Expires in"), rows, call.terminal.width):
            call.terminal.line(line)

    show(call, {"items": items}, human)


def revoke(call: Call, name: TokenName) -> None:
    """End a token, within ten seconds."""
    call.client.tokens.revoke(name)
    call.terminal.note(f"The token {name} is revoked.", Style.GOOD)


def _facts(token: Any) -> dict[str, Any]:
    """Return a token of the SDK as the REST API writes it."""
    facts = {
        "name": token.name,
        "createdAt": token.created_at.isoformat(),
        "expiresAt": token.expires_at.isoformat(),
    }
    value = getattr(token, "token", None)
    return facts | ({"token": value} if value else {})
