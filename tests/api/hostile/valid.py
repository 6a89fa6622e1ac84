"""Hostile requests that are valid HTTP/1.1: odd bodies, parameters, paths and headers."""

import json
import random

from tests.api.hostile.parts import SECRET, End, Hostile, Maker, Operation
from tests.api.hostile.values import BYTES, TEXTS, mutated


class ValidHttp(Maker):
    """Makes requests whose framing is right."""

    def mutated_body(self) -> Hostile:
        """A documented example in which one or two values are odd ones."""
        operation = self.random.choice(self.with_bodies)
        body = operation.example
        for _ in range(self.random.choice((1, 1, 2))):
            body = mutated(body, self.random)
        raw = json.dumps(body).encode("utf-8", "surrogatepass")
        return self._valid("mutated body", operation, raw)

    def wrong_bytes(self) -> Hostile:
        """A body in a wrong encoding or of another media type, or no text at all."""
        operation = self.random.choice(self.with_bodies)
        raw = json.dumps(operation.example).encode()
        choices: list[bytes] = [
            *BYTES,
            raw.decode().encode("utf-16"),
            raw.decode().encode("utf-32-le"),
            b"\xef\xbb\xbf" + raw,
            raw[: self.random.randrange(len(raw))],
            raw + raw,
            raw.replace(b'"', b"'"),
            raw[:1] + self.random.randbytes(20) + raw[1:],
        ]
        types = (
            "",
            operation.media_type,
            "application/json; charset=utf-16",
            "text/xml",
            "*/*",
            "application/json;",
            "application/yaml",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/json, text/plain",
        )
        type_ = self.random.choice((operation.media_type, self.random.choice(types)))
        extra = self.random.choice(
            (b"", b"", b"Content-Encoding: gzip\r\n", b"Content-Encoding: br, identity\r\n")
        )
        return self._valid("wrong bytes", operation, self.random.choice(choices), type_, extra)

    def odd_query(self) -> Hostile:
        """Parameters with odd values, twice, or of other routes."""
        operation = self.random.choice(self.operations)
        known = operation.parameters or ("namespace",)
        pairs = []
        for _ in range(self.random.choice((1, 1, 2, 3))):
            name = self.random.choice((*known, *known, "watch", "dryRun", "limit", "x"))
            if name == "watch":  # a stream is another test's matter
                name = "resourceVersion"
            value = self.random.choice(
                (
                    *TEXTS,
                    "-1",
                    "0",
                    "1e9",
                    "99999999999999999999",
                    "true",
                    "All",
                    "*",
                    "%",
                    "=",
                    "a=b,c!=d",
                    "metadata.name=x",
                    "status.ready=True",
                    "eyJ2IjoxfQ",
                    "e30=",
                    SECRET,
                    "in (",
                    "a in (b",
                    "!!a",
                    "All&dryRun=All",
                    "default",
                ),
            )
            pairs.append(f"{name}={_quoted(value, self.random)}")
        raw = None if operation.example is None else json.dumps(operation.example).encode()
        return self._valid("odd query", operation, raw, query="&".join(pairs))

    def odd_path(self) -> Hostile:
        """Odd segments in the places of names."""
        operation = self.random.choice(self.operations)
        path = operation.path
        while "{" in path:
            path = path[: path.index("{")] + self._segment() + path[path.index("}") + 1 :]
        trick = self.random.randrange(8)
        if trick == 0:
            path = path.replace("/", self.random.choice(("//", "/./", "/%2e/", "\\", "%2F", "/;/")))
        elif trick == 1:
            path += self.random.choice(
                ("/", "/..", "/../" * 40, ";a=b", "%00", "%", "%zz", "?", "#x")
            )
        elif trick == 2:
            path = self.random.choice(("http://other" + path, "//other" + path, "*", "?" + path))
        data = path.encode("latin-1", "replace").replace(b" ", b"%20")
        return Hostile(
            "odd path",
            (self.head(operation.method, data, self.auth()) + b"Content-Length: 0\r\n\r\n",),
            End.ANSWER,
        )

    def odd_headers(self) -> Hostile:
        """Headers that are twice there, or have odd values."""
        operation = self.random.choice(self.operations)
        raw = b"" if operation.example is None else json.dumps(operation.example).encode()
        name = self.random.choice(
            (
                "Accept",
                "Authorization",
                "If-Match",
                "If-None-Match",
                "Last-Event-ID",
                "Range",
                "Idempotency-Key",
                "X-Request-Id",
                "Traceparent",
                "Tracestate",
                "X-Forwarded-For",
                "Forwarded",
                "Cookie",
                "Origin",
                "Accept-Encoding",
                "Content-Type",
                "Host",
                "Via",
                "Connection",
                "Upgrade",
                "X-Http-Method-Override",
                "Impersonate-User",
                "User-Agent",
                "Expect",
                "Content-Encoding",
                "X-Remote-User",
                "Sec-WebSocket-Protocol",
                "Te",
            ),
        )
        values: list[bytes] = [
            *(it.encode("utf-8", "replace") for it in TEXTS),
            b"\xff\xfe",
            b"a" * 9000,
            b'"',
            b'W/"',
            b",,,",
            b'"1","2"',
            b"*",
            b"Bearer",
            b"Bearer " + SECRET.encode(),
            b"Basic " + b"A" * 3000,
            b"bytes=0-0,-1",
            b"100-continue",
            b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01",
            b"127.0.0.1, ::1, x",
            b"::ffff:1.2.3.4",
            b"999.1.1.1",
            b"[::1]:x",
            b"h2c",
            b"close, upgrade",
            b"gzip;q=x",
            b"application/json;q=9",
        ]
        if name in {"X-Forwarded-For", "Forwarded"}:  # the address of the client, which is logged
            values = [it for it in values if SECRET.encode() not in it]
        value = self.random.choice(values).replace(b"\r", b" ").replace(b"\n", b" ")
        value = value.replace(b"\0", b"")
        lines = b"%s: %s\r\n" % (name.encode(), value)
        if self.random.random() < 0.3:
            lines += lines
        if raw and name != "Content-Type":
            lines += b"Content-Type: %s\r\n" % operation.media_type.encode()
        path = self.filled(operation.path).encode()
        head = self.head(operation.method, path, b"" if name == "Authorization" else self.auth())
        framed = head + lines + b"Content-Length: %d\r\n\r\n" % len(raw) + raw
        # Some answers never come: 100-continue is one, an upgrade another.
        return Hostile("odd headers", (framed,), End.ANSWER)

    def _valid(
        self,
        sort: str,
        operation: Operation,
        raw: bytes | None,
        media_type: str | None = None,
        extra: bytes = b"",
        query: str = "",
    ) -> Hostile:
        path = self.filled(operation.path)
        if not query and "namespace" in operation.parameters:
            query = f"namespace={self.namespace}"
        target = f"{path}?{query}" if query else path
        method = operation.method
        if method == "GET" and self.random.random() < 0.1:
            method = "HEAD"
        lines = self.head(method, target.encode("utf-8", "surrogatepass"), self.auth()) + extra
        if raw is not None:
            type_ = operation.media_type if media_type is None else media_type
            if type_:
                lines += b"Content-Type: %s\r\n" % type_.encode()
            lines += b"Content-Length: %d\r\n" % len(raw)
        return Hostile(sort, (lines + b"\r\n" + (raw or b""),), End.ANSWER, method == "HEAD")

    def _segment(self) -> str:
        return _quoted(
            self.random.choice((*TEXTS, "..", ".", "a/b", "%2e%2e", "x", "*")), self.random
        )


def _quoted(text: str, chance: random.Random) -> str:
    """Return a text for a URL: as usual, with every byte escaped, or with wrong escapes."""
    raw = text.encode("utf-8", "surrogatepass")[:4000]
    style = chance.randrange(6)
    if style == 0:
        return "".join(f"%{byte:02x}" for byte in raw)
    if style == 1:
        return "%c0%ae" + "".join(f"%{byte:02X}" for byte in raw[:100])
    safe = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~=&*/%"
    return "".join(chr(byte) if byte in safe else f"%{byte:02X}" for byte in raw)
