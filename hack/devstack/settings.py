"""The settings that ``make up`` was given, which all later commands use.

``make up`` takes the programs' settings from its environment and keeps them in a file. A variable
that is absent later means "as before". An empty one means "the default again". For the few settings
with empty as a value, the default must be given explicitly. Only ``make up`` changes running
programs; other commands print that they ignore a differing variable.
"""

import difflib
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, Self

from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from devcluster.errors import ClusterError
from devcluster.files import write_private
from devcluster.ports import LOOPBACK
from wegent_api.settings import Settings as ApiSettings
from wegent_kube.usage import default_of
from wegent_operator.settings import Settings as OperatorSettings

ADMIN: Final = "admin"
ACCOUNTS_NAMESPACE: Final = "wegent-accounts"
SYSTEM_NAMESPACE: Final = "wegent-system"
API: Final = "WEGENT_API_"
OPERATOR: Final = "WEGENT_OPERATOR_"
FIXED: Final[Mapping[str, str]] = {
    "WEGENT_API_KUBECONFIG": "",
    "WEGENT_API_FIRST_ADMIN": ADMIN,
    "WEGENT_API_ACCOUNTS_NAMESPACE": ACCOUNTS_NAMESPACE,
    "WEGENT_OPERATOR_ACCOUNTS_NAMESPACE": ACCOUNTS_NAMESPACE,
    "WEGENT_OPERATOR_LEASE_NAMESPACE": SYSTEM_NAMESPACE,
}
"""Settings that the stack determines, whatever the environment has."""
DEFAULTS: Final[Mapping[str, str]] = {
    # Users may write in the shared namespace, so that they can try things together.
    "WEGENT_OPERATOR_SHARED_ROLE": "editor",
}
"""The stack's defaults that differ from the programs'."""
LISTENING: Final = (
    ("WEGENT_OPERATOR_LISTEN_HOST", "WEGENT_OPERATOR_LISTEN_PORT", "the operator"),
    ("WEGENT_API_HOST", "WEGENT_API_PORT", "the API proxy"),
)


class _Given(BaseSettings):
    """Settings from explicit arguments alone, not from this program's environment."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic passes them by name
        init_settings: PydanticBaseSettingsSource,
        *_: Any,
        **__: Any,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the only source."""
        return (init_settings,)


class _GivenApi(_Given, ApiSettings):
    pass


class _GivenOperator(_Given, OperatorSettings):
    pass


MODELS: Final[Mapping[str, type[BaseSettings]]] = {API: _GivenApi, OPERATOR: _GivenOperator}
NAMES: Final = frozenset(
    f"{prefix}{name.upper()}" for prefix, model in MODELS.items() for name in model.model_fields
)


@dataclass(frozen=True)
class StackSettings:
    """The programs' settings that differ from their defaults, by environment variable."""

    values: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, file: Path) -> Self:
        """Return the remembered settings; none if there is no file.

        Raises:
            ClusterError: the file has other content.
        """
        try:
            values = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls()
        except ValueError:
            values = None
        if not isinstance(values, dict):
            raise ClusterError(f"{file} holds no settings; remove it, and run `make up` again")
        # Another version of the programs may have had other settings.
        return cls({name: str(value) for name, value in values.items() if name in NAMES})

    def write(self, file: Path) -> None:
        """Save the settings, readable by the owner alone."""
        write_private(file, json.dumps(dict(sorted(self.values.items())), indent=2).encode())

    def merged(self, environment: Mapping[str, str]) -> Self:
        """Return the settings with the changes of ``environment``, checked.

        Raises:
            ClusterError: for each variable that can't be used, its name and the remedy.
        """
        values, faults = dict(self.values), []
        for name, value in _given(environment).items():
            if name in FIXED:
                if value not in {"", FIXED[name]}:
                    faults.append(_not_to_be_set(name, value))
            elif _is_default(name, value) or (not value and _fault(name, value)):
                values.pop(name, None)
            else:
                values[name] = value
        merged = type(self)(values)
        faults += merged.faults()
        if faults:
            raise ClusterError("\n  ".join(["settings that can't be used:", *faults]))
        return merged

    def differing(self, environment: Mapping[str, str]) -> list[str]:
        """Return a line for each variable of ``environment`` that isn't as remembered."""
        return [
            f"{name}={value} is left out here: `make up` was told"
            f" {self.values.get(name, _default(name))}, and only `make up` changes that"
            for name, value in _given(environment).items()
            if name not in FIXED and value and not self._is_told(name, value)
        ]

    def lines(self) -> list[str]:
        """Return a line for each setting that isn't the default."""
        return [
            f"{name}={value}   (the default again: {_default_again(name)} make up)"
            for name, value in sorted(self.values.items())
        ]

    def _is_told(self, name: str, value: str) -> bool:
        return value == self.values.get(name) or (
            name not in self.values and _is_default(name, value)
        )

    def of(self, prefix: str) -> dict[str, str]:
        """Return one program's settings, the fixed ones included."""
        fixed = {name: value for name, value in FIXED.items() if value}
        mine = {**DEFAULTS, **self.values, **fixed}
        return {name: value for name, value in mine.items() if name.startswith(prefix)}

    def address(self, host: str, port: str) -> tuple[str, int]:
        """Return a program's host and port, by the names of its two variables."""
        found = self.values.get(host, _default(host))
        number = int(self.values.get(port, _default(port)))
        return LOOPBACK if found == "localhost" else found, number

    def faults(self) -> list[str]:
        """Return a line for each setting that can't be used."""
        faults = [fault for name, value in self.values.items() if (fault := _fault(name, value))]
        if faults:
            return faults
        for host, port, program in LISTENING:
            address, number = self.address(host, port)
            if not _is_loopback(address):
                faults.append(
                    f"{host}={address}: `make up` serves {program} on this machine alone, without"
                    f" TLS; take 127.0.0.1 ({host}= make up), and reach it from elsewhere through"
                    f" `ssh -L {number}:127.0.0.1:{number}`, or install the chart"
                )
            if number == 0:
                faults.append(
                    f"{port}=0: later commands need to know the port; name one from 1 to 65535"
                )
        (operator, one), (api, other) = (self.address(host, port) for host, port, _ in LISTENING)
        if not faults and one == other and operator == api:
            ports = " and ".join(port for _, port, _ in LISTENING)
            faults.append(f"{ports} are both {one}; name two different ones")
        return faults


def unknown(environment: Mapping[str, str]) -> list[str]:
    """Return a line for each variable that looks like a setting but isn't one."""
    lines = []
    for name in sorted(environment):
        if is_setting(name) and name.upper() not in NAMES:
            close = difflib.get_close_matches(name.upper(), NAMES, n=1)
            meant = f"; did you mean {close[0]}?" if close else ""
            lines.append(f"{name} is not a setting and has no effect{meant}")
    return lines


def is_setting(name: str) -> bool:
    """Return True if a variable looks like a setting; a program must not inherit it."""
    return name.upper().startswith((API, OPERATOR))


def _default(name: str) -> str:
    prefix = API if name.startswith(API) else OPERATOR
    field_name = name.removeprefix(prefix).lower()
    return DEFAULTS.get(name, default_of(MODELS[prefix].model_fields[field_name]))


def _is_default(name: str, value: str) -> bool:
    """Return True if a value means the default, in any notation."""
    if value == (default := _default(name)):
        return True
    if not value or not default or _fault(name, value):
        return False
    return bool(_parsed(name, value) == _parsed(name, default))


def _default_again(name: str) -> str:
    """Return the assignment that sets a setting to its default."""
    try:
        _parsed(name, "")
    except ValidationError:
        return f"{name}="
    return f"{name}={shlex.quote(_default(name))}"


def _given(environment: Mapping[str, str]) -> dict[str, str]:
    return {name.upper(): value for name, value in environment.items() if name.upper() in NAMES}


def _not_to_be_set(name: str, value: str) -> str:
    reason = (
        f"the stack needs {FIXED[name]!r}"
        if FIXED[name]
        else "`make up` gives the API proxy a kubeconfig of its own. For another cluster:"
        " KUBECONFIG=... make up CLUSTER=existing"
    )
    return f"{name}={value}: {reason}; run `unset {name}`"


def _fault(name: str, value: str) -> str | None:
    try:
        _parsed(name, value)
    except ValidationError as error:
        said = "; ".join(str(each["msg"]) for each in error.errors(include_url=False))
        default = f"{_default_again(name)} make up"
        return f"{name}={value}: {said}; name another value, or take the default: {default}"
    return None


def _parsed(name: str, value: str) -> Any:
    prefix = API if name.startswith(API) else OPERATOR
    field_name = name.removeprefix(prefix).lower()
    given: dict[str, Any] = {field_name: value}
    return getattr(MODELS[prefix](**given), field_name)


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
