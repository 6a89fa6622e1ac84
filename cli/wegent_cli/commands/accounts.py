"""``register`` and ``password``: the Account of the user."""

import time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from wegent_cli.call import Call, command
from wegent_cli.commands.login import (
    PASSWORD_MAX_BYTES,
    CaFileOption,
    InsecureOption,
    NameOption,
    PasswordStdinOption,
    UsernameOption,
    check_answers,
    keep_login,
    new_context,
    with_login,
)
from wegent_cli.errors import CliError, ExitCode, usage
from wegent_cli.terminal import Style, read_stdin

if TYPE_CHECKING:
    from wegent_sdk import Client, Login

SET_UP_WITHIN_S: Final = 30.0
"""Time in which the operator sets up a new Account. It takes a second as a rule."""
PAUSE_S: Final = 1.0


def register(app: typer.Typer) -> None:
    """Register the commands."""
    command(
        app,
        "register",
        examples=(
            "wegent register https://wegent.example.com",
            "wegent register URL --username ada --email ada@example.com",
        ),
    )(register_user)
    command(app, "password", examples=("wegent password",), namespaced=False)(password)


def register_user(
    call: Call,
    url: Annotated[str, typer.Argument(help="Address of the API.", metavar="URL")],
    *,
    username: UsernameOption = None,
    email: Annotated[str | None, typer.Option("--email", help="Address of the user.")] = None,
    password_stdin: PasswordStdinOption = False,
    ca_file: CaFileOption = None,
    insecure_http: InsecureOption = False,
    name: NameOption = None,
) -> None:
    """Register a user, and log in.

    Asks for the name, the e-mail address and a new password. The server may have closed
    registration: an admin creates users then.
    """
    from wegent_cli.clients import client_of  # noqa: PLC0415

    if password_stdin and not (username and email):
        raise usage("--password-stdin needs --username and --email")
    context = new_context(call, url, ca_file, name, insecure=insecure_http)
    with client_of(context) as client:
        check_answers(client)
        username = username or call.terminal.ask("Username: ").strip()
        email = email or call.terminal.ask("E-mail: ").strip()
        new = read_stdin("password", PASSWORD_MAX_BYTES) if password_stdin else _new_password(call)
        client.register(username, new, email)
        call.terminal.note(f"The user {username} is registered.", Style.GOOD)
        login = _first_login(client, username, new)
    keep_login(call, with_login(context, login, username))


def _new_password(call: Call) -> str:
    new = call.terminal.ask_secret("New password: ")
    if call.terminal.ask_secret("The same again: ") != new:
        raise usage("the two passwords differ", "run the command again")
    return new


def _first_login(client: "Client", username: str, password: str) -> "Login":
    """Log in as soon as the operator has set up the Account.

    Raises:
        CliError: the operator has not set it up in time.
    """
    from wegent_sdk import Unavailable  # noqa: PLC0415

    deadline = time.monotonic() + SET_UP_WITHIN_S
    while True:
        try:
            return client.login(username, password)
        except Unavailable as error:
            if time.monotonic() > deadline:
                remedy = "the user is registered: log in later, with `wegent login URL`"
                raise CliError(error.message, remedy) from error
        time.sleep(PAUSE_S)


def password(
    call: Call,
    *,
    stdin: Annotated[
        bool,
        typer.Option("--stdin", help="Read the old and the new password from stdin, a line each."),
    ] = False,
) -> None:
    """Change the password. All other logins and tokens of the user end."""
    context = call.context
    if not context.url:
        raise CliError(
            f"the context {context.name} uses a kubeconfig, without a password",
            "log in with `wegent login URL`",
            ExitCode.LOGIN,
        )
    client = call.client
    username = client.me().username  # the login is good, before anything is asked
    if stdin:
        old, _, new = read_stdin("passwords", 2 * PASSWORD_MAX_BYTES).partition("\n")
    else:
        old, new = call.terminal.ask_secret("Current password: "), _new_password(call)
    if not old or not new:
        raise usage("the current and the new password are needed")
    login = client.change_password(old, new)
    after = with_login(context, login, username)
    if any(it.name == context.name for it in call.config.contexts):
        call.file.change(lambda config: config.with_context(after))
    call.terminal.note("The password is changed.", Style.GOOD)
