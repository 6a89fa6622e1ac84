"""Models: an LLM, and the key of its provider.

Wegent keeps all of it in environment variables of any spelling: in ``modelConfig.env``, in
``modelConfig`` itself or in ``spec.env``.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from wegent_crds.providers import BASE_URLS
from wegent_crds.reading import mapping
from wegent_crds.schema.fields import HttpUrl
from wegent_import.draft import Draft
from wegent_import.notes import NoteKind
from wegent_import.providers import PREFIXES, is_known, provider_of, provider_of_model
from wegent_import.redaction import has_url_secret, is_placeholder, without_query_secrets
from wegent_import.secrets import DATA_KEY, Secret, host_of, is_sendable, key_name
from wegent_import.values import is_empty, number, whole
from wegent_sdk.plain import scalar_text

_URL: Final[TypeAdapter[str]] = TypeAdapter(HttpUrl)
_MODEL: Final = ("model_id", "modelid", "model_name", "modelname", "model")
_KEY: Final = ("api_key", "apikey", "auth_token", "key", "token")
_URLS: Final = ("base_url", "baseurl", "api_base", "api_base_url", "endpoint", "url")
_TOKENS: Final = ("max_output_tokens", "maxoutputtokens", "max_tokens", "maxtokens")
_PROVIDER: Final = ("provider", "protocol", "model_type", "llm_type")
_HEX: Final = re.compile(r"[0-9A-Fa-f]+")
_FORMATS: Final = {
    "chat/completions": "chat",
    "chat": "chat",
    "responses": "responses",
    "messages": "messages",
}
_NATIVE: Final = (
    *("accessFrom", "apiKeySecretRef", "fallbackRefs", "maxConcurrentRequests"),
    *("allowInsecureBaseUrl",),
)
_NO_LLM: Final = frozenset({"tts", "stt", "embedding", "rerank", "video", "image"})


class NotAnLLMError(ValueError):
    """The Model is for something other than texts."""


def convert(draft: Draft) -> None:
    """Convert the spec of a Model.

    Raises:
        NotAnLLMError: the Model makes speech, images or the like.
    """
    category = scalar_text(draft.rest.get("modelType")).lower()
    if category in _NO_LLM:
        raise NotAnLLMError(f"modelType {category} has no counterpart: Models are LLMs")
    draft.native(*_NATIVE)
    draft.description()
    settings = _Settings(draft)
    model, provider = _model_and_provider(settings)
    if provider:
        draft.spec["provider"] = provider
    if model:
        draft.spec["model"] = model
    _numbers(draft, settings)
    base_url = _base_url(draft, settings.take(*_URLS))
    _api_format(draft, settings, provider)
    _key(draft, settings.all(*_KEY), base_url or BASE_URLS.get(provider or ""))
    settings.put_back()


def _model_and_provider(settings: "_Settings") -> tuple[str, str | None]:
    """Return the name of the LLM and its provider.

    Wegent's ``model`` is the provider's name where ``model_id`` is that of the LLM.
    """
    stated = settings.take(*_PROVIDER)
    model, other = settings.take(*_MODEL), settings.take("model")
    if is_known(model) and not is_known(other):
        model, other = other, model
    candidates = (
        provider_of(stated),
        provider_of(other) if is_known(other) else None,
        settings.provider,
        provider_of_model(model),
        provider_of(other),
    )
    return model, next(filter(None, candidates), None)


class _Settings:
    """The settings of a Model from all places, by their names in lower case without a prefix."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._config = dict(draft.take_map("modelConfig", "model_config"))
        self._env = dict(mapping(self._config.pop("env", None)))
        self._top_env = dict(draft.take_map("env"))
        self.provider: str | None = None
        """The provider that the names of the variables imply."""
        for name in (*self._env, *self._top_env, *self._config):
            _, provider = _plain(name)
            self.provider = self.provider or provider

    def take(self, *names: str) -> str:
        """Return the text of the first setting that has a value, and remove it."""
        found = self._pop(*names, most=1)
        return found[0][1] if found else ""

    def all(self, *names: str) -> list[tuple[str, str]]:
        """Return fields and texts of all settings of these names, and remove them."""
        return self._pop(*names, most=None)

    def _pop(self, *names: str, most: int | None) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        for wanted in names:
            for path, source in self._places():
                for name in list(source):
                    value = source[name]
                    if _plain(name)[0] != wanted or isinstance(value, Mapping | list):
                        continue
                    text = scalar_text(value).strip()
                    if most is not None and len(found) >= most:
                        return found
                    del source[name]
                    if text:
                        found.append((f"{path}.{name}", text))
        return found

    def _places(self) -> list[tuple[str, dict[str, Any]]]:
        return [
            ("spec.modelConfig.env", self._env),
            ("spec.env", self._top_env),
            ("spec.modelConfig", self._config),
            ("spec", self._draft.rest),
        ]

    def put_back(self) -> None:
        """Leave the settings without a counterpart to the annotation."""
        config = {key: it for key, it in self._config.items() if not is_empty(it)}
        if self._env:
            config["env"] = self._env
        if config:
            self._draft.rest["modelConfig"] = config
        if self._top_env:
            self._draft.rest["env"] = self._top_env


def _plain(name: str) -> tuple[str, str | None]:
    """Return a setting's name in lower case without its provider's prefix, and the provider."""
    snake = re.sub(r"[-\s]", "_", name)
    for prefix, provider in PREFIXES:
        if snake.upper().startswith(f"{prefix}_"):
            return snake[len(prefix) + 1 :].lower(), provider
    return snake.lower(), None


def _numbers(draft: Draft, settings: _Settings) -> None:
    limit = settings.take(*_TOKENS)
    tokens = whole(limit)
    if tokens is not None and 1 <= tokens < 2**31:
        draft.spec["maxTokens"] = tokens
    elif limit:
        draft.note(NoteKind.LOST, "spec.maxTokens", "is not a number of tokens")
    for field, names, most in (
        ("temperature", ("temperature",), 2.0),
        ("topP", ("top_p", "topp"), 1.0),
    ):
        text = settings.take(*names)
        value = number(text)
        if value is not None and 0 <= value <= most:
            draft.spec[field] = value
        elif text:
            draft.note(NoteKind.LOST, f"spec.{field}", f"is not from 0 to {most:g}")


def _base_url(draft: Draft, url: str) -> str | None:
    if not url:
        return None
    clean, had_secret = without_query_secrets(url)
    if had_secret:
        draft.note(NoteKind.SECRET, "spec.baseUrl", "a secret was removed from the URL")
    try:
        _URL.validate_python(clean)
    except ValidationError:
        draft.note(NoteKind.LOST, "spec.baseUrl", "is not a URL of http or https; set it again")
        return None
    draft.spec["baseUrl"] = clean
    if has_url_secret(clean):
        message = (
            "a part seems to be a secret, and every reader of the Model sees it: replace it in the"
            " server, and give the new one as the key"
        )
        draft.note(NoteKind.EXPOSED, "spec.baseUrl", message)
    if clean.startswith("http:"):
        draft.spec["allowInsecureBaseUrl"] = True
        message = "is http, so the key and the prompts are sent unencrypted"
        draft.note(NoteKind.CHANGED, "spec.allowInsecureBaseUrl", message)
    return clean


def _api_format(draft: Draft, settings: _Settings, provider: str | None) -> None:
    stated = settings.take("apiformat", "api_format", "wire_api").lower()
    if stated in _FORMATS:
        draft.spec["apiFormat"] = _FORMATS[stated]
    elif stated:
        draft.note(NoteKind.LOST, "spec.apiFormat", "is unknown")
    elif scalar_text(draft.document.spec.get("protocol")).lower() == "openai-responses":
        draft.spec["apiFormat"] = "responses"
    if provider == "anthropic" and draft.spec.get("apiFormat") in {"chat", "responses"}:
        del draft.spec["apiFormat"]


def _key(draft: Draft, found: list[tuple[str, str]], url: str | None) -> None:
    """Make the Model refer to a Secret, pinned to the host of the base URL."""
    if not found:
        return
    if "apiKeySecretRef" in draft.spec:
        draft.note(NoteKind.SECRET, found[0][0], "is dropped: the Model refers to a Secret")
        return
    name = key_name(draft.name)
    draft.spec["apiKeySecretRef"] = {"name": name, "key": DATA_KEY}
    host = host_of(url) if url else None
    place = f"{draft.namespace}/{name}"
    usable = [(field, it) for field, it in found if not is_placeholder(it) and is_sendable(it)]
    if not usable:
        draft.note(NoteKind.TODO, found[0][0], f"set the key: wegent key set {draft.name}")
        return
    field, value = usable[0]
    if is_encrypted(value):
        decrypted = draft.options.decrypt(value) if draft.options.decrypt else None
        if decrypted is None or not is_sendable(decrypted):
            draft.note(
                NoteKind.TODO, field, f"is encrypted; set the key: wegent key set {draft.name}"
            )
            return
        value = decrypted
    if host is None:
        draft.note(NoteKind.TODO, field, f"no host is known for it; see the Secret {place}")
    else:
        draft.note(NoteKind.SECRET, field, f"is in the Secret {place}, for {host}")
    for other, text in usable[1:]:
        if text != value:
            draft.note(NoteKind.LOST, other, "a Model has one key")
    draft.secrets.append(
        Secret(
            namespace=draft.namespace,
            name=name,
            hosts=(host,) if host else (),
            value=value,
            kind="Model",
            owner=draft.name,
            field=field,
        )
    )


def is_encrypted(value: str) -> bool:
    """Return True if a value has the form that Wegent gives encrypted ones: AES in base64."""
    plain_prefixes = ("sk-", "sk_", "api-", "api_", "key-", "key_")
    if value.startswith(plain_prefixes) or len(value) % 4 or _HEX.fullmatch(value):
        return False
    form = re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", value)
    size = len(value.rstrip("=")) * 3 // 4
    return form is not None and size >= 16 and size % 16 == 0
