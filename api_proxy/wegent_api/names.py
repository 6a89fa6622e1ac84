"""Checks of names for a path of the API server, and of users' names.

Every part of an upstream path passes one of these checks first. As pydantic validators they raise
``ValueError`` with a message for users.
"""

import re
from typing import Final

from pydantic import WithJsonSchema

from wegent_crds.kinds.account import NAME_MAX, RESERVED_NAMES
from wegent_crds.schema.fields import DNS_LABEL, DNS_SUBDOMAIN

MAX_LABEL: Final = 63
MAX_SUBDOMAIN: Final = 253


def _shown(pattern: str, max_length: int) -> WithJsonSchema:
    return WithJsonSchema(
        {"type": "string", "pattern": f"^{pattern}$", "minLength": 1, "maxLength": max_length}
    )


LABEL_SCHEMA: Final = _shown(DNS_LABEL, MAX_LABEL)
SUBDOMAIN_SCHEMA: Final = _shown(DNS_SUBDOMAIN, MAX_SUBDOMAIN)
USER_NAME_SCHEMA: Final = _shown(DNS_LABEL, NAME_MAX)
"""Schema of user names in the OpenAPI document. The functions below have the messages."""

_LABEL: Final = re.compile(DNS_LABEL)
_SUBDOMAIN: Final = re.compile(DNS_SUBDOMAIN)


def is_dns_label(value: object) -> bool:
    """Return whether ``value`` is a DNS-1123 label, as for names of namespaces."""
    return isinstance(value, str) and len(value) <= MAX_LABEL and bool(_LABEL.fullmatch(value))


def is_dns_subdomain(value: object) -> bool:
    """Return whether ``value`` is a DNS-1123 subdomain, as for names of most objects."""
    return (
        isinstance(value, str) and len(value) <= MAX_SUBDOMAIN and bool(_SUBDOMAIN.fullmatch(value))
    )


def dns_label(value: str) -> str:
    """Return ``value`` if it is a DNS-1123 label, as for names of namespaces.

    Raises:
        ValueError: it is not a DNS-1123 label.
    """
    return _short_label(value, MAX_LABEL)


def dns_subdomain(value: str) -> str:
    """Return ``value`` if it is a DNS-1123 subdomain, as for names of most objects.

    Raises:
        ValueError: it is not a DNS-1123 subdomain.
    """
    if not is_dns_subdomain(value):
        raise ValueError(
            "must be a DNS-1123 subdomain: at most 253 lower case letters, digits, '-' and '.',"
            " beginning and ending with a letter or digit"
        )
    return value


def user_name(value: str) -> str:
    """Return ``value`` if it is a valid user name.

    Raises:
        ValueError: it is not a DNS-1123 label of at most 50 characters.
    """
    return _short_label(value, NAME_MAX)


def new_user_name(value: str) -> str:
    """Return ``value`` if it is a valid name for a new user.

    Raises:
        ValueError: it is not a valid user name, or is reserved.
    """
    if user_name(value) in RESERVED_NAMES:
        raise ValueError(f"{value} is reserved; choose another name")
    return value


def _short_label(value: str, max_length: int) -> str:
    if len(value) > max_length or not is_dns_label(value):
        raise ValueError(
            f"must be a DNS-1123 label: at most {max_length} lower case letters, digits and '-',"
            " beginning and ending with a letter or digit"
        )
    return value
