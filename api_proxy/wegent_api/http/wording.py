"""Rewrites the API server's messages about invalid fields for people.

The API server quotes regular expressions. It also adds a cause with the field ``<nil>``, which says
only that some rules were not checked.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from wegent_crds.kinds.account import EMAIL
from wegent_crds.kinds.group import UID
from wegent_crds.kinds.task_status import SHORT_HASH
from wegent_crds.schema.fields import DNS_LABEL, DNS_SUBDOMAIN, LABEL_KEY, LABEL_NAME, MONEY

NO_FIELD: Final = "<nil>"
LABEL: Final = (
    "must be a DNS-1123 label: at most 63 lower case letters, digits and '-',"
    " beginning and ending with a letter or digit"
)
SUBDOMAIN: Final = (
    "must be a DNS-1123 subdomain: at most 253 lower case letters, digits, '-' and '.',"
    " beginning and ending with a letter or digit"
)
OTHERWISE: Final = "has an invalid format"
"""Text for an unknown pattern, such as one in the CRDs of another version."""

WORDS: Final[Mapping[str, str]] = {
    EMAIL: "must be an e-mail address, such as developer@example.com: one @, no spaces,"
    " and a domain after it",
    MONEY: "must be an amount in decimal notation, such as 0.50: up to 9 digits, and up to 6 more"
    " after a point",
    rf"^{DNS_LABEL}$": LABEL,
    rf"^({DNS_LABEL})?$": f"{LABEL}, or empty",
    rf"^{DNS_SUBDOMAIN}$": SUBDOMAIN,
    LABEL_KEY: "must be a label key: at most 63 letters, digits, '-', '_' and '.', with an"
    " optional DNS-1123 subdomain and '/' before them",
    rf"^({LABEL_NAME})?$": "must be a label value: at most 63 letters, digits, '-', '_' and '.',"
    " beginning and ending with a letter or digit, or empty",
    r"^[a-z0-9]([-a-z0-9_.]*[a-z0-9])?$": "must be lower case letters, digits, '-', '_' and '.',"
    " beginning and ending with a letter or digit",
    r"^[A-Za-z0-9_][-A-Za-z0-9_.:/]*$": "must be letters, digits and '-_.:/', beginning with a"
    " letter, a digit or '_'",
    rf"^{DNS_LABEL}/{DNS_SUBDOMAIN}$": "must be namespace/name of an object",
    UID: "must be letters, digits and '-', beginning and ending with a letter or digit",
    SHORT_HASH: "must be hexadecimal digits in lower case",
    r"^[0-9a-f]{64}$": "must be a SHA-256 hash: 64 hexadecimal digits in lower case",
    r"^[0-9]{1,18}\.[0-9]{1,18}$": "must be the id of an event, such as 1.8",
    r"^[-._a-zA-Z0-9]+$": "must be letters, digits, '-', '_' and '.'",
    r"^[A-Za-z0-9][-A-Za-z0-9._:/@]*$": "must be an image name: letters, digits and '-._:/@',"
    " beginning with a letter or digit",
    r"^[A-Za-z0-9]([-A-Za-z0-9._:/@]*[A-Za-z0-9])?$": "must be letters, digits and '-._:/@',"
    " beginning and ending with a letter or digit",
    r"^[0-9A-Za-z][-0-9A-Za-z.+_]*$": "must be letters, digits, '-', '.', '+' and '_',"
    " beginning with a letter or digit",
    r"^[\t -~]*$": "must be printable ASCII characters",
    r"^[ -~]+$": "must be printable ASCII characters",
    r"^https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?)"
    r"(:[0-9]{1,5})?([/?#][!-~]*)?$": "must be an http or https URL without a user name,"
    " such as https://example.com/v1",
    r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$": "must be one word in CamelCase",
    rf"^({DNS_SUBDOMAIN}/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$": "must be a"
    " condition type: one CamelCase word, with an optional DNS-1123 subdomain and '/'"
    " before it",
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?"
    r"(Z|[-+]([01][0-9]|2[0-3]):[0-5][0-9])$": "must be an RFC 3339 time, such as"
    " 2026-01-31T12:00:00Z",
}
"""The text for each pattern of the kinds and of the parameters."""

_PATTERN: Final = re.compile(r"(?:\S+ in body )?should match (?:pattern )?'(.*)'", re.DOTALL)
_MATCHES: Final = re.compile(r"String should match pattern '(.*)'", re.DOTALL)


def in_words(pattern: str) -> str:
    """Return the text that describes a value that matches ``pattern``."""
    return WORDS.get(pattern, OTHERWISE)


def without_pattern(message: str) -> str:
    """Return a message whose regular expression is replaced by its description."""
    return _PATTERN.sub(lambda found: in_words(found[1]), message)


def pydantic_message(message: str) -> str:
    """Return the same for a message of pydantic."""
    return _MATCHES.sub(lambda found: in_words(found[1]), message)


def reworded(status: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the API server's ``Status`` with causes that people can act on.

    The message repeats the causes. It is rebuilt if one of them changes.
    """
    details = status.get("details")
    causes = details.get("causes") if isinstance(details, Mapping) else None
    if not isinstance(causes, list) or not all(isinstance(cause, Mapping) for cause in causes):
        return status
    named = [cause for cause in causes if cause.get("field") != NO_FIELD]
    kept = [
        {**cause, "message": without_pattern(str(cause.get("message", "")))}
        for cause in named or [_fieldless(cause) for cause in causes]
    ]
    if kept == causes:
        return status
    message = str(status.get("message", ""))
    head, invalid, _ = message.partition(" is invalid: ")
    if invalid:
        said = [": ".join(filter(None, (it.get("field"), it["message"]))) for it in kept]
        whole = said[0] if len(said) == 1 else f"[{', '.join(said)}]"
        message = f"{head}{invalid}{whole}"
    return {**status, "message": message, "details": {**dict(details or {}), "causes": kept}}


def _fieldless(cause: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: value for key, value in cause.items() if key != "field"}
