"""The command line of Wegent's programs: ``--help``, which lists the settings, and ``--version``.

Settings are environment variables, as is usual in Pods. A program that ignored its arguments
would start at ``--help`` and at every misspelt option.
"""

import argparse
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from typing import Any, Final

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

COLUMNS: Final = 79
"""Width of the help. The terminal's width isn't used."""
SHARED: Final[Mapping[str, str]] = {
    "KUBECONFIG": "Kubeconfig of the cluster; unset: the cluster of the Pod.",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "Endpoint for traces; unset: no traces."
    " OpenTelemetry's other variables apply too.",
}
"""Environment variables of all programs besides their settings."""


def argument_parser(
    program: str,
    description: str,
    settings: type[BaseSettings],
    *,
    only: Iterable[str] | None = None,
    shared: Iterable[str] = SHARED,
) -> argparse.ArgumentParser:
    """Return a parser with ``--help`` and ``--version``. Wrong usage exits with the status 2.

    Args:
        program: Name of the program.
        description: Description of the program in one line.
        settings: Settings that ``--help`` lists.
        only: Names of the settings that the program reads; all by default.
        shared: Names of further variables of `SHARED`.
    """
    parser = argparse.ArgumentParser(
        prog=program,
        description=description,
        epilog="\n".join(_variables(settings, only, shared)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"{program} {version('wegent')}")
    return parser


def _variables(
    settings: type[BaseSettings], only: Iterable[str] | None, shared: Iterable[str]
) -> Iterator[str]:
    yield "environment variables:"
    prefix = settings.model_config.get("env_prefix", "")
    for name in only or settings.model_fields:
        field = settings.model_fields[name]
        yield from _entry(f"{prefix}{name}".upper(), field.description or "", default_of(field))
    for name in shared:
        yield from _entry(name, SHARED[name], "")
    yield ""
    yield "exit codes: 0 done, 1 failed, 2 wrong usage or settings"


def _entry(name: str, text: str, default: str) -> Iterator[str]:
    yield f"  {name}"
    plain = " ".join(text.replace("``", "").split())
    said = " ".join(filter(None, (plain, default and f"(default: {default})")))
    indent = " " * 6
    yield from textwrap.wrap(said, COLUMNS, initial_indent=indent, subsequent_indent=indent)


def default_of(field: FieldInfo) -> str:
    """Return the default of a setting in the form of its environment variable."""
    value: Any = field.default
    if value is None or value == "" or field.default_factory is not None:
        return ""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, frozenset):
        return ",".join(sorted(map(str, value)))
    if isinstance(value, Mapping):
        return ",".join(f"{name}={item}" for name, item in sorted(value.items()))
    return str(value).lower() if isinstance(value, bool) else str(value)
