"""Headers, variables and arguments of MCP servers that are plainly no secrets.

Everything else counts as a secret. A value that needs to be in clear has a known name or a form
that no secret has; the alternative to a mistake is that all readers of a namespace know a password.
"""

import re
from typing import Final

from wegent_import.redaction import (
    REMOVED,
    has_url_secret,
    is_reference,
    looks_secret,
    redacted_text,
    without_url_secrets,
)
from wegent_import.secret_names import is_secret_name

_HEADERS: Final = re.compile(
    r"accept(-.*)?|content-type|user-agent|cache-control|pragma|origin|referer|x-requested-with"
    r"|mcp-.*|anthropic-version|openai-beta|traceparent|.*-(version|region|locale|language)",
    re.IGNORECASE,
)
_VARIABLES: Final = re.compile(
    r"PATH|HOME|LANG|LC_\w+|TZ|TERM|SHELL|EDITOR|PYTHON(UNBUFFERED|IOENCODING|PATH)|DEBUG|\w*_ENV"
    r"|\w*(HOST|HOSTNAME|PORT|URL|URI|ENDPOINT|DIR|DIRECTORY|FOLDER|PATH|FILE|REGION|ZONE|LOCALE"
    r"|LANGUAGE|LEVEL|MODE|VERSION|TIMEOUT|FORMAT|TRANSPORT|PROTOCOL|MODEL|TIMEZONE|ENCODING"
    r"|DATABASE|DB_?NAME|BRANCH|REPO|REPOSITORY|PROJECT|WORKSPACE|NAMESPACE|ORG|PROXY|TYPE)",
    re.IGNORECASE,
)
_VALUES: Final = re.compile(
    r"|true|false|yes|no|on|off|none|null|auto|default|-?\d{1,5}(\.\d{1,5})?"
    r"|(trace|debug|info|warn|warning|error|production|development|test|staging|stdio|sse|http)"
    r"|[a-z]{2}([-_][A-Za-z]{2})?(\.UTF-8)?|[a-z]{2}-[a-z]{4,9}-\d"  # languages and regions
    r"|v?\d{1,4}(\.\d{1,5}){1,3}|\d{4}-\d\d-\d\d"
    r"|(application|text|image|audio|\*)/[a-z0-9.+*-]{1,40}"
    r"|[.~]{0,2}/[\w./ -]{0,200}",
    re.IGNORECASE,
)
_FLAG: Final = re.compile(r"--?[a-z][a-z-]{0,30}")
_PORTS: Final = re.compile(r"[\d.:-]{1,40}(/tcp|/udp)?")
_HEADER_FLAGS: Final = frozenset({"-H", "--header", "--headers"})
_VARIABLE_FLAGS: Final = frozenset({"-e", "--env"})
_LOGIN_FLAGS: Final = frozenset({"-u", "--user", "--proxy-user"})
_NAMED: Final = re.compile(
    r"(?P<name>[^:=]{1,256}?)(?P<sign>[ \t]*[:=][ \t]*)(?P<value>.*)", re.DOTALL
)


def is_plain_header(name: str, value: str) -> bool:
    """Return True if a header of an MCP server may be in clear."""
    return _is_plain(_HEADERS, name, value)


def is_plain_variable(name: str, value: str) -> bool:
    """Return True if an environment variable of an MCP server may be in clear."""
    return _is_plain(_VARIABLES, name, value)


def _is_plain(names: re.Pattern[str], name: str, value: str) -> bool:
    if is_secret_name(name) or looks_secret(value) or has_url_secret(value):
        return False
    return names.fullmatch(name) is not None or _VALUES.fullmatch(value) is not None


def redacted_arguments(args: list[str]) -> tuple[list[str], list[int]]:
    """Return arguments of a command without secrets, and the indexes of those that changed."""
    found, changed = [], []
    flag = ""
    for index, arg in enumerate(args):
        clean = _after(flag, arg) if flag else _alone(arg)
        is_flag = arg.startswith("-") and "=" not in arg and (not flag or clean == arg)
        flag = arg if is_flag else ""
        if clean != arg:
            changed.append(index)
        found.append(clean)
    return found, changed


def _alone(arg: str) -> str:
    """Return an argument that follows no flag."""
    flag, equals, value = arg.partition("=")
    if equals and arg.startswith("-"):
        return f"{flag}={_after(flag, value)}"
    short = arg[:2]
    if short in {*_HEADER_FLAGS, "-p", "-u"} and len(arg) > 2 and not _FLAG.fullmatch(arg):
        return f"{short}{_after(short, arg[2:])}"
    return without_url_secrets(redacted_text(arg))


def _after(flag: str, value: str) -> str:
    """Return the value of a flag."""
    name = flag.lstrip("-")
    if is_reference(value) or (_FLAG.fullmatch(value) and value.startswith("-")):
        return value
    if is_secret_name(name) or (flag == "-p" and not _PORTS.fullmatch(value)):
        return REMOVED
    if flag in _LOGIN_FLAGS and ":" in value and not _PORTS.fullmatch(value):
        return f"{value.partition(':')[0]}:{REMOVED}"
    is_plain = {
        **dict.fromkeys(_HEADER_FLAGS, is_plain_header),
        **dict.fromkeys(_VARIABLE_FLAGS, is_plain_variable),
    }.get(flag)
    pair = _NAMED.fullmatch(value) if is_plain else None
    if is_plain and pair:
        text = pair["value"]
        if is_reference(text) or is_plain(pair["name"], text):
            return value
        return f"{pair['name']}{pair['sign']}{REMOVED}"
    return without_url_secrets(redacted_text(value))
