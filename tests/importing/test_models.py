"""Models: settings of any spelling, and keys that become Secrets."""

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tests.importing.shapes import MODEL_KEY, converted, model, only, spec_of, told, wegent
from wegent_import import annotations as known
from wegent_import.decrypt import DecryptError, decrypter
from wegent_import.notes import NoteKind
from wegent_import.secrets import host_of

AES = {"GIT_TOKEN_AES_KEY": "k" * 32, "GIT_TOKEN_AES_IV": "i" * 16}


def encrypted(text: str) -> str:
    padder = padding.PKCS7(128).padder()
    padded = padder.update(text.encode()) + padder.finalize()
    cipher = Cipher(algorithms.AES(b"k" * 32), modes.CBC(b"i" * 16)).encryptor()
    return base64.b64encode(cipher.update(padded) + cipher.finalize()).decode()


ENV = {"model": "openai", "model_id": "gpt-4o", "base_url": "https://llm.example.com/v1"}


@pytest.mark.parametrize(
    ("spec", "provider", "name"),
    [
        ({"modelConfig": {"env": ENV}}, "openai", "gpt-4o"),
        ({"modelConfig": {"env": {**ENV, "model": "claude"}}}, "anthropic", "gpt-4o"),
        ({"modelConfig": {"env": {"ANTHROPIC_MODEL": "m"}}}, "anthropic", "m"),
        ({"env": {"OPENAI_MODEL": "m", "OPENAI_API_KEY": MODEL_KEY}}, "openai", "m"),
        ({"modelConfig": {"provider": "deepseek", "model": "chat"}}, "deepseek", "chat"),
        ({"modelConfig": {"modelId": "m"}, "protocol": "claude"}, "anthropic", "m"),
        ({"modelConfig": {"env": {"model": "gemini-2.5-pro"}}}, "gemini", "gemini-2.5-pro"),
        ({"modelConfig": {"model": "anthropic/claude-opus-4"}}, "anthropic", None),
        ({"provider": "openai", "model": "gpt-4"}, "openai", "gpt-4"),
        ({"modelConfig": {"env": {"model": "My_Vendor", "model_id": "x"}}}, "my-vendor", "x"),
        ({"modelConfig": {"env": {"model": "claude"}}}, None, None),
        ({"modelConfig": {"env": {"ANTHROPIC_MODEL": "m", "model": "claude"}}}, "anthropic", "m"),
    ],
)
def test_provider_and_model(spec: dict[str, Any], provider: str | None, name: str | None) -> None:
    result = converted(wegent("Model", "m", spec))
    if provider is None:
        assert told(result, NoteKind.INVALID)
        return
    found = only(result)["spec"]
    assert found["provider"] == provider
    assert found["model"] == (name or "anthropic/claude-opus-4")


def test_the_limit_of_tokens_and_the_sampling() -> None:
    config = {**ENV, "max_output_tokens": "4096", "temperature": 0.2, "top_p": 7}
    result = converted(wegent("Model", "m", {"modelConfig": config, "contextWindow": 200000}))
    spec = only(result)["spec"]
    assert (spec["maxTokens"], spec["temperature"]) == (4096, 0.2)
    assert "topP" not in spec
    assert told(result, NoteKind.LOST) == ["spec.topP"]
    assert '"contextWindow": 200000' in only(result)["metadata"]["annotations"][known.SPEC]


@pytest.mark.parametrize(
    ("stated", "found"),
    [("responses", "responses"), ("chat/completions", "chat"), (None, None), ("odd", None)],
)
def test_the_format_of_the_api(stated: str | None, found: str | None) -> None:
    body = wegent("Model", "m", {"modelConfig": {"env": ENV}, "apiFormat": stated})
    assert spec_of(body).get("apiFormat") == found


def test_the_key_is_a_secret_for_the_host_of_the_base_url() -> None:
    result = converted(model())
    spec = only(result)["spec"]
    assert spec == {
        "provider": "anthropic",
        "model": "claude-sonnet-4",
        "baseUrl": "https://llm.example.com/anthropic",
        "apiKeySecretRef": {"name": "claude-sonnet-key", "key": "key"},
    }
    (secret,) = result.secrets
    assert secret.body() == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "claude-sonnet-key",
            "namespace": "default",
            "annotations": {"agent.wecode.io/hosts": "llm.example.com"},
        },
        "type": "agent.wecode.io/api-key",
        "stringData": {"key": MODEL_KEY},
    }
    assert MODEL_KEY not in repr(result)


def test_a_key_without_a_base_url_is_for_the_providers_host() -> None:
    (secret,) = converted(model(ANTHROPIC_BASE_URL=None)).secrets
    assert secret.hosts == ("api.anthropic.com",)


def test_http_is_allowed_and_noted() -> None:
    result = converted(model(ANTHROPIC_BASE_URL="http://llm:8080"))
    assert only(result)["spec"]["allowInsecureBaseUrl"] is True
    assert result.secrets[0].hosts == ("http://llm:8080",)
    assert "spec.allowInsecureBaseUrl" in told(result, NoteKind.CHANGED)


@pytest.mark.parametrize(
    "key",
    ["sk-xxxxxx", "your-api-key", "${OPENAI_API_KEY}", "***", "<key>", "sk-ant-api03-your-key"],
)
def test_a_placeholder_is_on_the_list_of_things_to_do(key: str) -> None:
    result = converted(model(ANTHROPIC_AUTH_TOKEN=key))
    assert only(result)["spec"]["apiKeySecretRef"]["name"] == "claude-sonnet-key"
    assert not result.secrets
    assert told(result, NoteKind.TODO) == ["spec.modelConfig.env.ANTHROPIC_AUTH_TOKEN"]


def test_an_encrypted_key_is_decrypted_with_the_keys_of_the_environment() -> None:
    body = model(ANTHROPIC_AUTH_TOKEN=encrypted(MODEL_KEY))
    (secret,) = converted(body, decrypt=decrypter(AES)).secrets
    assert secret.value == MODEL_KEY
    assert not converted(body).secrets
    other = {**AES, "GIT_TOKEN_AES_KEY": "o" * 32}
    result = converted(body, decrypt=decrypter(other))
    assert not result.secrets
    assert told(result, NoteKind.TODO)


def test_a_hexadecimal_key_is_not_taken_for_an_encrypted_one() -> None:
    (secret,) = converted(model(ANTHROPIC_AUTH_TOKEN="0123456789abcdef" * 4)).secrets
    assert secret.value == "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "environment",
    [{"GIT_TOKEN_AES_KEY": "short", "GIT_TOKEN_AES_IV": "i" * 16}, {"GIT_TOKEN_AES_KEY": "k" * 32}],
)
def test_keys_of_a_wrong_length_are_refused(environment: dict[str, str]) -> None:
    with pytest.raises(DecryptError, match="GIT_TOKEN_AES"):
        decrypter(environment)


def test_no_keys_decrypt_nothing() -> None:
    assert decrypter({}) is None


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://API.example.com/v1", "api.example.com"),
        ("https://api.example.com:443", "api.example.com"),
        ("https://api.example.com:8443/x", "api.example.com:8443"),
        ("http://[::1]:80/", "http://[::1]"),
        ("ftp://x", None),
        ("https://x:port", None),
        ("none", None),
    ],
)
def test_hosts_of_urls(url: str, host: str | None) -> None:
    assert host_of(url) == host
