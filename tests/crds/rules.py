"""The rules that no other keyword of a schema can express, each with a refused and a valid body."""

from dataclasses import dataclass
from typing import Any

from tests.crds.samples import MINIMAL, body


@dataclass(frozen=True, slots=True)
class RuleCase:
    """A body that a rule refuses, and the nearest body that passes."""

    plural: str
    message: str
    """The rule's message, as both sides give it; for a pattern, the API server's message."""
    refused: dict[str, Any]
    """Fields of the spec besides the minimal ones; None removes a field."""
    passes: dict[str, Any]
    refused_name: str = "sample"
    passing_name: str = "sample"

    @property
    def refused_body(self) -> dict[str, Any]:
        return body(self.plural, MINIMAL[self.plural] | self.refused, self.refused_name)

    @property
    def passing_body(self) -> dict[str, Any]:
        return body(self.plural, MINIMAL[self.plural] | self.passes, self.passing_name)


def _server(**server: Any) -> dict[str, Any]:
    return {"mcpServers": {"one": server}}


def _secrets(*headers: str) -> dict[str, Any]:
    return {it: {"secretKeyRef": {"name": "issues", "key": "token"}} for it in headers}


def _selector(**selector: Any) -> dict[str, Any]:
    return {"accessFrom": {"namespaceSelectors": [selector]}}


def _expression(**expression: Any) -> dict[str, Any]:
    return _selector(matchExpressions=[{"key": "env", **expression}])


TRANSPORT = "exactly one of command and url is required, unless type names the transport"
STDIO = "a stdio server requires command, and allows no url, headers or headersFrom"
REMOTE = "a server that is not stdio requires url, and allows no command, args or env"
ONE_HEADER = "a header must be given once, in headers or in headersFrom; case is ignored"
PROTOCOL = (
    "a server with headersFrom allows no headers of the connection or of the protocol, such as Host"
    " and Mcp-Session-Id"
)
SERVER_SIZE = "all fields together may have at most 4096 characters"
VALUES = "values is required for In and NotIn, and not allowed for Exists and DoesNotExist"
LABEL_KEYS = "keys must be label keys: an optional DNS prefix/ and a name"
ENV_NAMES = "names must be letters, digits and underscores, with no digit first"
FILE_NAMES = (
    "names must be relative paths of up to 8 parts, each with up to 63 letters, digits,"
    " underscores, dashes and dots, and with no dot or dash first"
)
FILES_SIZE = "content and files together may have at most 131072 characters"
HEADER_NAMES = "names must be letters, digits, dashes and underscores"
SERVER_NAMES = "names must be 1 to 63 letters, digits, dashes, underscores and dots"
INSECURE = "must be https, unless allowInsecureBaseUrl is true"
LEADER = "at most one Bot may be the leader"
PIPELINE = "contextPassing and requireConfirmation require collaborationMode pipeline"
NO_CONTEXT = "contextPassing none requires prompt"
PROMPTS = "all prompts together may have at most 131072 characters"
TEXTS = "prompt, instructions and history together may have at most 131072 characters"
ONE_REF = "exactly one of teamRef and botRef is required"
ITSELF = "previousTaskRef must not name the Task itself"
REPLY = "text is required for the decision reply"
ANSWER_TEXTS = (
    "prompt, instructions, history and answers together may have at most 131072 characters; each"
    " answer counts 32 more"
)
ABOVE_ZERO = "must be greater than 0"
ACCOUNT_NAME = (
    "an Account's name must be a DNS-1123 label (lower case letters, digits and dashes)"
    " of at most 50 characters"
)
RESERVED = "an Account must not have a reserved name: accounts, default, system"
SYSTEM = (
    "rights in a system namespace are not allowed: wegent-accounts, wegent-system and"
    " names that begin with kube-"
)
GROUP_NAME = (
    "a Group's name must be a DNS-1123 label (lower case letters, digits and dashes)"
    " of at most 63 characters"
)
RESERVED_NAMESPACE = (
    "a Group must not have a reserved name: default, wegent, and names that begin with kube-"
    " or wegent-"
)
RESOURCE_NAMES = "names must be count/<resource>, such as count/bots.agent.wecode.io"
TIME = "must be a valid time"
URL = "https://mcp.example.com"
REF = {"name": "one"}
LONG_NAMES = [f"{number:0128}" for number in range(128)]
LONG_TURN = {"role": "user", "content": "p" * 65533}
LONG_PROMPTS = [{"name": f"b{i}", "prompt": "p" * 16384} for i in range(8)]
SHOULD_MATCH = "in body should match"


def _granted(*namespaces: str) -> dict[str, Any]:
    return {"namespaces": [{"name": name, "role": "viewer"} for name in namespaces]}


def _answers(prompt: int) -> dict[str, Any]:
    text = {"decision": "deny", "text": "t" * 4000, "by": "b" * 36}
    answers = [{"id": f"call_{number}", **text} for number in range(4)]
    return {"prompt": "p" * prompt, "answers": answers}


CEL_RULES = [
    RuleCase(
        "tombstones",
        TIME,
        {"expiresAt": "2026-02-30T00:00:00Z"},
        {"expiresAt": "2026-02-28T00:00:00Z"},
    ),
    RuleCase("ghosts", TRANSPORT, _server(), _server(command="x")),
    RuleCase("ghosts", TRANSPORT, _server(command="x", url=URL), _server(url=URL)),
    RuleCase("skills", TRANSPORT, _server(args=["x"]), _server(command="x", args=["x"])),
    RuleCase("ghosts", STDIO, _server(type="stdio"), _server(type="stdio", command="x")),
    RuleCase("ghosts", STDIO, _server(command="x", headers={}), _server(url=URL, headers={})),
    RuleCase(
        "skills",
        STDIO,
        _server(type="stdio", command="x", headersFrom={}),
        _server(type="http", url=URL, headersFrom={}),
    ),
    RuleCase(
        "ghosts",
        STDIO,
        _server(type="stdio", command="x", url=URL),
        _server(type="stdio", command="x", args=[], env={}),
    ),
    RuleCase(
        "ghosts",
        STDIO,
        _server(type="stdio", command="x", headers={}),
        _server(type="stdio", command="x", headers=None),
    ),
    RuleCase("ghosts", REMOTE, _server(type="sse"), _server(type="sse", url=URL)),
    RuleCase("skills", REMOTE, _server(url=URL, env={}), _server(command="x", env={})),
    RuleCase(
        "ghosts",
        REMOTE,
        _server(type="http", url=URL, command="x"),
        _server(type="http", url=URL, headers={"A": "b"}),
    ),
    RuleCase(
        "ghosts",
        REMOTE,
        _server(type="streamable-http", url=URL, args=["x"]),
        _server(type="streamable-http", url=URL),
    ),
    RuleCase("ghosts", REMOTE, _server(type="sse", url=URL, env={}), _server(type="sse", url=URL)),
    RuleCase(
        "ghosts",
        SERVER_SIZE,
        _server(type="stdio", command="x" * 1000, args=["y" * 1024] * 3, env={"K": "v" * 24}),
        _server(type="stdio", command="x" * 1000, args=["y" * 1024] * 3, env={"K": "v" * 23}),
    ),
    RuleCase(
        "ghosts",
        SERVER_SIZE,
        _server(type="http", url=f"{URL}/{'x' * 2000}", headers={"K": "v" * 2048, "L": "w" * 23}),
        _server(type="http", url=f"{URL}/{'x' * 2000}", headers={"K": "v" * 2048, "L": "w" * 22}),
    ),
    RuleCase(
        "ghosts",
        SERVER_SIZE,
        _server(url=URL, allowedTools=LONG_NAMES[:31], requireApproval=["a" * 106]),
        _server(url=URL, allowedTools=LONG_NAMES[:31], requireApproval=["a" * 105]),
    ),
    RuleCase(
        "skills",
        SERVER_SIZE,
        _server(url=URL, headers={"K": "v" * 2048, "L": "w" * 2011}, headersFrom=_secrets("MM")),
        _server(url=URL, headers={"K": "v" * 2048, "L": "w" * 2011}, headersFrom=_secrets("M")),
    ),
    RuleCase(
        "ghosts",
        ONE_HEADER,
        _server(url=URL, headers={"authorization": ""}, headersFrom=_secrets("Authorization")),
        _server(url=URL, headers={"X-Authorization": ""}, headersFrom=_secrets("Authorization")),
    ),
    RuleCase(
        "ghosts",
        ONE_HEADER,
        _server(url=URL, headersFrom=_secrets("X-A", "x-a")),
        _server(url=URL, headersFrom=_secrets("X-A", "x-b")),
    ),
    RuleCase(
        "ghosts",
        PROTOCOL,
        _server(url=URL, headers={"hOsT": "evil.example"}, headersFrom=_secrets("Authorization")),
        _server(url=URL, headers={"X-Host": "a"}, headersFrom=_secrets("Authorization")),
    ),
    RuleCase(
        "skills",
        PROTOCOL,
        _server(url=URL, headersFrom=_secrets("MCP-Session-ID")),
        _server(url=URL, headersFrom=_secrets("Session-Id")),
    ),
    RuleCase(
        "skills",
        PROTOCOL,
        _server(url=URL, headers={"Host": "a"}, headersFrom=_secrets("A")),
        _server(url=URL, headers={"Host": "a"}),
    ),
    RuleCase("skills", FILE_NAMES, {"files": {"../a": ""}}, {"files": {"a..b/c-d_e.md": ""}}),
    RuleCase("skills", FILE_NAMES, {"files": {"/etc/passwd": ""}}, {"files": {"etc/passwd": ""}}),
    RuleCase("skills", FILE_NAMES, {"files": {"a//b": ""}}, {"files": {"a/b": ""}}),
    RuleCase("skills", FILE_NAMES, {"files": {"a/./b": ""}}, {"files": {"a/b.": ""}}),
    RuleCase(
        "skills", FILE_NAMES, {"files": {"a/" * 8 + "a": ""}}, {"files": {"a/" * 7 + "a": ""}}
    ),
    RuleCase("skills", FILE_NAMES, {"files": {"a" * 64: ""}}, {"files": {"a" * 63: ""}}),
    RuleCase(
        "skills",
        FILES_SIZE,
        {"content": "c" * 65536, "files": {"a": "f" * 65535, "b": ""}},
        {"content": "c" * 65536, "files": {"a": "f" * 65534, "b": ""}},
    ),
    RuleCase(
        "ghosts",
        SERVER_NAMES,
        {"mcpServers": {"a b": {"type": "sse", "url": URL}}},
        {"mcpServers": {"a.b_c-d": {"type": "sse", "url": URL}}},
    ),
    RuleCase(
        "ghosts",
        SERVER_NAMES,
        {"mcpServers": {"a" * 64: {"type": "sse", "url": URL}}},
        {"mcpServers": {"a" * 63: {"type": "sse", "url": URL}}},
    ),
    RuleCase(
        "ghosts",
        ENV_NAMES,
        _server(type="stdio", command="x", env={"1A": ""}),
        _server(type="stdio", command="x", env={"A1": ""}),
    ),
    RuleCase(
        "ghosts",
        HEADER_NAMES,
        _server(type="sse", url=URL, headers={"A\r\nB": ""}),
        _server(type="sse", url=URL, headers={"A-B": ""}),
    ),
    RuleCase(
        "shells",
        VALUES,
        _expression(operator="In", values=[]),
        _expression(operator="In", values=[""]),
    ),
    RuleCase(
        "bots", VALUES, _expression(operator="NotIn"), _expression(operator="NotIn", values=["a"])
    ),
    RuleCase(
        "teams",
        VALUES,
        _expression(operator="Exists", values=["a"]),
        _expression(operator="Exists", values=[]),
    ),
    RuleCase(
        "models",
        VALUES,
        _expression(operator="DoesNotExist", values=["a"]),
        _expression(operator="DoesNotExist"),
    ),
    RuleCase(
        "skills",
        LABEL_KEYS,
        _selector(matchLabels={"a b": "c"}),
        _selector(matchLabels={"example.com/A_b": "c"}),
    ),
    RuleCase(
        "models",
        INSECURE,
        {"baseUrl": "http://llm.example.com"},
        {"baseUrl": "http://llm.example.com", "allowInsecureBaseUrl": True},
    ),
    RuleCase(
        "models",
        INSECURE,
        {"baseUrl": "http://llm.example.com", "allowInsecureBaseUrl": None},
        {"baseUrl": "https://llm.example.com"},
    ),
    RuleCase(
        "teams",
        LEADER,
        {"bots": [{"name": "a", "role": "leader"}, {"name": "b", "role": "leader"}]},
        {"bots": [{"name": "a", "role": "leader"}, {"name": "b"}]},
    ),
    RuleCase(
        "teams",
        PROMPTS,
        {"bots": [*LONG_PROMPTS, {"name": "one-more", "prompt": "p"}]},
        {"bots": [*LONG_PROMPTS, {"name": "one-more"}]},
    ),
    RuleCase(
        "teams",
        PIPELINE,
        {"bots": [{"name": "a"}, {"name": "b", "contextPassing": "all"}]},
        {
            "bots": [{"name": "a"}, {"name": "b", "contextPassing": "all"}],
            "collaborationMode": "pipeline",
        },
    ),
    RuleCase(
        "teams",
        PIPELINE,
        {"bots": [{"name": "a", "requireConfirmation": True}], "collaborationMode": "route"},
        {"bots": [{"name": "a", "requireConfirmation": False}], "collaborationMode": "route"},
    ),
    RuleCase(
        "teams",
        NO_CONTEXT,
        {
            "bots": [{"name": "a", "contextPassing": "none", "prompt": ""}],
            "collaborationMode": "pipeline",
        },
        {
            "bots": [{"name": "a", "contextPassing": "none", "prompt": "Tell a joke."}],
            "collaborationMode": "pipeline",
        },
    ),
    RuleCase("tasks", ONE_REF, {"teamRef": REF, "botRef": REF}, {"teamRef": REF, "botRef": None}),
    RuleCase("tasks", ONE_REF, {"botRef": None}, {"botRef": REF}),
    RuleCase(
        "tasks",
        ITSELF,
        {"previousTaskRef": {"name": "sample"}},
        {"previousTaskRef": {"name": "another"}},
    ),
    RuleCase(
        "tasks",
        ABOVE_ZERO,
        {"budget": {"costUSD": "0.000000"}},
        {"budget": {"costUSD": "0.000001"}},
    ),
    RuleCase(
        "tasks",
        TEXTS,
        {"instructions": "p" * 65534, "history": [LONG_TURN]},
        {"instructions": "p" * 65533, "history": [LONG_TURN]},
    ),
    RuleCase(
        "tasks",
        TEXTS,
        {"prompt": "pp", "history": [LONG_TURN, {"role": "assistant", "content": "p" * 65538}]},
        {"prompt": "p", "history": [LONG_TURN, {"role": "assistant", "content": "p" * 65538}]},
    ),
    RuleCase(
        "tasks",
        REPLY,
        {"answers": [{"id": "a", "decision": "reply"}]},
        {"answers": [{"id": "a", "decision": "reply", "text": "Both."}]},
    ),
    RuleCase("tasks", ANSWER_TEXTS, _answers(131072 - 4 * 4068 + 1), _answers(131072 - 4 * 4068)),
    RuleCase("accounts", ACCOUNT_NAME, {}, {}, "a" * 51, "a" * 50),
    RuleCase("accounts", ACCOUNT_NAME, {}, {}, "ada.lovelace", "ada-lovelace"),
    RuleCase("accounts", RESERVED, {}, {}, "accounts", "account"),
    RuleCase("accounts", RESERVED, {}, {}, "system", "systems"),
    RuleCase("accounts", RESERVED, {}, {}, "default", "defaults"),
    RuleCase("accounts", SYSTEM, _granted("wegent-accounts"), _granted("wegent-account")),
    RuleCase("accounts", SYSTEM, _granted("wegent-system"), _granted("wegent-systems")),
    RuleCase("accounts", SYSTEM, _granted("blue", "kube-public"), _granted("blue", "kubernetes")),
    RuleCase("groups", GROUP_NAME, {}, {}, "a" * 64, "a" * 63),
    RuleCase("groups", GROUP_NAME, {}, {}, "blue.team", "blue-team"),
    RuleCase("groups", RESERVED_NAMESPACE, {}, {}, "default", "defaults"),
    RuleCase("groups", RESERVED_NAMESPACE, {}, {}, "wegent", "wegents"),
    RuleCase("groups", RESERVED_NAMESPACE, {}, {}, "wegent-ada", "my-wegent-ada"),
    RuleCase("groups", RESERVED_NAMESPACE, {}, {}, "kube-public", "kubernetes"),
    RuleCase(
        "groups",
        RESOURCE_NAMES,
        {"quota": {"requests.cpu": 1}},
        {"quota": {"count/bots.agent.wecode.io": 1, "count/secrets": 0}},
    ),
]

OTHER_RULES = [
    RuleCase("bots", SHOULD_MATCH, {"ghostRef": {"name": "Big"}}, {"ghostRef": {"name": "a.b-0"}}),
    RuleCase(
        "bots",
        SHOULD_MATCH,
        {"ghostRef": {"name": "g", "namespace": "a.b"}},
        {"ghostRef": {"name": "g", "namespace": "a-b"}},
    ),
    RuleCase(
        "bots",
        "at least 1 chars long",
        {"ghostRef": {"name": "g", "namespace": ""}},
        {"ghostRef": {"name": "g", "namespace": None}},
    ),
    RuleCase(
        "teams",
        'Duplicate value: {"name":"a","namespace":""}',
        {"bots": [{"name": "a"}, {"name": "a", "namespace": ""}]},
        {"bots": [{"name": "a"}, {"name": "a", "namespace": "b"}]},
    ),
    RuleCase(
        "ghosts",
        "Duplicate value",
        {"skillRefs": [{"name": "a"}, {"name": "a", "namespace": None}]},
        {"skillRefs": [{"name": "a"}, {"name": "a", "namespace": "b"}]},
    ),
    RuleCase(
        "accounts",
        'Duplicate value: {"name":"blue"}',
        {"namespaces": [{"name": "blue", "role": "viewer"}, {"name": "blue", "role": "admin"}]},
        {"namespaces": [{"name": "blue", "role": "viewer"}, {"name": "red", "role": "viewer"}]},
    ),
    RuleCase(
        "groups",
        'Duplicate value: {"username":"ada"}',
        {"members": [{"username": "ada", "role": it} for it in ("viewer", "admin")]},
        {"members": [{"username": it, "role": "viewer"} for it in ("ada", "bob")]},
    ),
    RuleCase(
        "groups",
        "should be greater than or equal to 1",
        {"limits": {"tokensPerDay": 0}},
        {"limits": {"tokensPerDay": 1}},
    ),
    RuleCase(
        "tasks",
        'Duplicate value: {"id":"a"}',
        {"answers": [{"id": "a", "decision": "deny"}, {"id": "a", "decision": "approve"}]},
        {"answers": [{"id": "a", "decision": "deny"}, {"id": "b", "decision": "approve"}]},
    ),
    RuleCase(
        "tasks",
        SHOULD_MATCH,
        {"answers": [{"id": "-a", "decision": "deny"}]},
        {"answers": [{"id": "0/call_1:2.x-y", "decision": "deny"}]},
    ),
    RuleCase("shells", "Duplicate", {"supportedProviders": ["a", "a"]}, {"supportedProviders": []}),
    RuleCase("skills", "Duplicate value", {"tags": ["a", "a"]}, {"tags": ["a", "A"]}),
    RuleCase("models", SHOULD_MATCH, {"provider": "OpenAI"}, {"provider": "azure-openai"}),
    RuleCase(
        "models", SHOULD_MATCH, {"baseUrl": "ftp://a"}, {"baseUrl": "https://[::1]:8443/v1?a"}
    ),
    RuleCase(
        "models",
        SHOULD_MATCH,
        {"baseUrl": "https://me:secret@example.com"},
        {"baseUrl": "https://example.com/me:secret@"},
    ),
    RuleCase(
        "models",
        SHOULD_MATCH,
        {"apiKeySecretRef": {"name": "s", "key": "a/b"}},
        {"apiKeySecretRef": {"name": "s", "key": "API_KEY.txt"}},
    ),
    RuleCase("shells", SHOULD_MATCH, {"baseImage": "-it a"}, {"baseImage": "localhost:5000/a@b"}),
    RuleCase("skills", SHOULD_MATCH, {"version": "1 2"}, {"version": "1.2.0-rc.1+b_7"}),
    RuleCase("accounts", SHOULD_MATCH, {"email": "ada"}, {"email": "a.d+a@x"}),
    RuleCase("accounts", SHOULD_MATCH, {"email": "a@b@c"}, {"email": "!@c"}),
    RuleCase(
        "ghosts",
        SHOULD_MATCH,
        _server(type="sse", url=URL, headers={"A": "b\r\nHost: c"}),
        _server(type="sse", url=URL, headers={"A": "b\tc ~"}),
    ),
    RuleCase(
        "shells",
        SHOULD_MATCH,
        _selector(matchLabels={"a": "-"}),
        _selector(matchLabels={"a": ""}),
    ),
    RuleCase(
        "shells",
        SHOULD_MATCH,
        _expression(key="a/", operator="Exists"),
        _expression(key="a.b/c", operator="Exists"),
    ),
    RuleCase("models", "must be of type", {"maxTokens": 1.5}, {"maxTokens": 2.0}),
    RuleCase("models", "Unsupported value", {"apiFormat": "grpc"}, {"apiFormat": "responses"}),
    RuleCase(
        "models",
        "Duplicate value",
        {"fallbackRefs": [{"name": "a"}, {"name": "a", "namespace": ""}]},
        {"fallbackRefs": [{"name": "a"}, {"name": "a", "namespace": "b"}]},
    ),
    RuleCase(
        "models",
        "must have at most 8 items",
        {"fallbackRefs": [{"name": f"m{i}"} for i in range(9)]},
        {"fallbackRefs": [{"name": f"m{i}"} for i in range(8)]},
    ),
    RuleCase(
        "tasks", SHOULD_MATCH, {"budget": {"costUSD": "1e3"}}, {"budget": {"costUSD": "999999999"}}
    ),
    RuleCase(
        "tasks", "must be of type", {"budget": {"costUSD": 0.5}}, {"budget": {"costUSD": "0.5"}}
    ),
    RuleCase(
        "tasks",
        "greater than or equal to 1",
        {"budget": {"totalTokens": 0}},
        {"budget": {"totalTokens": 1}},
    ),
    RuleCase(
        "tasks",
        "greater than or equal to 1",
        {"budget": {"modelRequests": 0}},
        {"budget": {"modelRequests": 1}},
    ),
    RuleCase(
        "tasks",
        "greater than or equal to 1",
        {"budget": {"toolCalls": 0}},
        {"budget": {"toolCalls": 1}},
    ),
    RuleCase("tasks", "must be of type object", {"outputSchema": True}, {"outputSchema": {}}),
    RuleCase(
        "tasks",
        "unknown field",
        {"previousTaskRef": {"name": "a", "namespace": "b"}},
        {"previousTaskRef": {"name": "a"}},
    ),
]
