"""The examples of the OpenAPI document. They work unchanged, in this order."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from wegent_crds.registry import API_VERSION, BY_KIND

Body = Mapping[str, Any]

REGISTRATION: Final[Body] = {
    "username": "developer",
    "email": "developer@example.com",
    "password": "securepassword123",
}
CREDENTIALS: Final[Body] = {"username": "developer", "password": "securepassword123"}
PASSWORD_CHANGE: Final[Body] = {
    "oldPassword": "securepassword123",
    "newPassword": "correct-horse-battery-staple",
}
PASSWORD_RESET: Final[Body] = {"newPassword": "until-you-choose-another"}
ACCOUNT_CHANGE: Final[Body] = {"suspended": True}
API_TOKEN: Final[Body] = {"name": "open-webui", "expiresInSeconds": 2592000}
ANSWER: Final[Body] = {"id": "mcpr_1_2", "decision": "approve"}
MODEL_KEY: Final[Body] = {"key": "sk-proj-1234567890abcdef", "hosts": ["api.openai.com"]}
SECRET_HEADER: Final[Body] = {"value": "Bearer 1234567890abcdef", "hosts": ["mcp.example.com"]}
MEMBER_CHANGE: Final[Body] = {"role": "editor"}
NAMESPACE: Final[Body] = {
    "name": "platform",
    "displayName": "Platform team",
    "members": [{"username": "developer", "role": "admin"}],
    "quota": {"count/bots.agent.wecode.io": 200},
    "limits": {"requestsPerMinute": 600, "tokensPerDay": 5000000},
}
NAMESPACE_CHANGE: Final[Body] = {"displayName": "Platform", "limits": None}
ADMIN_REGISTRATION: Final[Body] = {
    "username": "reviewer",
    "email": "reviewer@example.com",
    "password": "securepassword123",
    "role": "user",
    "namespaces": [{"name": "default", "role": "viewer"}],
}


def _object(name: str, spec: Body) -> Body:
    return {"metadata": {"name": name, "namespace": "default"}, "spec": spec}


def _in_default(name: str) -> Body:
    return {"name": name, "namespace": "default"}


KINDS: Final[Mapping[str, Body]] = {
    "ghosts": _object(
        "pair-programmer",
        {
            "systemPrompt": "You are a helpful coding assistant.",
            "description": "AI assistant for code review",
        },
    ),
    "models": _object(
        "quick-model",
        {"provider": "openai", "model": "gpt-4", "temperature": 0.7, "maxTokens": 2000},
    ),
    "shells": _object("chat", {"type": "Chat", "description": "Interactive chat environment"}),
    "bots": _object(
        "my-coding-bot",
        {
            "ghostRef": _in_default("pair-programmer"),
            "modelRef": _in_default("quick-model"),
            "shellRef": _in_default("chat"),
            "description": "Coding assistant bot",
        },
    ),
    "teams": _object(
        "coding-team", {"bots": [_in_default("my-coding-bot")], "description": "One bot"}
    ),
    "skills": _object("review", {"description": "Reviews a diff"}),
    "tasks": _object(
        "review-the-diff",
        {"teamRef": _in_default("coding-team"), "prompt": "Review the latest diff."},
    ),
}
"""Examples by plural. Each refers only to earlier ones."""

APPLIED: Final[Sequence[Body]] = [
    {"apiVersion": API_VERSION, "kind": kind, **KINDS[BY_KIND[kind].plural]}
    for kind in ("Bot", "Ghost", "Model", "Shell")
]
"""Examples for apply, in an order in which single creates would fail."""
