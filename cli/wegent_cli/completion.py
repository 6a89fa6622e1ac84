"""Completion of kinds, names and contexts.

A name is asked for at the server, within a second and without a message: a shell that waits, or
shows an error within the line, is worse than no completion.
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import typer

from wegent_cli.config import ConfigFile, config_path
from wegent_cli.target import target
from wegent_crds.registry import KINDS

WITHIN_S: Final = 1.0
_SAFE: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,252}")
"""The characters of the names of objects. Shells evaluate others, such as ``$(...)``."""
MOST: Final = 200
"""Names that are offered at most."""


def complete_kind(incomplete: str) -> list[str]:
    """Return the plurals that begin with ``incomplete``."""
    names = [kind.plural for kind in KINDS if kind.user_facing]
    return [name for name in (*names, "wegent") if name.startswith(incomplete)]


def complete_name(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the continuations of ``KIND NAME`` or ``KIND/NAME``."""
    words = ctx.params.get("words") or []
    if "/" in incomplete:
        kind, _, begin = incomplete.partition("/")
        return [f"{kind}/{name}" for name in names(ctx, kind) if name.startswith(begin)]
    if not words:
        return complete_kind(incomplete)
    return [name for name in names(ctx, words[0]) if name.startswith(incomplete)]


def complete_context(incomplete: str) -> list[str]:
    """Return the contexts of the configuration that begin with ``incomplete``."""
    with suppress(Exception):
        contexts = ConfigFile(config_path()).load().contexts
        return [it.name for it in contexts if it.name.startswith(incomplete)]
    return []


def complete_team(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the names of Teams, or of Bots after ``--bot``."""
    plural = "bots" if ctx.params.get("bot") else "teams"
    return [name for name in names(ctx, plural) if name.startswith(incomplete)]


def complete_task(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the names of Tasks."""
    return [name for name in names(ctx, "tasks") if name.startswith(incomplete)]


def complete_model(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the names of Models."""
    return [name for name in names(ctx, "models") if name.startswith(incomplete)]


def names(ctx: typer.Context, kind: str) -> list[str]:
    """Return the names of the objects of a kind; none if the server does not answer in time."""
    from wegent_cli.clients import client_of  # noqa: PLC0415 - a client takes 0.2 s
    from wegent_cli.kinds import kind_named  # noqa: PLC0415

    with suppress(Exception):
        context = target(ConfigFile(config_path()).load(), ctx.params.get("context"), os.environ)
        namespace = ctx.params.get("namespace") or context.namespace or None
        plural = kind_named(kind).plural
        with client_of(context, timeout_s=WITHIN_S) as client:
            found: Iterator[dict[str, Any]] = client.raw.list(plural, namespace)
            read = [str(it["metadata"]["name"]) for it, _ in zip(found, range(MOST), strict=False)]
            return [name for name in read if _SAFE.fullmatch(name)]
    return []
