"""Valid bodies of each kind: the minimal one, and those with all fields."""

from collections.abc import Iterator, Mapping
from typing import Any

from wegent_crds.registry import API_VERSION, BY_PLURAL

MINIMAL: Mapping[str, dict[str, Any]] = {
    "ghosts": {"systemPrompt": "You help."},
    "models": {"provider": "openai", "model": "gpt-4"},
    "shells": {"type": "Chat"},
    "bots": {"ghostRef": {"name": "ghost"}, "shellRef": {"name": "shell"}},
    "teams": {"bots": [{"name": "bot"}]},
    "skills": {"description": "Reviews"},
    "tasks": {"botRef": {"name": "bot"}, "prompt": "Do it."},
    "accounts": {"email": "ada@example.com"},
    "groups": {},
    "tombstones": {
        "kind": "Skill",
        "name": "review",
        "object": {},
        "deletedAt": "2026-01-31T12:00:00Z",
        "expiresAt": "2026-03-02T12:00:00Z",
    },
}
"""The spec with only the required fields."""

_REFERENCE = {"name": "the-one", "namespace": "elsewhere"}
_ACCESS = {
    "accessFrom": {
        "namespaceSelectors": [
            {
                "matchLabels": {"team": "blue"},
                "matchExpressions": [{"key": "env", "operator": "In", "values": ["prod"]}],
            }
        ]
    }
}

_REMOTE = {
    "type": "http",
    "url": "https://mcp.example.com/issues",
    "headers": {"X-Team": "blue"},
    "headersFrom": {"Authorization": {"secretKeyRef": {"name": "issues", "key": "token"}}},
    "allowedTools": ["find", "close"],
    "requireApproval": ["close"],
    "approvers": "TaskNamespace",
    "required": True,
    "timeoutSeconds": 20,
}

FULL: Mapping[str, tuple[dict[str, Any], ...]] = {
    "ghosts": (
        {
            **_ACCESS,
            "systemPrompt": "You help.",
            "description": "Helps",
            "skillRefs": [_REFERENCE],
            "mcpServers": {
                "local": {
                    "type": "stdio",
                    "command": "npx",
                    "args": ["-y"],
                    "env": {"DEBUG": "1"},
                }
            },
        },
        {"systemPrompt": "You help.", "mcpServers": {"remote": _REMOTE}},
    ),
    "models": (
        {
            **_ACCESS,
            "provider": "openai",
            "model": "gpt-4",
            "temperature": 1,
            "maxTokens": 2000,
            "topP": 0.5,
            "baseUrl": "https://llm.example.com:8443/v1",
            "allowInsecureBaseUrl": False,
            "apiKeySecretRef": {"name": "openai", "key": "api-key"},
            "apiFormat": "responses",
            "fallbackRefs": [_REFERENCE],
            "maxConcurrentRequests": 4,
            "description": "Clever",
        },
    ),
    "shells": (
        {
            **_ACCESS,
            "type": "ClaudeCode",
            "description": "A shell",
            "supportedProviders": ["openai"],
            "baseImage": "registry.example.com/shells/chat:1.0",
        },
    ),
    "bots": (
        {
            **_ACCESS,
            "ghostRef": _REFERENCE,
            "modelRef": _REFERENCE,
            "shellRef": _REFERENCE,
            "description": "A bot",
        },
    ),
    "teams": (
        {
            **_ACCESS,
            "bots": [
                {
                    **_REFERENCE,
                    "role": "member",
                    "prompt": "Listen.",
                    "modelRef": _REFERENCE,
                    "contextPassing": "all",
                    "requireConfirmation": True,
                }
            ],
            "collaborationMode": "pipeline",
            "description": "A team",
        },
    ),
    "skills": (
        {
            **_ACCESS,
            "description": "Reviews",
            "content": "# Review",
            "version": "1.2.0",
            "tags": ["git"],
            "author": "Ada",
            "mcpServers": {"local": {"command": "npx", "args": ["-y"], "env": {"DEBUG": "1"}}},
        },
        # Beside a content of full length, there is no room for files.
        {
            "description": "Reviews",
            "files": {"references/style.md": "Short names."},
            "mcpServers": {"remote": _REMOTE},
        },
    ),
    "tasks": (
        {
            "teamRef": _REFERENCE,
            "modelRef": _REFERENCE,
            "prompt": "Do it.",
            "previousTaskRef": {"name": "one"},
            "title": "It",
            "cancel": False,
            "budget": {
                "totalTokens": 100_000,
                "costUSD": "0.50",
                "modelRequests": 20,
                "toolCalls": 50,
            },
            "outputSchema": {"type": "object", "properties": {"answer": {"const": None}}},
            "timeoutSeconds": 60,
            "waitTimeoutSeconds": 60,
            "ttlSecondsAfterFinished": 60,
        },
        {"botRef": _REFERENCE, "prompt": "Do it."},
        # Beside them, a prompt can't have its full length.
        {
            "botRef": _REFERENCE,
            "prompt": "Do it.",
            "instructions": "Be brief.",
            "answers": [{"id": "call_1", "decision": "reply", "text": "Both.", "by": "ada"}],
            "history": [
                {"role": "user", "content": "Who?"},
                {"role": "assistant", "content": "I."},
            ],
        },
    ),
    "accounts": (
        {
            "email": "ada@example.com",
            "role": "user",
            "namespaces": [{"name": "blue", "role": "viewer"}],
            "suspended": False,
            "passwordSecretRef": {"name": "ada-1"},
        },
    ),
    "groups": (
        {
            "displayName": "Blue team",
            "members": [{"username": "ada", "role": "admin", "accountUid": "0d1f-1"}],
            "quota": {"count/bots.agent.wecode.io": 10},
            "limits": {"requestsPerMinute": 60, "tokensPerDay": 1000},
        },
    ),
    "tombstones": (
        {
            "kind": "Skill",
            "name": "review",
            "object": {"kind": "Skill", "spec": {"description": "Reviews", "anything": None}},
            "deletedAt": "2026-01-31T12:00:00Z",
            "expiresAt": "2026-03-02T12:00:00.5+01:00",
            "deletedBy": "wegent-user-ada",
            "restore": False,
        },
    ),
}
"""Specs that together have every field; more than one where fields exclude each other."""


def body(plural: str, spec: Any = None, name: str = "sample", **metadata: Any) -> dict[str, Any]:
    """Return a whole object; the default ``spec`` is the minimal one."""
    return {
        "apiVersion": API_VERSION,
        "kind": BY_PLURAL[plural].kind,
        "metadata": {"name": name, **metadata},
        "spec": MINIMAL[plural] if spec is None else spec,
    }


def full_bodies(plural: str) -> Iterator[dict[str, Any]]:
    """Yield whole objects that together have every field."""
    for spec in FULL[plural]:
        yield body(plural, spec)
