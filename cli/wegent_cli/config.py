"""The configuration file: contexts, each with an API and the login for it.

The file is ``$XDG_CONFIG_HOME/wegent/config.yaml``, or ``$WEGENT_CONFIG``. It holds tokens, so only
its owner may read it. Every change reads the file under a lock and replaces it whole: two commands
that renew a login at the same time, as kubectl starts them, lose nothing of each other.
"""

import fcntl
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self

from wegent_cli.errors import CliError, ExitCode, usage
from wegent_crds.reading import YAML_VALUE_FAULTS

MAX_BYTES: Final = 1 << 20
"""Maximum size of the file. A hundred contexts take a tenth of it."""
_FIELDS: Final = {
    "name": "name",
    "url": "url",
    "namespace": "namespace",
    "caFile": "ca_file",
    "insecureHttp": "insecure_http",
    "username": "username",
    "token": "token",
    "fixedToken": "fixed_token",
    "expiresAt": "expires_at",
    "loginId": "login_id",
    "kubeconfig": "kubeconfig",
    "kubeContext": "kube_context",
}
"""Attributes of a context by their names in the file."""


@dataclass(frozen=True, slots=True)
class Context:
    """One API and the credentials for it. It has a ``url`` or a ``kubeconfig``.

    Attributes:
        name: name of the context.
        url: base URL of the REST API.
        namespace: namespace of commands that name none; empty for that of the server.
        ca_file: path of a PEM file with the CA of the server; empty for those of the system.
        insecure_http: True if tokens may be sent to ``url`` without TLS.
        username: name of the user, for people.
        token: token of the login; empty without one.
        fixed_token: True for a token that is never renewed, such as an API token.
        expires_at: end of the token, RFC 3339; empty if it is not known.
        login_id: a random text that all renewals of one login share; empty if it is not known.
        kubeconfig: path of a kubeconfig; empty for a context with a login.
        kube_context: context in the kubeconfig; empty for its current one.
    """

    name: str
    url: str = ""
    namespace: str = ""
    ca_file: str = ""
    insecure_http: bool = False
    username: str = ""
    token: str = field(default="", repr=False)
    fixed_token: bool = False
    expires_at: str = ""
    login_id: str = ""
    kubeconfig: str = ""
    kube_context: str = ""

    @classmethod
    def read(cls, entry: Any, where: str) -> Self:
        """Return the context of one entry of the file.

        Raises:
            CliError: a field is missing, unknown or of another type.
        """
        if not isinstance(entry, dict):
            raise usage(f"{where}: a context must be a mapping", _CORRECT)
        values: dict[str, Any] = {}
        for key, value in entry.items():
            name = _FIELDS.get(key)
            wanted = bool if name in _BOOLEANS else str
            if name is None or not isinstance(value, wanted):
                fault = "is unknown" if name is None else f"must be a {_TYPE_NAMES[wanted]}"
                raise usage(f"{where}: the field {key} {fault}", _CORRECT)
            values[name] = value
        if not values.get("name"):
            raise usage(f"{where}: the field name is missing", _CORRECT)
        return cls(**values)

    def as_entry(self) -> dict[str, Any]:
        """Return the context as an entry of the file, without empty fields."""
        return {key: value for key, name in _FIELDS.items() if (value := getattr(self, name))}


_CORRECT: Final = "correct the file, or delete it and log in again"
_BOOLEANS: Final = frozenset({"insecure_http", "fixed_token"})
_TYPE_NAMES: Final[dict[type, str]] = {bool: "boolean", str: "string"}


@dataclass(frozen=True, slots=True)
class Config:
    """The content of the file."""

    contexts: tuple[Context, ...] = ()
    current: str = ""

    def get(self, name: str) -> Context:
        """Return a context by its name.

        Raises:
            CliError: there is none of the name.
        """
        for context in self.contexts:
            if context.name == name:
                return context
        known = ", ".join(context.name for context in self.contexts) or "none"
        raise CliError(
            f"the context {name} does not exist",
            f"use one of these contexts: {known}; or create one with `wegent login`",
            ExitCode.NOT_FOUND,
        )

    def with_context(self, context: Context, *, current: bool = False) -> Self:
        """Return the configuration with a context in place of that of its name, or added."""
        others = [it for it in self.contexts if it.name != context.name]
        names = [it.name for it in self.contexts]
        at = names.index(context.name) if context.name in names else len(others)
        contexts = (*others[:at], context, *others[at:])
        return replace(self, contexts=contexts, current=context.name if current else self.current)

    def without(self, name: str) -> Self:
        """Return the configuration without a context."""
        contexts = tuple(it for it in self.contexts if it.name != name)
        return replace(
            self, contexts=contexts, current="" if self.current == name else self.current
        )


def config_path() -> Path:
    """Return the path of the file, by the environment."""
    if named := os.environ.get("WEGENT_CONFIG"):
        return Path(named)
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "wegent" / "config.yaml"


class ConfigFile:
    """The file. ``path`` may not exist yet."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> Config:
        """Return the content; an empty one without a file.

        Raises:
            CliError: the file can't be read, or has another form.
        """
        import yaml  # noqa: PLC0415 - a command without a configuration needs none

        try:
            with self.path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            return Config()
        except OSError as error:
            raise usage(f"{self.path}: {error.strerror}", "check the file's permissions") from error
        if len(data) > MAX_BYTES:
            raise usage(f"{self.path} has more than {MAX_BYTES} bytes", _CORRECT)
        try:
            document = yaml.safe_load(data)
        except (yaml.YAMLError, *YAML_VALUE_FAULTS) as error:
            mark = getattr(error, "problem_mark", None)
            at = f", line {mark.line + 1}" if mark else ""
            raise usage(f"{self.path}{at}: this is not valid YAML", _CORRECT) from error
        return self._read(document)

    def _read(self, document: Any) -> Config:
        if document is None:
            return Config()
        entries = document.get("contexts") if isinstance(document, dict) else None
        current = document.get("currentContext", "") if isinstance(document, dict) else None
        if not isinstance(entries, list) or not isinstance(current, str):
            raise usage(f"{self.path}: currentContext and a list of contexts are needed", _CORRECT)
        contexts = tuple(
            Context.read(entry, f"{self.path}: contexts[{index}]")
            for index, entry in enumerate(entries)
        )
        return Config(contexts, current)

    def change(self, change: Callable[[Config], Config]) -> Config:
        """Apply ``change`` to the content as it is now, store the result and return it.

        Raises:
            CliError: the file can't be read or written.
        """
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._locked():
                config = change(self.load())
                write_private(self.path, _document(config))
        except OSError as error:
            reason = f"{error.filename or self.path}: {error.strerror}"
            raise usage(reason, "check the directory, or set WEGENT_CONFIG") from error
        return config

    def change_context(self, name: str, **changes: Any) -> None:
        """Change attributes of one context. Nothing happens if it is gone meanwhile."""

        def change(config: Config) -> Config:
            if not any(it.name == name for it in config.contexts):
                return config
            return config.with_context(replace(config.get(name), **changes))

        self.change(change)

    def readable_by_others(self) -> bool:
        """Return True if other users of the machine can read the file."""
        try:
            return bool(self.path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))
        except OSError:
            return False

    @contextmanager
    def _locked(self) -> Iterator[None]:
        descriptor = os.open(f"{self.path}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _document(config: Config) -> str:
    import yaml  # noqa: PLC0415

    document: dict[str, Any] = {"contexts": [it.as_entry() for it in config.contexts]}
    if config.current:
        document = {"currentContext": config.current, **document}
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def write_private(path: Path, text: str) -> None:
    """Replace a file whole, readable by its owner alone. A symbolic link stays one.

    Raises:
        OSError: the directory can't be written.
    """
    target = path.resolve()
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:  # mode 0600, by mkstemp
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
