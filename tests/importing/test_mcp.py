"""MCP servers: transports, and secrets in headers, variables, arguments and URLs."""

import json
from typing import Any

import pytest

from tests.importing.shapes import (
    HEADER_TOKEN,
    VARIABLE_TOKEN,
    converted,
    ghost,
    model,
    only,
    told,
    tools,
    wegent,
)
from wegent_import import annotations as known
from wegent_import.notes import NoteKind
from wegent_import.secrets import secret_name


def servers(**source: Any) -> dict[str, Any]:
    found: dict[str, Any] = only(converted(ghost(mcpServers=source)))["spec"]["mcpServers"]
    return found


@pytest.mark.parametrize(
    ("source", "type_"),
    [
        ({"command": "tool"}, "stdio"),
        ({"type": "stdio", "command": "tool"}, "stdio"),
        ({"url": "https://x.example/mcp"}, "streamable-http"),
        ({"url": "https://x.example/sse"}, "sse"),
        ({"url": "https://x.example/sse", "type": "streamable-http"}, "streamable-http"),
        ({"url": "https://x.example/mcp", "transport": "streamable_http"}, "streamable-http"),
        ({"url": "https://x.example/mcp", "transport": "streamableHttp"}, "streamable-http"),
        ({"url": "https://x.example/mcp", "type": "http"}, "streamable-http"),
        ({"url": "https://x.example/mcp", "type": "sse"}, "sse"),
    ],
)
def test_transports(source: dict[str, Any], type_: str) -> None:
    assert servers(a=source)["a"]["type"] == type_


def test_all_shapes_together() -> None:
    result = converted(ghost(mcpServers=tools()))
    body = only(result)
    found = body["spec"]["mcpServers"]
    assert found["git-hub"] == {
        "type": "stdio",
        "command": "docker",
        "args": ["run", "-i", "-e", "GITHUB_TOKEN=REMOVED", "tools:1"],
        "env": {"READ_ONLY": "true"},
    }
    name = secret_name("Ghost", "reviewer-ghost", "weather", "Authorization")
    assert found["weather"] == {
        "type": "streamable-http",
        "url": "https://weather.example.com/mcp",
        "headers": {"X-Region": "eu"},
        "headersFrom": {"Authorization": {"secretKeyRef": {"name": name, "key": "key"}}},
        "timeoutSeconds": 600,
    }
    assert "relative" not in found
    assert "relative" in body["metadata"]["annotations"][known.SPEC]
    values = {secret.name: (secret.value, secret.hosts) for secret in result.secrets}
    assert values[name] == (HEADER_TOKEN, ("weather.example.com",))
    assert [it for it in values.values() if it[0] == VARIABLE_TOKEN and not it[1]]
    assert "spec.mcpServers.relative" in told(result, NoteKind.LOST)
    assert "spec.mcpServers.weather.timeout" in told(result, NoteKind.LOST)


def test_a_secret_in_the_query_of_a_url_is_taken_out() -> None:
    result = converted(ghost(mcpServers={"a": {"url": "https://x.example/mcp?key=abcdef&b=1"}}))
    assert only(result)["spec"]["mcpServers"]["a"]["url"] == "https://x.example/mcp?b=1"
    assert told(result, NoteKind.SECRET) == ["spec.mcpServers.a.url"]


UUID = "5f0c6a52-7d0e-4c3b-9a61-0d8e2f4b7c19"
HEX = "c0ffee9d3a7b41e28f56"
MIXED = "Zk3vQ9_tXw7Lr2BpN8sYd4"
BASE32 = "MFRGG2LTMVZS4ZDFNZ2GKLTO"


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        (f"https://mcp.example.com/s/{MIXED}/sse", MIXED),
        (f"https://mcp.example.com/api/mcp/a/{UUID}/", UUID),
        (f"https://mcp.example.com/{HEX}", HEX),
        (f"https://mcp.example.com/fc-{HEX}/v2/mcp", HEX),
        (f"https://mcp.example.com/{BASE32}/mcp", BASE32),
        (f"https://mcp.example.com/mcp?t={MIXED}", MIXED),
        (f"https://mcp.example.com/mcp;key={HEX}", HEX),
        ("https://mcp.example.com/token/a8f3k2q9/sse", "a8f3k2q9"),
        ("https://mcp.example.com/sk-abcdefghijkl/sse", "sk-abcdefghijkl"),
    ],
)
def test_a_secret_in_the_path_of_a_url_stays_and_is_told(url: str, secret: str) -> None:
    result = converted(ghost(mcpServers={"a": {"url": url}}))
    assert only(result)["spec"]["mcpServers"]["a"]["url"] == url
    assert told(result, NoteKind.EXPOSED) == ["spec.mcpServers.a.url"]
    assert secret not in "".join(note.line() for note in result.notes)


@pytest.mark.parametrize(
    "url",
    [
        "https://mcp.example.com/mcp",
        "https://mcp.example.com/v1/streamable-http",
        "https://mcp.example.com/teams/my-company-mcp-server-2024-v2/sse",
        "https://mcp.example.com/us-east-1-prod-eu-west-2-x86-64/mcp",
        "https://mcp.example.com/models/gpt-4o-mini-2024-07-18/mcp",
        "https://mcp.example.com/tools/getWeatherForecastForCity?at=2024-06-01T10:00:00Z",
        "https://mcp.example.com/modelcontextprotocolserverofthecompany",
        "https://mcp.example.com/WeatherForecastServiceV2/sendMessageToUserInTeam",
        "https://mcp.example.com/projects/123456789012345678901234/sse",
        "https://mcp.example.com/oauth/authorize",
        "https://mcp.example.com/token/mcp2025server",
        "http://auth-service:8080/mcp",
        "https://mcp.example.com/your-api-key-a1b2c3d4e5f6g7h8/mcp",
    ],
)
def test_words_versions_and_dates_in_urls_are_no_secrets(url: str) -> None:
    result = converted(ghost(mcpServers={"a": {"url": url}}))
    assert not told(result, NoteKind.EXPOSED)
    assert only(result)["spec"]["mcpServers"]["a"]["url"] == url


def test_a_url_with_a_secret_is_in_no_annotation_variable_or_argument() -> None:
    url = f"https://mcp.example.com/s/{MIXED}/sse"
    servers_ = {
        "relative": {"type": "sse", "url": f"${{{{backend_url}}}}/s/{MIXED}/sse"},
        "proxy": {"command": "npx", "args": ["mcp-remote", url], "env": {"TARGET_URL": url}},
        url: {"type": "ws", "socket": url},
    }
    result = converted(ghost(mcpServers=servers_))
    assert only(result)["spec"]["mcpServers"]["proxy"] == {
        "type": "stdio",
        "command": "npx",
        "args": ["mcp-remote", "https://mcp.example.com/s/REMOVED/sse"],
    }
    assert MIXED not in json.dumps(result.objects)
    assert MIXED not in "".join(note.line() for note in result.notes)


def test_a_server_that_is_named_by_its_url_has_no_secret_in_its_name() -> None:
    url = f"https://mcp.example.com/s/{MIXED}/sse"
    result = converted(ghost(mcpServers={url: {"url": url}}))
    (name,) = only(result)["spec"]["mcpServers"]
    assert MIXED not in name
    assert MIXED not in "".join(note.line() for note in result.notes)


def test_secrets_in_the_urls_of_skills_and_models_are_told_too() -> None:
    url = f"https://mcp.example.com/s/{MIXED}/sse"
    servers_ = {"a": {"url": url}}
    skill = wegent("Skill", "draw", {"description": "Draws", "mcpServers": servers_})
    result = converted(skill, model(ANTHROPIC_BASE_URL=url))
    assert told(result, NoteKind.EXPOSED) == ["spec.mcpServers.a.url", "spec.baseUrl"]


def test_placeholders_of_headers_refer_to_a_secret_that_is_still_to_be_made() -> None:
    headers = {"Authorization": "Bearer ${TOKEN}"}
    result = converted(ghost(mcpServers={"a": {"url": "https://x.example", "headers": headers}}))
    assert "headersFrom" in only(result)["spec"]["mcpServers"]["a"]
    assert not result.secrets
    assert told(result, NoteKind.TODO) == ["spec.mcpServers.a.headers.Authorization"]


@pytest.mark.parametrize(
    "source",
    [
        {},
        {"type": "stdio"},
        {"type": "sse", "url": "${{backend}}/sse"},
        {"url": "ftp://x.example"},
        {"command": "x" * 2000},
        "text",
        None,
    ],
)
def test_a_server_that_cant_be_used_leaves_the_ghost_without_it(source: Any) -> None:
    result = converted(ghost(mcpServers={"a": source}))
    assert "mcpServers" not in only(result)["spec"]
    assert bool(told(result, NoteKind.LOST)) == bool(source)


def test_a_ghost_has_sixteen_servers_at_most() -> None:
    many = {f"s{at}": {"command": "tool"} for at in range(20)}
    result = converted(ghost(mcpServers=many))
    assert len(only(result)["spec"]["mcpServers"]) == 16
    assert len(told(result, NoteKind.LOST)) == 4


def test_the_hosts_header_and_its_like_are_not_taken() -> None:
    headers = {"Host": "other.example", "Mcp-Session-Id": "1", "X-A": "é"}
    result = converted(ghost(mcpServers={"a": {"url": "https://x.example", "headers": headers}}))
    assert "headers" not in only(result)["spec"]["mcpServers"]["a"]
    assert len(told(result, NoteKind.LOST)) == 3


def test_names_of_secrets_that_differ_in_one_character_stay_apart() -> None:
    """The name of a Ghost and that of a server may both have dashes."""
    one = {"b-c": {"url": "https://one.example", "headers": {"X-Api-Key": "k-one"}}}
    two = {"X-Api-Key": "k-two", "X_Api_Key": "k-three"}
    other = {"c": {"url": "https://two.example", "headers": two}}
    result = converted(ghost("a", mcpServers=one), ghost("a-b", mcpServers=other))
    assert sorted(it.value for it in result.secrets) == ["k-one", "k-three", "k-two"]
    assert len({it.name for it in result.secrets}) == 3
    referred = {
        reference["secretKeyRef"]["name"]
        for body in result.objects
        for server in body["spec"]["mcpServers"].values()
        for reference in server["headersFrom"].values()
    }
    assert referred == {it.name for it in result.secrets}
    assert all(it.name.startswith("ghost-a-b-c-x-api-key-") for it in result.secrets)


def test_variables_and_headers_that_are_plainly_no_secrets_stay_in_clear() -> None:
    env = {"LOG_LEVEL": "debug", "DATA_DIR": "/data", "RETRIES": 3, "NODE_ENV": "production"}
    headers = {"Accept": "text/event-stream", "X-Region": "eu", "Anthropic-Version": "2023-06-01"}
    found = servers(
        a={"command": "tool", "args": ["-y", "--port", "8080", "-p", "80:80"], "env": env},
        b={"url": "https://x.example", "headers": headers},
    )
    assert found["a"]["env"] == {key: str(value) for key, value in env.items()}
    assert found["a"]["args"] == ["-y", "--port", "8080", "-p", "80:80"]
    assert found["b"]["headers"] == headers


def test_headers_with_the_names_of_secrets_come_first() -> None:
    headers = {f"X-Any-{at}": f"value {at}" for at in range(8)} | {"Authorization": "t0ken-4711"}
    result = converted(ghost(mcpServers={"a": {"url": "https://x.example", "headers": headers}}))
    assert "Authorization" in only(result)["spec"]["mcpServers"]["a"]["headersFrom"]
    assert len(result.secrets) == 9
    assert len([it for it in result.secrets if it.hosts]) == 8
