"""The failures of a model call: what is tried again, and what the user is told.

::

    CallFailed
    ├── retryable       429, 5xx, a cut or garbled stream, a host that doesn't answer
    ├── ContextExceeded the history is too long: it is shortened, and the call is made again
    └── final           the key, the Model's name or the request is wrong: the next Model may do
"""

import re
from http import HTTPStatus
from typing import Final

from pydantic_ai import exceptions as ai

from wegent_runner.engine.egress import AnswerRefused, EgressRefused
from wegent_runner.engine.redaction import has_piece, struck
from wegent_runner.runs.text import storable

MAX_TOLD_CHARACTERS: Final = 500


class CallFailed(Exception):  # noqa: N818 - names the event
    """A call of a Model failed.

    Attributes:
        reason: A short CamelCase reason, for metrics and Events.
        retryable: True if the same call may succeed later.
        retry_after_s: Seconds that the provider asked to wait.
        max_tries: Number of calls of one Model after which this failure is the Task's.
    """

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        retryable: bool = False,
        retry_after_s: float | None = None,
        max_tries: int = 4,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.retryable = retryable
        self.retry_after_s = retry_after_s
        self.max_tries = max_tries


class ContextExceeded(CallFailed):
    """The input is longer than the LLM's context."""


def empty_answer(model: str, *, truncated: bool) -> CallFailed:
    """Return the failure for an answer without text. An LLM rarely gives two of them."""
    if truncated:
        told = "the answer reached the maximum of tokens (spec.maxTokens) before any text"
        return CallFailed("EmptyAnswer", f"Model {model}: {told}")
    told = "the provider's answer is empty"
    return CallFailed("EmptyAnswer", f"Model {model}: {told}", retryable=True, max_tries=2)


def cut_answer(model: str) -> CallFailed:
    """Return the failure for an answer whose stream ended, in good order, before the answer did."""
    told = "the provider's answer ended without a finish reason"
    return CallFailed("CutAnswer", f"Model {model}: {told}", retryable=True)


def failed_answer(model: str) -> CallFailed:
    """Return the failure for an answer that the provider itself calls failed, without an error."""
    told = "the provider's answer has failed"
    return CallFailed("ProviderError", f"Model {model}: {told}", retryable=True)


def unexpected_tool_call(model: str, tool: str) -> CallFailed:
    """Return the failure for a call of a tool that the LLM was not offered."""
    told = f"the LLM called the tool {tool[:64]!r}, but was offered none"
    return CallFailed("UnexpectedToolCall", f"Model {model}: {told}", retryable=True, max_tries=2)


def too_many_calls(model: str, limit: int) -> CallFailed:
    """Return the failure for an answer with more calls of tools than may be in one."""
    told = f"the LLM called more than {limit} tools at once"
    return CallFailed("TooManyCalls", f"Model {model}: {told}", retryable=True, max_tries=2)


_CATEGORIES: Final = (
    (ai.ModelRateLimitError, "RateLimited", True, "the provider's rate limit is reached"),
    (ai.ModelQuotaExceededError, "QuotaExceeded", False, "the provider's quota is used up"),
    (ai.ModelOverloadedError, "Overloaded", True, "the provider is overloaded"),
    (ai.ModelUnavailableError, "Unavailable", True, "the provider is not available"),
    (ai.ModelServerError, "ProviderError", True, "the provider had an error"),
    (ai.ModelTimeoutError, "Timeout", True, "the provider did not answer in time"),
    (ai.ModelRequestTimeout, "Timeout", True, "the provider did not answer in time"),
    (ai.ModelConnectionError, "Unreachable", True, "the connection to the provider failed"),
    (ai.ModelAuthenticationError, "KeyRefused", False, "the provider refused the API key"),
    (ai.ModelNotFoundError, "ModelNotFound", False, "the provider doesn't know the model"),
    (ai.ModelRequestRejectedError, "RequestRejected", False, "the provider rejected the request"),
    (ai.ContentFilterError, "ContentFiltered", False, "the provider's filter stopped the answer"),
    (ai.UnexpectedModelBehavior, "GarbledAnswer", True, "the provider's answer can't be read"),
)


_TOO_LONG: Final = re.compile(
    r"prompt is too long|context[ _](length|window|size)|input is too (long|large)", re.IGNORECASE
)
"""Words of providers on an input that is longer than the LLM's context. Servers other than OpenAI's
and Anthropic's have codes of their own, and some speak an API with the words of another one."""


def failure_of(error: Exception, model: str, secret: str | None) -> CallFailed:
    """Return the failure for an error of a call.

    Args:
        error: The error of the library.
        model: ``namespace/name`` of the Model, for the message.
        secret: The API key, which providers may echo; it is struck out.
    """
    if isinstance(error, ai.ModelContextWindowExceededError) or _is_too_long(error):
        return ContextExceeded("ContextExceeded", f"Model {model}: the input is too long for it")
    if refused := _refusal(error):
        return CallFailed(type(refused).__name__, f"Model {model}: {refused}")
    retry_after = getattr(error, "retry_after", None)
    for category, reason, retryable, words in _CATEGORIES:
        if isinstance(error, category):
            return CallFailed(
                reason,
                _message(model, words, error, secret),
                retryable=retryable,
                retry_after_s=retry_after,
            )
    if isinstance(error, ai.ModelHTTPError) and error.status_code < 500:
        passing = error.status_code == HTTPStatus.REQUEST_TIMEOUT
        words = "the provider rejected the request"
        return CallFailed(
            "RequestRejected", _message(model, words, error, secret), retryable=passing
        )
    # Anything else comes from the transport or from an answer that no SDK expects.
    return CallFailed(
        "GarbledAnswer", _message(model, "the provider's answer can't be read", error, secret),
        retryable=True,
    )  # fmt: skip


def _is_too_long(error: Exception) -> bool:
    """Return True if a provider refused the input for its length."""
    if not isinstance(error, ai.ModelHTTPError):
        return False
    if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return True
    refused = error.status_code == HTTPStatus.BAD_REQUEST
    return refused and _TOO_LONG.search(_detail(error.body)) is not None


def _refusal(error: BaseException | None) -> EgressRefused | AnswerRefused | None:
    """Return the runner's own refusal behind an error of an SDK, if there is one."""
    while error is not None and not isinstance(error, EgressRefused | AnswerRefused):
        error = error.__cause__
    return error


def _message(model: str, words: str, error: Exception, secret: str | None) -> str:
    """Return a message with the provider's own words, without the key and without its headers."""
    code = getattr(error, "status_code", None)
    told = f"Model {model}: {words}" + (f" (HTTP {code})" if code else "")
    detail = struck(_detail(getattr(error, "body", None)), secret)
    if isinstance(error, ai.ModelAuthenticationError) and has_piece(detail, secret):
        return told
    return f"{told}: {storable(detail)[:MAX_TOLD_CHARACTERS]}" if detail else told


def _detail(body: object) -> str:
    """Return the message in the body of a provider's error; other bodies are not told."""
    if isinstance(body, dict):
        inner = body.get("error", body)
        message = inner.get("message") if isinstance(inner, dict) else inner
        return message if isinstance(message, str) else ""
    return ""
