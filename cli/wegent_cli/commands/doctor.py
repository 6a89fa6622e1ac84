"""``doctor``: checks of all that a user needs, each with its remedy."""

import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import typer

from wegent_cli.call import Call, command
from wegent_cli.commands.shell import own_version
from wegent_cli.documents import show
from wegent_cli.errors import CliError, described
from wegent_cli.kinds import USER_FACING
from wegent_cli.terminal import Style
from wegent_cli.text import duration, moment, one_line
from wegent_cli.tree import State, judged
from wegent_crds.registry import BOT, MODEL, TEAM

SKEW_S = 30.0
"""Seconds by which two clocks may differ without an effect on tokens."""
INDENT = 9
"""Cells before each message: the longest result and a space."""
STYLES = {"ok": Style.GOOD, "warning": Style.CAUTION, "failed": Style.BAD}
SHOWN = 3
"""Objects that one line names."""


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check: ``ok``, ``warning`` or ``failed``."""

    name: str
    result: str
    message: str
    remedy: str = ""

    def as_json(self) -> dict[str, str]:
        """Return the result for ``-o json``."""
        facts = {"name": self.name, "result": self.result, "message": self.message}
        return facts | ({"remedy": self.remedy} if self.remedy else {})


def register(app: typer.Typer) -> None:
    """Register the command."""
    command(app, "doctor", examples=("wegent doctor", "wegent doctor -o json"))(doctor)


def doctor(call: Call) -> None:
    """Check versions, the login, rights, runners and Models.

    The exit status is 1 after a fault.
    """
    results: list[Check] = []
    for check in checks(call):
        results.append(check)
        if not call.is_structured:
            _print(call, check)
    if call.is_structured:
        show(call, {"items": [it.as_json() for it in results]}, lambda: None)
    failed = [it for it in results if it.result == "failed"]
    if failed:
        named = ", ".join(it.name for it in failed)
        raise CliError(f"{len(failed)} of {len(results)} checks failed: {named}")


def _print(call: Call, check: Check) -> None:
    texts = [f"{check.name}: {check.message}"]
    texts += [f"remedy: {check.remedy}"] if check.remedy else []
    width = call.terminal.width
    lines = [
        line
        for text in map(one_line, texts)
        for line in ([text] if width is None else _wrapped(text, width - INDENT))
    ]
    label = call.terminal.styled(f"{check.result:<{INDENT}}", STYLES[check.result])
    call.terminal.write(label + f"\n{' ' * INDENT}".join(lines) + "\n")


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)


def checks(call: Call) -> Iterator[Check]:
    """Yield the results of all checks. One without which others make no sense ends them."""
    yield Check("version", "ok", f"wegent {own_version()}")
    context = call.context
    yield Check("context", "ok", f"{context.name}: {context.url or context.kubeconfig}")
    yield from _login(call)
    try:
        me = call.client.me()
    except Exception as error:
        known = described(error)
        if known is None:
            raise
        yield Check("server", "failed", known.message, known.remedy)
        return
    yield Check("server", "ok", f"answers, as {me.username}")
    for part in (_server, _clock, _rights, _runners, _objects):
        yield from _safely(part, call)


def _safely(part: Callable[[Call], Iterator[Check]], call: Call) -> Iterator[Check]:
    try:
        yield from part(call)
    except Exception as error:
        known = described(error)
        if known is None:
            raise
        name = part.__name__.strip("_")
        yield Check(name, "failed", known.message, known.remedy)


def _login(call: Call) -> Iterator[Check]:
    context = call.context
    if context.kubeconfig:
        yield Check("login", "ok", "not needed: the kubeconfig has the credentials")
        return
    if not context.token:
        yield Check("login", "failed", "there is no login", "log in: wegent login")
        return
    end = moment(context.expires_at)
    if end is None:
        yield Check("login", "ok", "a token whose end is not known")
        return
    left = (end - datetime.now(UTC)).total_seconds()
    if left <= 0:
        yield Check("login", "failed", "the login has expired", "log in: wegent login")
    else:
        yield Check("login", "ok", f"the token ends in {duration(left)}, and is renewed by use")


def _server(call: Call) -> Iterator[Check]:
    if call.context.kubeconfig:
        groups = call.client.raw.request("GET", "/apis/agent.wecode.io/v1")
        have = {str(it.get("name")) for it in groups.get("resources") or ()}
        missing = [kind.plural for kind in USER_FACING if kind.plural not in have]
        if missing:
            yield Check(
                "kinds", "failed", f"missing: {', '.join(missing)}", "install Wegent's CRDs"
            )
        else:
            yield Check("kinds", "ok", "all kinds are installed, version v1")
        return
    document: Any = call.client.raw.request("GET", "/openapi.json")
    info = document.get("info") if isinstance(document, dict) else None
    version = str((info or {}).get("version", "unknown"))
    if version.split(".")[:2] == own_version().split(".")[:2]:
        yield Check("api", "ok", f"version {version}")
    else:
        yield Check(
            "api",
            "warning",
            f"version {version}, and this command has {own_version()}",
            "install the version of the server if a command fails",
        )


def _clock(call: Call) -> Iterator[Check]:
    from wegent_cli.clients import clock_skew_s  # noqa: PLC0415

    skew_s = None if call.context.kubeconfig else clock_skew_s(call.context)
    if skew_s is None:
        return
    if abs(skew_s) <= SKEW_S:
        yield Check("clock", "ok", "as the server's")
    else:
        yield Check(
            "clock",
            "warning",
            f"{abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} the server's",
            "set the clock of this machine, for example by NTP",
        )


def _rights(call: Call) -> Iterator[Check]:
    from wegent_sdk import Forbidden  # noqa: PLC0415

    namespace = call.default_namespace
    shown = namespace or call.client.me().default_namespace or "default"
    try:
        next(iter(call.client.raw.list(BOT.plural, namespace)), None)
    except Forbidden:
        yield Check(
            "rights",
            "failed",
            f"you may not read the namespace {shown}",
            "choose another: wegent config set namespace NAME",
        )
        return
    body = {
        "apiVersion": "agent.wecode.io/v1",
        "kind": "Ghost",
        "metadata": {"name": "wegent-doctor"},
        "spec": {"systemPrompt": "A check of rights, which stores nothing."},
    }
    try:
        call.client.raw.create("ghosts", body, namespace=namespace, dry_run=True)
    except Forbidden:
        yield Check(
            "rights",
            "warning",
            f"you may read the namespace {shown}, and not write to it",
            "choose another, or ask its admin: wegent members set USER editor",
        )
        return
    yield Check("rights", "ok", f"you may write to the namespace {shown}")


def _runners(call: Call) -> Iterator[Check]:
    """Look at the conditions that the operator writes: users may not read the runners' Leases."""
    teams = list(call.client.raw.list(TEAM.plural, call.default_namespace))
    if not teams:
        yield Check("runners", "ok", "not known: the namespace has no Team")
        return
    unserved = [it for it in teams if _condition(it, "Served") == "False"]
    if len(unserved) == len(teams):
        yield Check(
            "runners",
            "failed",
            "no runner serves a Team of this namespace",
            "start a runner, or see the cause: wegent tree team/NAME",
        )
    else:
        served = len(teams) - len(unserved)
        yield Check("runners", "ok", f"they serve {served} of {len(teams)} Teams")


def _condition(body: dict[str, Any], type_: str) -> str:
    conditions = (body.get("status") or {}).get("conditions") or ()
    return next((str(it.get("status")) for it in conditions if it.get("type") == type_), "")


def _objects(call: Call) -> Iterator[Check]:
    for kind in (MODEL, BOT, TEAM):
        bodies = list(call.client.raw.list(kind.plural, call.default_namespace))
        bad = [
            f"{body['metadata']['name']} ({reason})"
            for body in bodies
            for state, reason, _ in [judged(kind, body)]
            if state is State.BAD
        ]
        if bad:
            named = ", ".join(bad[:SHOWN]) + ("" if len(bad) <= SHOWN else ", ...")
            first = bad[0].split(" ")[0]
            yield Check(
                kind.plural,
                "warning",
                f"{len(bad)} of {len(bodies)} are not ready: {named}",
                f"see the cause: wegent tree {kind.singular}/{first}",
            )
        else:
            yield Check(kind.plural, "ok", f"{len(bodies)} ready")
