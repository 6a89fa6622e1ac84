"""Clients of Wegent, for programs: sync and async, over the REST API or the Kubernetes API.

``Client`` and ``AsyncClient`` have the same methods. ``docs/python.md`` has examples.

The public names are those in ``__all__``. Other modules can change in every version. A public name
is imported at its first use, so that a program which needs only the errors starts quickly.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wegent_sdk.account import ApiToken, Grant, Me
    from wegent_sdk.apply import Applied
    from wegent_sdk.async_client import AsyncClient
    from wegent_sdk.changes import WatchEvent
    from wegent_sdk.client import Client
    from wegent_sdk.credentials import Login
    from wegent_sdk.errors import (
        AlreadyExists,
        Cause,
        ConfigurationError,
        Conflict,
        ConnectionFailed,
        Expired,
        Forbidden,
        Invalid,
        LoginExpired,
        Malformed,
        NeedsLogin,
        NotFound,
        NotWegent,
        Refused,
        TimedOut,
        TooManyRequests,
        Unavailable,
        Unreadable,
        WegentError,
    )
    from wegent_sdk.members import Member
    from wegent_sdk.tasks import TaskEvent
    from wegent_sdk.text import RunText
else:
    _MODULES = {
        "ApiToken": "account",
        "Applied": "apply",
        "AsyncClient": "async_client",
        "Client": "client",
        "Grant": "account",
        "Login": "credentials",
        "Me": "account",
        "Member": "members",
        "RunText": "text",
        "TaskEvent": "tasks",
        "WatchEvent": "changes",
    }

    def __getattr__(name: str) -> Any:
        """Return a public name, whose module is imported now."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = importlib.import_module(f"{__name__}.{_MODULES.get(name, 'errors')}")
        return getattr(module, name)


__all__ = [
    "AlreadyExists",
    "ApiToken",
    "Applied",
    "AsyncClient",
    "Cause",
    "Client",
    "ConfigurationError",
    "Conflict",
    "ConnectionFailed",
    "Expired",
    "Forbidden",
    "Grant",
    "Invalid",
    "Login",
    "LoginExpired",
    "Malformed",
    "Me",
    "Member",
    "NeedsLogin",
    "NotFound",
    "NotWegent",
    "Refused",
    "RunText",
    "TaskEvent",
    "TimedOut",
    "TooManyRequests",
    "Unavailable",
    "Unreadable",
    "WatchEvent",
    "WegentError",
]
