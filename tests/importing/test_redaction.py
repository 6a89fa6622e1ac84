"""Names and texts with secrets, and the work that a long text takes."""

import pytest

from wegent_import.names import object_name
from wegent_import.redaction import is_placeholder, redacted_prompt, redacted_text
from wegent_import.secret_names import is_secret_name


@pytest.mark.parametrize(
    "name",
    [
        *("db_pass", "dbPass", "DB_PASS", "DBPass", "pass", "pgpass", "PGPASSWORD", "MYSQL_PWD"),
        *("pat", "otp", "bearer", "ak", "sk", "X-Ak", "basicAuth", "APIKEY", "apiKeys", "tokens"),
        *("api_key_2", "public_key_password", "SSH_PRIVATE_KEY", "x" * 300),
    ],
)
def test_secret_names(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("", "max_tokens", "maxTokens", "token_limit", "tokenizer", "publicKey", "keyword"),
        *("author", "path", "PATH", "bypass", "compass", "pattern", "contextPassing", "license"),
        *("description", "task", "risk", "stdout", "key_type", "keyType", "tokens_per_minute"),
    ],
)
def test_other_names(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Server=x;Password=v;Port=1", "Server=x;Password=REMOVED;Port=1"),
        ('{"api_key": "v", "a": 1}', '{"a": 1}'),
        ('see {"api_key": "v w", "a": 1}', 'see {"api_key": "REMOVED", "a": 1}'),
        (r'say "{\"api_key\": \"v\"}"', r'say "{\"api_key\": \"REMOVED\"}"'),
        ("export API_KEY=v", "export API_KEY=REMOVED"),
        ("API_KEY=${API_KEY}", "API_KEY=${API_KEY}"),
        ("API_KEY=$ecret", "API_KEY=REMOVED"),
        ("tool --password v -x", "tool --password REMOVED -x"),
        ("curl -u u:v https://x", "curl -u u:REMOVED https://x"),
        ("docker run -u 1000:1000 -p 80:80 x", "docker run -u 1000:1000 -p 80:80 x"),
        ("mysql -p secret", "mysql -p REMOVED"),
        ("https://x/a?token=v&b=1", "https://x/a?token=REMOVED&b=1"),
        ("https://h.slack.com/services/T0/B0/vvv", "https://h.slack.com/services/REMOVED"),
        ("mysql://root:a/b#c@db/x", "mysql://db/x"),
        ("https://x.example:8080/@scope/pkg", "https://x.example:8080/@scope/pkg"),
        ("Cookie: a=b; c=d", "Cookie: REMOVED"),
        ("Reviews code: reads diffs, writes notes", "Reviews code: reads diffs, writes notes"),
    ],
)
def test_texts(text: str, clean: str) -> None:
    assert redacted_text(text) == clean
    assert redacted_text(clean) == clean


UNITS = (
    *("eyJaaaaaaaaa.", "?sig", ".-", "a=", "pass='", "pass=$A ", "://", "://a:b", "-p ", "-u a:"),
    *("-----BEGIN ", "<", "\\", "{", "https://a/hook/", "a.", "${", "x?key=", "A"),
)


@pytest.mark.parametrize(
    ("unit", "size"),
    [*((it, 1 << 20) for it in ("eyJ-", "sig", "-")), *((it, 1 << 16) for it in UNITS)],
)
def test_long_texts_are_read_in_linear_time(unit: str, size: int) -> None:
    """Work that grows with the square of the length takes hours for a megabyte."""
    text = unit * (size // len(unit))
    for one in (text, f"?{text}é"):
        redacted_prompt(one)
        redacted_text(one)
        is_placeholder(one)
        is_secret_name(one)
    object_name(f"{text}é", "Bot")
