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
from itertools import combinations
from pathlib import Path
from typing import Any, Final, Self

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from devcluster.errors import ClusterError
from devcluster.files import write_private
from devcluster.ports import LOOPBACK
from wegent_api.settings import Settings as ApiSettings
from wegent_kube.usage import default_of
from wegent_operator.settings import Settings as OperatorSettings
from wegent_runner.settings import Settings as RunnerSettings

ADMIN: Final = "admin"
ACCOUNTS_NAMESPACE: Final = "wegent-accounts"
SYSTEM_NAMESPACE: Final = "wegent-system"
API: Final = "WEGENT_API_"
OPERATOR: Final = "WEGENT_OPERATOR_"
RUNNER: Final = "WEGENT_RUNNER_"
DEMO_MODEL: Final = "WEGENT_DEMO_MODEL_"
FIXED: Final[Mapping[str, str]] = {
    "WEGENT_API_KUBECONFIG": "",
    "WEGENT_API_FIRST_ADMIN": ADMIN,
    "WEGENT_API_ACCOUNTS_NAMESPACE": ACCOUNTS_NAMESPACE,
    "WEGENT_API_OWN_NAMESPACE": SYSTEM_NAMESPACE,
    "WEGENT_API_OWN_SERVICE_ACCOUNT": "wegent-api",
    "WEGENT_OPERATOR_ACCOUNTS_NAMESPACE": ACCOUNTS_NAMESPACE,
    "WEGENT_OPERATOR_LEASE_NAMESPACE": SYSTEM_NAMESPACE,
    "WEGENT_RUNNER_KUBECONFIG": "",
    "WEGENT_RUNNER_LEASE_NAMESPACE": SYSTEM_NAMESPACE,
    "WEGENT_RUNNER_PROXY_USER": f"system:serviceaccount:{SYSTEM_NAMESPACE}:wegent-api",
}
"""Settings that the stack determines, whatever the environment has."""
DEFAULTS: Final[Mapping[str, str]] = {
    # Users may write in the shared namespace, so that they can try things together.
    "WEGENT_OPERATOR_SHARED_ROLE": "editor",
    # The demo model is on this machine, as are other model servers that people try.
    "WEGENT_RUNNER_EGRESS_ALLOW": "127.0.0.0/8,::1/128",
    # People wait for `make down`. A Task that is cut goes on after the next `make up`.
    "WEGENT_RUNNER_DRAIN_S": "3",
}
"""The stack's defaults that differ from the programs'."""
SAME: Final[Mapping[str, str]] = {
    "WEGENT_RUNNER_SHARED_NAMESPACES": "WEGENT_OPERATOR_SHARED_NAMESPACES",
}
"""Settings whose default is the value of another program's setting."""
LISTENING: Final = (
    ("WEGENT_OPERATOR_LISTEN_HOST", "WEGENT_OPERATOR_LISTEN_PORT", "the operator"),
    ("WEGENT_API_HOST", "WEGENT_API_PORT", "the API proxy"),
    ("WEGENT_RUNNER_LISTEN_HOST", "WEGENT_RUNNER_LISTEN_PORT", "the runner"),
    ("WEGENT_DEMO_MODEL_HOST", "WEGENT_DEMO_MODEL_PORT", "the demo model"),
)
"""Of each program the settings for host and port, and its name in messages."""


class DemoModelSettings(BaseSettings):
    """The settings of the demo model, which only `make up` has."""

    model_config = SettingsConfigDict(
        env_prefix=DEMO_MODEL, frozen=True, use_attribute_docstrings=True
    )

    enabled: bool = True
    """Whether the demo model runs."""
    host: str = LOOPBACK
    """Address of the demo model."""
    port: int = Field(default=8083, ge=0, le=65535)
    """Port of the demo model."""


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


class _GivenRunner(_Given, RunnerSettings):
    pass


class _GivenDemoModel(_Given, DemoModelSettings):
    pass


MODELS: Final[Mapping[str, type[BaseSettings]]] = {
    API: _GivenApi,
    OPERATOR: _GivenOperator,
    RUNNER: _GivenRunner,
    DEMO_MODEL: _GivenDemoModel,
}
PREFIXES: Final = tuple(MODELS)
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
            f"{name}={_shown(name, value)} is left out here: `make up` was told"
            f" {_shown(name, self.values.get(name, _default(name)))}, and only `make up` changes"
            " that"
            for name, value in _given(environment).items()
            if name not in FIXED and value and not self._is_told(name, value)
        ]

    def lines(self) -> list[str]:
        """Return a line for each setting that isn't the default."""
        return [
            f"{name}={_shown(name, value)}   (the default again: {_default_again(name)} make up)"
            for name, value in sorted(self.values.items())
        ]

    def _is_told(self, name: str, value: str) -> bool:
        return value == self.values.get(name) or (
            name not in self.values and _is_default(name, value)
        )

    def of(self, prefix: str) -> dict[str, str]:
        """Return one program's settings, the fixed ones included."""
        fixed = {name: value for name, value in FIXED.items() if value}
        same = {name: self.values[it] for name, it in SAME.items() if it in self.values}
        mine = {**DEFAULTS, **same, **self.values, **fixed}
        return {name: value for name, value in mine.items() if name.startswith(prefix)}

    def address(self, host: str, port: str) -> tuple[str, int]:
        """Return a program's host and port, by the names of its two variables."""
        found = self.values.get(host, _default(host))
        number = int(self.values.get(port, _default(port)))
        return LOOPBACK if found == "localhost" else found, number

    @property
    def demo_model(self) -> bool:
        """Whether the demo model runs."""
        name = f"{DEMO_MODEL}ENABLED"
        return bool(_parsed(name, self.values.get(name, _default(name))))

    @property
    def drain_s(self) -> float:
        """Seconds for which the runner's Tasks may go on when it is stopped."""
        name = f"{RUNNER}DRAIN_S"
        return float(self.values.get(name, _default(name)))

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
        if faults:
            return faults
        addresses = [(self.address(host, port), port) for host, port, _ in LISTENING]
        return [
            f"{name} and {other_name} are both {one[1]}; name two different ones"
            for (one, name), (other, other_name) in combinations(addresses, 2)
            if one == other
        ]


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
    return name.upper().startswith(PREFIXES)


def _default(name: str) -> str:
    prefix, field_name = _field(name)
    return DEFAULTS.get(name, default_of(MODELS[prefix].model_fields[field_name]))


def _field(name: str) -> tuple[str, str]:
    """Return the prefix of a variable, and the name of its field."""
    prefix = next(prefix for prefix in PREFIXES if name.startswith(prefix))
    return prefix, name.removeprefix(prefix).lower()


def _shown(name: str, value: str) -> str:
    """Return a value for a message: a secret one is not shown."""
    prefix, field_name = _field(name)
    secret = MODELS[prefix].model_fields[field_name].annotation is SecretStr
    return str(SecretStr(value)) if secret else value


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
        else "`make up` gives each program a kubeconfig of its own. For another cluster:"
        " KUBECONFIG=... make up CLUSTER=existing"
    )
    return f"{name}={value}: {reason}; run `unset {name}`"


def _fault(name: str, value: str) -> str | None:
    try:
        _parsed(name, value)
    except ValidationError as error:
        said = "; ".join(str(each["msg"]) for each in error.errors(include_url=False))
        default = f"{_default_again(name)} make up"
        return (
            f"{name}={_shown(name, value)}: {said}; name another value, or take the default:"
            f" {default}"
        )
    return None


def _parsed(name: str, value: str) -> Any:
    prefix, field_name = _field(name)
    given: dict[str, Any] = {field_name: value}
    return getattr(MODELS[prefix](**given), field_name)


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
