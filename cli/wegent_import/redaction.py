"""Finding secrets in values, by the name of a field and by the form of a text.

Wegent stores keys in plain fields of any name. A value that is taken for a secret by mistake costs
a person one line of work; one that is missed would be in an annotation that every user can read.
So names decide generously. In prompts, only texts with the form of a known kind of token count.

No pattern here reads a character more than a bounded number of times.
"""

import json
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

from wegent_import.secret_names import is_secret_name
from wegent_import.values import is_empty
from wegent_sdk.plain import scalar_text

REMOVED: Final = "REMOVED"
"""Text in place of a secret that is a part of a longer text."""
_TOKENS: Final = re.compile(
    r"\b(?:sk|pk|rk|sess)[-_][A-Za-z0-9_-]{8,}"
    r"|\bgh[pousr]_[A-Za-z0-9]{5,}|\bgithub_pat_\w{5,}|\bglpat-[\w-]{5,}"
    r"|\bxox[abeprs]-[\w-]{5,}|\bAKIA[0-9A-Z]{12,}|\bAIza[\w-]{20,}|\bhf_[A-Za-z0-9]{8,}"
    # A JSON object in base64, as in each part of a JWT. A match needs no dot after it: a pattern
    # that fails at the end of a long run would read the run again from its next character.
    r"|\beyJ[\w-]{8,}+(?:\.[\w-]++){0,2}"
    r"|-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?:.|\n)*?"
    r"(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)"
)
_CREDENTIALS: Final = re.compile(r"\b(?:bearer|basic)\s{1,8}[^\s\"',;]{4,}", re.IGNORECASE)
_USERINFO: Final = re.compile(
    r"(?<=://)(?:[^/@\s?#]{1,512}@"
    # A password may have the characters that separate the parts of a URL.
    r"|[^/@\s?#:]{0,128}:(?!\d{1,5}(?:[/?#]|$))[^\s\"'<>@]{1,256}@)"
)
_HOOK: Final = re.compile(
    r"(https?://[^\s\"'<>?#/]{1,253}/(?:[\w.-]{1,64}/){0,4}?(?:services|webhooks?|hooks?)/)"
    r"[^\s\"'<>?#]{6,}",
    re.IGNORECASE,
)
_QUERY: Final = re.compile(r"(?<=[?&])(?P<name>[\w.%-]{1,256})=(?P<value>[^&#\s\"']++)")
_NAMED: Final = re.compile(
    # A name, perhaps in quotes that JSON in JSON escapes, and a colon or an equals sign.
    r"(?<![\w.?&-])(?P<name>[\w.-]{1,256})(?:\\{0,8}[\"'])?[ \t]{0,8}(?::=|=>|[:=])[ \t]{0,8}"
)
_LONG_FLAG: Final = re.compile(r"(?<![\w-])--?(?P<name>[A-Za-z][\w.-]{0,63})[ \t]{1,8}(?!-)")
_LOGIN_FLAG: Final = re.compile(
    r"((?<![\w-])(?:-u|--user|--proxy-user)[ =]{0,8}[\"']?[^\s:\"']{1,128}:)(?!\d{1,6}\b)[^\s\"']+"
)
_SHORT_FLAG: Final = re.compile(
    r"((?<![\w-])-p[ =]{1,8}[\"']?)(?![\d.:-]{1,40}(?:/tcp|/udp)?(?![^\s\"']))(?!-)[^\s\"']+"
)
_VALUE: Final = re.compile(
    r"(?P<quote>\\{0,8}[\"'])(?:\\.|.)*?(?:(?P=quote)|\Z)"
    r"|(?:(?:bearer|basic|token|digest|apikey|negotiate)[ \t]{1,8})?[^\s;]++",
    re.IGNORECASE | re.DOTALL,
)
_LINE: Final = re.compile(r"[^\r\n]+")
_PLACEHOLDER: Final = re.compile(
    r"\$\{|\{\{|\$\(|<[^<>]*+>|x{3,}|\*{2,}|\.\.\.|…|your[-_ ]|[-_ ]here\b|change[-_ ]?me"
    r"|placeholder|example|replace[-_ ]?me|\btodo\b|^\$[A-Za-z_]\w*$",
    re.IGNORECASE,
)
_REFERENCE: Final = re.compile(r"\$\{{1,2}[\w. -]*\}{0,2}|\$[A-Z_][A-Z0-9_]*|\{\{[\w. -]*(\}\})?")
_URL: Final = re.compile(
    r"(?P<start>[a-z][a-z0-9+.-]{0,31}://[^\s\"'<>/?#]*+|\$\{\{?[^{}]{0,64}\}{1,2})"
    r"(?P<rest>[/?#][^\s\"'<>]*+)",
    re.IGNORECASE,
)
_DELIMITER: Final = re.compile(r"([/?#&;=])")
_FILLER: Final = re.compile(r"[\W_]+")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", re.IGNORECASE)
_SEGMENT_MAX: Final = 4096
"""Characters of a segment that are examined."""
_NAME_FIELDS: Final = ("name", "key", "header", "field", "variable")
_VALUE_FIELDS: Final = frozenset({"value", "values", "default", "content", "data"})


def is_placeholder(value: str) -> bool:
    """Return True if a value stands for a secret that somebody has to supply."""
    return not value.strip() or _PLACEHOLDER.search(value[:4096]) is not None


def is_reference(value: str) -> bool:
    """Return True if a value is only the name of a variable, such as ``${TOKEN}``."""
    return not value or _REFERENCE.fullmatch(value) is not None


def looks_secret(value: str) -> bool:
    """Return True if a text contains something with the form of a token or of a login."""
    return redacted_text(value) != value


def without_url_secrets(text: str) -> str:
    """Return a text without the random parts of the URLs in it.

    Such a part of a path or of a query is a UUID, a known kind of token, or at least 16 letters and
    digits that change often. Words, versions, dates and camel case don't change that often. After a
    secret name, as in ``/token/...``, eight characters are enough. Letters alone are not told from
    words.
    """
    return _URL.sub(lambda it: it["start"] + _without_random_parts(it["rest"]), text)


def has_url_secret(url: str) -> bool:
    """Return True if the path or the query of a URL seems to contain a secret."""
    return without_url_secrets(url) != url


def _without_random_parts(rest: str) -> str:
    """Return the path and the query of a URL without their random parts."""
    parts = _DELIMITER.split(rest)
    before = ""
    for at in range(0, len(parts), 2):
        part = parts[at]
        if _is_random(unquote(part[:_SEGMENT_MAX]), before):
            parts[at] = REMOVED
        before = part or before
    return "".join(parts)


def _is_random(text: str, before: str) -> bool:
    """Return True if a part of a URL seems to be a secret; ``before`` is the part before it."""
    if is_placeholder(text):
        return False
    if _UUID.fullmatch(text) or _TOKENS.search(text):
        return True
    plain = _FILLER.sub("", text)
    classes = [_character_class(it) for it in plain]
    if len(set(classes)) < 2 or "digit" not in classes:
        return False
    # A capital letter begins a word, so only what comes before it is another class.
    turns = sum(
        one != other and (one, other) != ("upper", "lower") for one, other in pairwise(classes)
    )
    if len(plain) >= 8 and turns >= 3 and is_secret_name(before):
        return True
    # A token of one case, such as base32, turns less often. Words would have separators.
    one_in = 6 if plain == text and len(set(classes)) == 2 else 4
    return len(plain) >= 16 and turns * one_in >= len(plain)


def _character_class(character: str) -> str:
    if character.isdecimal():
        return "digit"
    return "upper" if character.isupper() else "lower"


def redacted_prompt(text: str) -> str:
    """Return a prompt without texts that have the form of a known kind of token."""
    return _TOKENS.sub(lambda it: it[0] if is_placeholder(it[0]) else REMOVED, text)


def redacted_text(text: str) -> str:
    """Return a text without tokens, logins, and values after secret names.

    A value may stand in JSON, in the query of a URL, behind ``NAME=`` or ``NAME:``, or after a
    flag of a command.
    """
    known = _json_of(text)
    if known is not None:
        clean, removed = without_secrets(known)
        return json.dumps(clean, ensure_ascii=False) if removed else text
    text = _USERINFO.sub("", _CREDENTIALS.sub(REMOVED, _TOKENS.sub(REMOVED, text)))
    text = _QUERY.sub(_query_value, _HOOK.sub(rf"\1{REMOVED}", text))
    text = _SHORT_FLAG.sub(rf"\1{REMOVED}", _LOGIN_FLAG.sub(rf"\1{REMOVED}", text))
    return _after_names(_LONG_FLAG, _after_names(_NAMED, text))


def _json_of(text: str) -> Any:
    """Return the list or the map of a text that is JSON, or None."""
    if text.lstrip()[:1] not in {"{", "["}:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict | list) else None


def _query_value(found: re.Match[str]) -> str:
    if not is_secret_name(found["name"]) or is_reference(found["value"]):
        return found[0]
    return f"{found['name']}={REMOVED}"


def _after_names(names: re.Pattern[str], text: str) -> str:
    """Return a text without the values that follow secret names."""
    found: list[str] = []
    at = 0
    for match in names.finditer(text):
        if match.start() < at or not is_secret_name(match["name"]):
            continue
        whole_line = "cookie" in match["name"].lower()
        value = (_LINE if whole_line else _VALUE).match(text, match.end())
        if value is None or is_reference(value[0].strip("\\\"'")):
            continue
        found += [text[at : match.end()], REMOVED]
        at = value.end()
        if not whole_line and value["quote"]:
            found[-1] = f"{value['quote']}{REMOVED}{value['quote']}"
    return "".join([*found, text[at:]])


def without_secrets(value: Any) -> tuple[Any, list[str]]:
    """Return JSON values without secrets, and the paths of those that were removed."""
    removed: list[str] = []
    return _clean(value, "", removed), removed


def _clean(value: Any, path: str, removed: list[str]) -> Any:
    if isinstance(value, Mapping):
        found = {}
        # A list of {name: API_KEY, value: ...}, as containers have them.
        named = any(is_secret_name(scalar_text(value.get(it))) for it in _NAME_FIELDS)
        for key, item in value.items():
            name = without_url_secrets(redacted_text(key))
            here = f"{path}.{name}" if path else name
            secret = is_secret_name(key) or (named and key.lower() in _VALUE_FIELDS)
            if secret and not is_empty(item) and not isinstance(item, bool):
                removed.append(here)
            else:
                found[name] = _clean(item, here, removed)
        return found
    if isinstance(value, list):
        return [_clean(it, f"{path}[{at}]", removed) for at, it in enumerate(value)]
    if isinstance(value, str):
        clean = without_url_secrets(redacted_text(value))
        if clean != value:
            removed.append(path)
        return clean
    return value


def without_query_secrets(url: str) -> tuple[str, bool]:
    """Return a URL without a login and without parameters that have secret names, and True if so.

    A text that is not a URL is returned as it is.
    """
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        return url, False
    kept = [(key, value) for key, value in pairs if not is_secret_name(key)]
    host = parts.netloc.rpartition("@")[2]
    if len(kept) == len(pairs) and host == parts.netloc:
        return url, False
    query = "&".join(f"{quote(key)}={quote(value)}" for key, value in kept)
    return urlunsplit((parts.scheme, host, parts.path, query, "")), True
