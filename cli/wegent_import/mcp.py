"""MCP servers of Ghosts and Skills: transports, and secrets in headers and variables."""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from wegent_crds.reading import mapping
from wegent_crds.schema.fields import HttpUrl
from wegent_crds.schema.mcp_servers import PROTOCOL_HEADERS, McpServer
from wegent_import.draft import Draft
from wegent_import.harmless import is_plain_header, is_plain_variable, redacted_arguments
from wegent_import.names import LABEL_MAX, server_name, with_digest
from wegent_import.notes import NoteKind
from wegent_import.redaction import (
    has_url_secret,
    is_placeholder,
    without_query_secrets,
    without_url_secrets,
)
from wegent_import.secret_names import is_secret_name
from wegent_import.secrets import DATA_KEY, Secret, host_of, is_sendable, secret_name
from wegent_import.values import first, is_empty, whole
from wegent_sdk.plain import scalar_text

MAX_SERVERS: Final = 16
MAX_SECRET_HEADERS: Final = 8
MAX_TIMEOUT_S: Final = 600
_TRANSPORTS: Final = {
    "stdio": "stdio",
    "sse": "sse",
    "http": "streamable-http",
    "streamablehttp": "streamable-http",
}
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_HEADER: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_HEADER_VALUE: Final = re.compile(r"[\t -~]*")
_URL: Final[TypeAdapter[str]] = TypeAdapter(HttpUrl)
_READ: Final = frozenset(
    {"type", "transport", "command", "args", "env", "url", "headers", "timeout", "timeoutSeconds"}
)
_NATIVE: Final = ("allowedTools", "requireApproval", "required", "headersFrom")


def move_servers(draft: Draft) -> None:
    """Move ``mcpServers``. A server that can't be used here stays in the annotation."""
    source = draft.take_map("mcpServers", "mcp_servers")
    found: dict[str, dict[str, Any]] = {}
    left: dict[str, Any] = {}
    for original, value in source.items():
        field = f"spec.mcpServers.{original}"
        name = _name(original)
        server = _Server(draft, name, field, mapping(value))
        if len(found) < MAX_SERVERS and name not in found and server.convert():
            found[name] = server.result
            draft.secrets += server.secrets
            if name != original:
                draft.note(NoteKind.RENAMED, field, f"is now {name}")
            if server.rest:
                left[original] = server.rest
        else:
            if not is_empty(value):
                draft.note(NoteKind.LOST, field, server.problem)
            left[original] = value
    if found:
        draft.spec["mcpServers"] = found
    if left:
        draft.rest["mcpServers"] = left


def _name(original: str) -> str:
    """Return the name of a server, which may be its URL."""
    clean = without_url_secrets(original)
    if clean == original:
        return server_name(original)
    return with_digest(server_name(clean), original, LABEL_MAX)


class _Server:
    """One MCP server while its fields move."""

    def __init__(self, draft: Draft, name: str, field: str, source: Mapping[str, Any]) -> None:
        self._draft = draft
        self._name = name
        self._field = field
        self._source = source
        self.result: dict[str, Any] = {}
        self.secrets: list[Secret] = []
        self.rest: dict[str, Any] = {}
        self.problem = "is not used: it has neither a command nor a url of http or https"

    def convert(self) -> bool:
        """Convert the server. Return False if it can't be used."""
        notes = len(self._draft.notes)
        command = scalar_text(self._source.get("command"))
        url = scalar_text(first(self._source, "url", "serverUrl", "endpoint"))
        stated = self._stated()
        if command and stated in {None, "stdio"}:
            self._stdio(command)
        elif not self._http(url, stated):
            del self._draft.notes[notes:]
            return False
        self._common()
        try:
            McpServer.model_validate(self.result)
        except ValidationError as error:
            del self._draft.notes[notes:]
            self.problem = f"is not used: {error.errors()[0]['msg']}"
            return False
        return True

    def _stated(self) -> str | None:
        text = scalar_text(first(self._source, "type", "transport")).lower()
        return _TRANSPORTS.get(re.sub(r"[-_ ]", "", text))

    def _stdio(self, command: str) -> None:
        args = self._source.get("args")
        texts = [scalar_text(it) for it in args] if isinstance(args, list) else []
        clean, changed = redacted_arguments([command, *texts])
        for index in changed:
            field = f"args[{index - 1}]" if index else "command"
            self._lost_secret(field, [command, *texts][index], "put it into the Shell's image")
        self.result |= {"type": "stdio", "command": clean[0]}
        if clean[1:]:
            self.result["args"] = clean[1:]
        if env := self._variables():
            self.result["env"] = env
        if self._source.get("type") is None and self._source.get("transport") is None:
            self._note(NoteKind.CHANGED, "type", "is stdio, because there is a command")

    def _variables(self) -> dict[str, str]:
        found = {}
        for name, value in mapping(self._source.get("env")).items():
            text = scalar_text(value)
            field = f"env.{name}"
            if not is_plain_variable(name, text):
                if text and is_placeholder(text):
                    self._note(NoteKind.TODO, field, "supply the variable in the Shell's image")
                elif text:
                    self._lost_secret(field, text, "supply the variable in the Shell's image")
            elif _VARIABLE.fullmatch(name):
                found[name] = text
            else:
                self._note(NoteKind.LOST, field, "is not the name of a variable")
        return found

    def _http(self, url: str, stated: str | None) -> bool:
        if not url or stated == "stdio":
            return False
        clean, had_secret = without_query_secrets(url)
        try:
            _URL.validate_python(clean)
        except ValidationError:
            self.problem = "is not used: url is not an address of http or https"
            return False
        if had_secret:
            self._lost_secret("url", url, "the server has to accept it in a header")
        if has_url_secret(clean):
            kind = self._draft.document.kind
            message = (
                f"a part seems to be a secret, and every reader of the {kind} sees it: replace it"
                " in the server, and send the new one in a header, with headersFrom"
            )
            self._note(NoteKind.EXPOSED, "url", message)
        inferred = "sse" if urlsplit(clean).path.rstrip("/").endswith("/sse") else "streamable-http"
        self.result |= {"type": stated or inferred, "url": clean}
        if stated is None:
            self._note(NoteKind.CHANGED, "type", f"is {inferred}, because of the url")
        self._headers(clean)
        return True

    def _headers(self, url: str) -> None:
        plain: dict[str, str] = {}
        secret: dict[str, Any] = {}
        source = mapping(self._source.get("headers"))
        # A server has few places for secrets. Those that are secrets by their names come first.
        for name in sorted(source, key=lambda it: not is_secret_name(it)):
            text, field = scalar_text(source[name]), f"headers.{name}"
            if not _HEADER.fullmatch(name) or name.lower() in PROTOCOL_HEADERS:
                self._note(NoteKind.LOST, field, "a runner sets or refuses this header")
            elif not _HEADER_VALUE.fullmatch(text) and not is_secret_name(name):
                self._note(NoteKind.LOST, field, "has characters that a header can't have")
            elif not is_plain_header(name, text):
                if len(secret) < MAX_SECRET_HEADERS:
                    secret[name] = self._secret_header(name, text, url)
                elif text:
                    self._lost_secret(field, text, "a server has at most 8 secret headers")
            else:
                plain[name] = text
        if plain:
            self.result["headers"] = plain
        if secret:
            self.result["headersFrom"] = secret

    def _secret_header(self, header: str, value: str, url: str) -> dict[str, Any]:
        draft, field = self._draft, f"headers.{header}"
        name = secret_name(draft.document.kind, draft.name, self._name, header)
        host = host_of(url)
        if is_placeholder(value) or not is_sendable(value) or host is None:
            self._note(NoteKind.TODO, field, f"create the Secret {draft.namespace}/{name}")
        else:
            self._note(NoteKind.SECRET, field, f"is in the Secret {draft.namespace}/{name}")
            self.secrets.append(self._secret(name, (host,), value, header, field))
        return {"secretKeyRef": {"name": name, "key": DATA_KEY}}

    def _lost_secret(self, field: str, value: str, remedy: str) -> None:
        """Take out a secret that no object can refer to. Only a file of secrets keeps it."""
        draft = self._draft
        name = secret_name(draft.document.kind, draft.name, self._name, field)
        self._note(NoteKind.SECRET, field, f"is only in a file of secrets; {remedy}")
        self.secrets.append(self._secret(name, (), value, None, field))

    def _secret(
        self, name: str, hosts: tuple[str, ...], value: str, header: str | None, field: str
    ) -> Secret:
        draft = self._draft
        return Secret(
            namespace=draft.namespace,
            name=name,
            hosts=hosts,
            value=value,
            kind=draft.document.kind,
            owner=draft.name,
            server=self._name,
            header=header,
            field=f"{self._field}.{field}",
        )

    def _common(self) -> None:
        for name in _NATIVE:
            if not is_empty(self._source.get(name)):
                self.result[name] = self._source[name]
        timeout = whole(first(self._source, "timeoutSeconds", "timeout"))
        if timeout is not None and timeout > 0:
            self.result["timeoutSeconds"] = min(timeout, MAX_TIMEOUT_S)
            if timeout > MAX_TIMEOUT_S:
                self._note(NoteKind.LOST, "timeout", f"is {MAX_TIMEOUT_S} seconds at most")
        taken = {*_READ, *_NATIVE, "serverUrl", "endpoint"}
        self.rest = {
            key: value
            for key, value in self._source.items()
            if key not in taken and not is_empty(value)
        }

    def _note(self, kind: NoteKind, field: str, message: str) -> None:
        self._draft.note(kind, f"{self._field}.{field}", message)
