"""Providers: Wegent's names of APIs, and those of this project."""

import re
from typing import Final

_NAMES: Final = {
    "claude": "anthropic",
    "anthropic": "anthropic",
    "openai": "openai",
    "openai-responses": "openai",
    "openai-chat": "openai",
    "gpt": "openai",
    "azure-openai": "azure",
    "azure": "azure",
    "gemini": "gemini",
    "google": "gemini",
    "deepseek": "deepseek",
    "groq": "groq",
    "mistral": "mistral",
    "openrouter": "openrouter",
    "together": "together",
    "xai": "xai",
    "grok": "xai",
}
_OTHER: Final = re.compile(r"[a-z0-9]([-a-z0-9_.]{0,61}[a-z0-9])?")
PREFIXES: Final = (
    ("ANTHROPIC", "anthropic"),
    ("CLAUDE", "anthropic"),
    ("OPENAI", "openai"),
    ("GEMINI", "gemini"),
    ("GOOGLE", "gemini"),
    ("DEEPSEEK", "deepseek"),
    ("OPENROUTER", "openrouter"),
    ("MISTRAL", "mistral"),
    ("GROQ", "groq"),
    ("XAI", "xai"),
    ("DIFY", "dify"),
)
"""Prefixes of environment variables that name a provider."""


def provider_of(name: str) -> str | None:
    """Return the provider for one of Wegent's names of a protocol or model, or None."""
    plain = name.strip().lower()
    if plain in _NAMES:
        return _NAMES[plain]
    dashed = re.sub(r"[\s_]+", "-", plain)
    return dashed if _OTHER.fullmatch(dashed) else None


def provider_of_model(model: str) -> str | None:
    """Return the provider of an LLM whose name has a known form, or None."""
    plain = model.lower().rpartition("/")[2]
    for prefix, provider in (("claude", "anthropic"), ("gpt-", "openai"), ("gemini", "gemini")):
        if plain.startswith(prefix):
            return provider
    return None


def is_known(name: str) -> bool:
    """Return True if a name is that of a provider, and not that of an LLM."""
    return name.strip().lower() in _NAMES
