"""``key set`` and ``model test``: the API keys of Models, and a try of them."""

from typing import Annotated, Any, Final

import typer

from wegent_cli.call import Call, command, group
from wegent_cli.completion import complete_model
from wegent_cli.documents import show
from wegent_cli.errors import CliError
from wegent_cli.terminal import Style, read_stdin
from wegent_cli.text import one_line

KEY_MAX_BYTES: Final = 16 << 10

ModelName = Annotated[
    str,
    typer.Argument(help="Name of the Model.", metavar="MODEL", autocompletion=complete_model),
]


def register(app: typer.Typer) -> None:
    """Register the commands."""
    keys = group(app, "key", "Store the API keys of Models.")
    command(
        keys,
        "set",
        examples=(
            "wegent key set gpt-4",
            "wegent key set local --host llm.example.com:8443",
            "pass show openai | wegent key set gpt-4 --stdin",
        ),
    )(set_)
    models = group(app, "model", "Try Models.")
    command(models, "test", examples=("wegent model test gpt-4",))(test)


def set_(
    call: Call,
    model: ModelName,
    *,
    host: Annotated[
        list[str] | None,
        typer.Option("--host", help="Host that may receive the key; may be repeated."),
    ] = None,
    stdin: Annotated[bool, typer.Option("--stdin", help="Read the key from stdin.")] = False,
) -> None:
    """Store the API key of a Model.

    Asks for the key without an echo. The key is in a Secret that you can write and can't read, and
    is sent to the named hosts alone. Without --host, it is the host of the Model's provider.
    """
    if stdin or not call.terminal.is_interactive:
        key = read_stdin("key", KEY_MAX_BYTES)
    else:
        key = call.terminal.ask_secret(f"API key of {model}: ")
    facts = call.client.keys.put(model, key, host or None, call.default_namespace)
    hosts = ", ".join(facts.get("hosts") or ())
    show(
        call,
        facts,
        lambda: call.terminal.note(f"The key is stored, for {hosts}.", Style.GOOD),
    )
    call.terminal.note(f"Try it: wegent model test {model}", Style.FAINT)


def test(call: Call, model: ModelName) -> None:
    """Call a Model once, and show its latency and usage, or the provider's error."""
    result: dict[str, Any] = call.client.keys.test(model, call.default_namespace)

    def human() -> None:
        if not result.get("succeeded"):
            return
        use = result.get("usage") or {}
        call.terminal.line(
            f"{result.get('provider')} {result.get('model')} answered in"
            f" {result.get('totalMilliseconds')} ms"
            f" ({use.get('inputTokens', 0)} tokens in, {use.get('outputTokens', 0)} out)",
            Style.GOOD,
        )

    show(call, result, human)
    if not result.get("succeeded"):
        error = result.get("error") or {}
        raise CliError(
            one_line(f"{error.get('reason', 'Failed')}: {error.get('message', '')}"),
            f"see the Model's faults: wegent tree model/{model}",
            details={"reason": error.get("reason", "")},
        )
