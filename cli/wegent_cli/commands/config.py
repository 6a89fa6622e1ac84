"""``config`` and ``use-context``: the contexts of the configuration file."""

from typing import Annotated, Any

import typer

from wegent_cli.call import Call, command, group
from wegent_cli.documents import show
from wegent_cli.errors import usage
from wegent_cli.tables import table
from wegent_cli.text import moment

KEYS = ("namespace",)


def register(app: typer.Typer) -> None:
    """Register the commands."""
    command(app, "use-context", examples=("wegent use-context work",), namespaced=False)(use)
    config = group(app, "config", "Show and change the configuration.")
    command(config, "list", examples=("wegent config list",), namespaced=False)(list_)
    command(
        config,
        "set",
        examples=("wegent config set namespace platform-team", "wegent config set namespace ''"),
        namespaced=False,
    )(set_)
    command(config, "delete", examples=("wegent config delete old",), namespaced=False)(delete)
    command(config, "path", examples=("wegent config path",), namespaced=False)(path)


def use(call: Call, name: Annotated[str, typer.Argument(help="Name of the context.")]) -> None:
    """Make another context the current one."""
    context = call.config.get(name)
    call.file.change(lambda config: config.with_context(config.get(name), current=True))
    call.terminal.note(f"The current context is {context.name}.")


def list_(call: Call) -> None:
    """List the contexts. A star marks the current one."""
    config = call.config
    items: list[dict[str, Any]] = [
        {
            "name": it.name,
            "current": it.name == config.current,
            "server": it.url or it.kubeconfig,
            "username": it.username,
            "namespace": it.namespace,
            "loggedIn": bool(it.token),
            "expiresAt": it.expires_at,
        }
        for it in config.contexts
    ]

    def human() -> None:
        if not items:
            call.terminal.note("There are no contexts. Create one: wegent login URL")
            return
        rows = [
            [
                f"{'*' if it['current'] else ' '} {it['name']}",
                it["username"] or "-",
                it["namespace"] or "-",
                "kubeconfig" if not it["loggedIn"] and not _is_url(it["server"]) else _login(it),
                it["server"],
            ]
            for it in items
        ]
        heads = ("  Name", "User", "Namespace", "Login", "Server")
        for line in table(heads, rows, call.terminal.width):
            call.terminal.line(line)

    show(call, {"items": items}, human)


def _is_url(server: str) -> bool:
    return "://" in server


def _login(item: dict[str, Any]) -> str:
    from datetime import UTC, datetime  # noqa: PLC0415

    if not item["loggedIn"]:
        return "none"
    end = moment(item["expiresAt"])
    return "expired" if end is not None and end < datetime.now(UTC) else "yes"


def set_(
    call: Call,
    key: Annotated[str, typer.Argument(help="Name of the setting: namespace.")],
    value: Annotated[str, typer.Argument(help="Its value; empty for the default.")],
) -> None:
    """Set a default of the current context."""
    if key not in KEYS:
        raise usage(f"there is no setting {key}", f"use one of: {', '.join(KEYS)}")
    name = call.context_name or call.config.current
    if not name:
        raise usage("there is no current context", "log in first: wegent login URL")
    call.config.get(name)
    call.file.change_context(name, **{key: value})
    call.terminal.note(f"The {key} of the context {name} is {value or 'that of the server'}.")


def delete(call: Call, name: Annotated[str, typer.Argument(help="Name of the context.")]) -> None:
    """Delete a context with its login."""
    call.config.get(name)
    call.file.change(lambda config: config.without(name))
    call.terminal.note(f"The context {name} is deleted.")


def path(call: Call) -> None:
    """Print the path of the configuration file."""
    call.terminal.line(str(call.file.path))
