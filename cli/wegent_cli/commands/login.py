"""``login``, ``logout`` and ``whoami``."""

import secrets
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from wegent_cli.call import Call, command
from wegent_cli.config import Context
from wegent_cli.documents import show
from wegent_cli.errors import CliError, ExitCode, usage
from wegent_cli.target import DEFAULT_KUBECONFIG, checked_url, context_name
from wegent_cli.terminal import Style, read_stdin
from wegent_cli.text import duration, moment

if TYPE_CHECKING:
    from wegent_sdk import Client, Login

PASSWORD_MAX_BYTES: Final = 1024
TOKEN_MAX_BYTES: Final = 64 << 10

UsernameOption = Annotated[str | None, typer.Option("--username", "-u", help="Name of the user.")]
PasswordStdinOption = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from stdin.")
]
CaFileOption = Annotated[
    Path | None, typer.Option("--ca-file", help="PEM file with the CA of the server.")
]
InsecureOption = Annotated[
    bool, typer.Option("--insecure-http", help="Permit http:// to another machine.")
]
NameOption = Annotated[
    str | None, typer.Option("--name", help="Name of the context. Default: the host.")
]


def register(app: typer.Typer) -> None:
    """Register the commands."""
    command(
        app,
        "login",
        examples=(
            "wegent login https://wegent.example.com",
            "wegent login http://localhost:8000 --username developer",
            "pass show wegent | wegent login URL --username ci --password-stdin",
            "wegent login --kubeconfig ~/.kube/config --name cluster",
        ),
    )(login)
    command(app, "logout", examples=("wegent logout",), namespaced=False)(logout)
    command(app, "whoami", examples=("wegent whoami", "wegent whoami -o json"), namespaced=False)(
        whoami
    )


def login(  # noqa: PLR0913 - the sources of a login
    call: Call,
    url: Annotated[str | None, typer.Argument(help="Address of the API.", metavar="[URL]")] = None,
    *,
    username: UsernameOption = None,
    password_stdin: PasswordStdinOption = False,
    token_stdin: Annotated[
        bool, typer.Option("--token-stdin", help="Read a token from stdin, without a password.")
    ] = False,
    ca_file: CaFileOption = None,
    insecure_http: InsecureOption = False,
    name: NameOption = None,
    kubeconfig: Annotated[
        Path | None,
        typer.Option("--kubeconfig", help="Use a kubeconfig in place of a login."),
    ] = None,
    kube_context: Annotated[
        str | None, typer.Option("--kube-context", help="Context in the kubeconfig.")
    ] = None,
) -> None:
    """Log in to an API, and make it the current context.

    Asks for the name and the password. Without a URL, logs in again to the current context. The
    login renews itself while it is used, for as long as the server permits: a day by default.
    """
    if kubeconfig is not None or kube_context is not None:
        _use_kubeconfig(call, kubeconfig, kube_context, name)
        return
    if password_stdin and token_stdin:
        raise usage("--password-stdin and --token-stdin exclude each other")
    context = new_context(call, url, ca_file, name, insecure=insecure_http)
    if token_stdin:
        context = _with_token(context, read_stdin("token", TOKEN_MAX_BYTES))
    else:
        context = _with_password(call, context, username, from_stdin=password_stdin)
    keep_login(call, context)


def keep_login(call: Call, context: Context) -> None:
    """Make a context with a new login the current one, and tell the user."""
    call.file.change(lambda config: config.with_context(context, current=True))
    call.terminal.note(f"Logged in to {context.url} as {context.username}.", Style.GOOD)
    call.terminal.note(f"The current context is {context.name}.")


def new_context(
    call: Call, url: str | None, ca_file: Path | None, name: str | None, *, insecure: bool
) -> Context:
    """Return the context to log in to, without a token."""
    known = call.config
    if url is None:
        chosen = name or call.context_name or known.current
        if not chosen:
            raise usage(
                "the URL is missing", "for example: wegent login https://wegent.example.com"
            )
        context = known.get(chosen)
        if not context.url:
            raise usage(f"the context {chosen} uses a kubeconfig", "give the URL of the API")
    else:
        checked = checked_url(url, insecure=insecure)
        chosen = name or call.context_name or context_name(checked)
        before = next((it for it in known.contexts if it.name == chosen), Context(chosen))
        same = before.url == checked
        context = replace(before if same else Context(chosen), url=checked, insecure_http=insecure)
    if ca_file is not None:
        if not ca_file.is_file():
            raise usage(f"--ca-file: {ca_file} is not a file")
        context = replace(context, ca_file=str(ca_file.resolve()))
    return replace(
        context,
        token="",
        fixed_token=False,
        expires_at="",
        login_id="",
        namespace=call.namespace or context.namespace,
    )


def _with_password(
    call: Call, context: Context, username: str | None, *, from_stdin: bool
) -> Context:
    from wegent_cli.clients import client_of  # noqa: PLC0415
    from wegent_sdk import LoginExpired  # noqa: PLC0415

    if from_stdin and not username:
        raise usage("--password-stdin needs --username")
    with client_of(context) as client:
        check_answers(client)
        name = username or _asked_name(call, context.username)
        if from_stdin:
            password = read_stdin("password", PASSWORD_MAX_BYTES)
        else:
            password = call.terminal.ask_secret("Password: ")
        if not name or not password:
            raise usage("a name and a password are needed")
        try:
            login = client.login(name, password)
        except LoginExpired as error:
            raise CliError(
                error.message, "check the name and the password", ExitCode.LOGIN
            ) from error
    return with_login(context, login, name)


def with_login(context: Context, login: "Login", username: str) -> Context:
    """Return the context with a new login."""
    end = login.expires_at.isoformat() if login.expires_at else ""
    its_id = secrets.token_hex(8)
    return replace(
        context,
        token=login.token,
        fixed_token=False,
        expires_at=end,
        login_id=its_id,
        username=username,
    )


def _asked_name(call: Call, before: str) -> str:
    """Return the name that the user types; an empty line means that of the last login."""
    prompt = f"Username ({before}): " if before else "Username: "
    return call.terminal.ask(prompt).strip() or before


def check_answers(client: "Client") -> None:
    """Check that the address is a Wegent API, before a password is asked for.

    Raises:
        CliError: the address has a path that is not the API's.
        WegentError: it is none, or does not answer.
    """
    from wegent_sdk import LoginExpired, NotFound  # noqa: PLC0415

    try:
        client.me()
    except LoginExpired:  # the expected answer to a request without a token
        return
    except NotFound as error:
        raise CliError(
            f"there is no Wegent API at {client.url}",
            "leave out the path, or give that of your ingress",
            ExitCode.UNREACHABLE,
        ) from error


def _with_token(context: Context, token: str) -> Context:
    """Return the context with a token, which the server must accept.

    Raises:
        CliError: the token is not good.
    """
    from wegent_cli.clients import client_of  # noqa: PLC0415
    from wegent_sdk import LoginExpired  # noqa: PLC0415
    from wegent_sdk.credentials import expiry_of  # noqa: PLC0415

    end = expiry_of(token)
    expires_at = end.isoformat() if end else ""
    context = replace(context, token=token, fixed_token=True, expires_at=expires_at)
    with client_of(context) as client:
        try:
            me = client.me()
        except LoginExpired as error:
            raise CliError(
                error.message, "use a token of this server that has not expired", ExitCode.LOGIN
            ) from error
    return replace(context, username=me.username)


def _use_kubeconfig(
    call: Call, kubeconfig: Path | None, kube_context: str | None, name: str | None
) -> None:
    if kubeconfig is not None and not kubeconfig.is_file():
        raise usage(f"--kubeconfig: {kubeconfig} is not a file")
    path = str(kubeconfig.resolve()) if kubeconfig else DEFAULT_KUBECONFIG
    context = Context(
        name or kube_context or "kubeconfig",
        namespace=call.namespace or "",
        kubeconfig=path,
        kube_context=kube_context or "",
    )
    call.file.change(lambda config: config.with_context(context, current=True))
    call.terminal.note(f"The current context is {context.name}.", Style.GOOD)


def logout(call: Call) -> None:
    """Forget the login of the current context.

    The token of a login ends by itself, within half an hour by default. A token that was given
    with --token-stdin works until it ends or is revoked. The context stays.
    """
    context = call.context
    if not context.token or not any(it.name == context.name for it in call.config.contexts):
        call.terminal.note(f"There is no login for the context {context.name}.")
        return
    call.file.change_context(context.name, token="", expires_at="", login_id="")
    call.terminal.note(f"Logged out of {context.url}.", Style.GOOD)
    if context.fixed_token:
        call.terminal.note("The token still works: revoke an API token with `wegent token revoke`.")


def whoami(call: Call) -> None:
    """Show the user, the rights and the end of the login."""
    context = call.context
    me = call.client.me()
    # Older servers have no memberships in the list of namespaces.
    roles = {it.name: it.role for it in (*me.memberships, *me.namespaces)}
    facts: dict[str, Any] = {
        "username": me.username,
        "email": me.email,
        "role": me.role,
        "context": context.name,
        "server": context.url or context.kubeconfig,
        "namespace": call.default_namespace or me.default_namespace or "default",
        "tokenExpiresAt": expiry(call),
        "access": [{"namespace": name, "role": role} for name, role in sorted(roles.items())],
    }
    facts = {key: value for key, value in facts.items() if value}
    show(call, facts, lambda: _print(call, facts))


def expiry(call: Call) -> str:
    """Return the end of the login after the requests so far, which may have renewed it."""
    from wegent_sdk.credentials import expiry_of  # noqa: PLC0415

    if call.context.fixed_token:  # it may be that of WEGENT_TOKEN, and not the stored one
        end = expiry_of(call.context.token)
        return call.context.expires_at or (end.isoformat() if end else "")
    name = call.context.name
    stored = [it for it in call.file.load().contexts if it.name == name]
    return stored[0].expires_at if stored else call.context.expires_at


def _print(call: Call, facts: dict[str, Any]) -> None:
    labels = {
        "username": "User",
        "email": "E-mail",
        "role": "Role",
        "server": "Server",
        "context": "Context",
        "namespace": "Namespace",
    }
    for key, label in labels.items():
        if key in facts:
            call.terminal.line(f"{label + ':':<11} {facts[key]}")
    if end := moment(facts.get("tokenExpiresAt")):
        left = (end - datetime.now(UTC)).total_seconds()
        shown = f"in {duration(left)}" if left > 0 else "expired"
        call.terminal.line(f"{'Token ends:':<11} {shown}")
    for grant in facts.get("access", ()):
        call.terminal.line(f"{'Access to:':<11} {grant['namespace']} ({grant['role']})")
