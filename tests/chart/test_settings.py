"""Each setting of the programs, given as a value, reaches its program."""

from typing import Any, get_args

import annotated_types
import pytest
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

import wegent_api.settings
import wegent_operator.settings
import wegent_runner.settings
from codegen.chart_values import SET_BY_THE_CHART
from tests.chart.rendering import env_of, nested, render
from tests.support.helm import Helm

PROGRAMS: dict[str, type[BaseSettings]] = {
    "operator": wegent_operator.settings.Settings,
    "api": wegent_api.settings.Settings,
    "runner": wegent_runner.settings.Settings,
}


SHAPED = {
    "default_namespace": "platform",
    "forwarded_allow_ips": "10.0.0.0/8",
    "log_level": "WARNING",
}
"""Values for settings that accept only text of a certain format."""


def another(field: FieldInfo) -> Any:
    """Return a value of the setting's type that is not its default."""
    default = field.default
    if isinstance(default, bool):
        return not default
    if isinstance(default, int | float):
        bounds: list[Any] = [it.le for it in field.metadata if isinstance(it, annotated_types.Le)]
        # The number is large, so that a notation with an exponent would be found.
        return type(default)(min([default + 7_000_000, *bounds]))
    options = [it for it in get_args(field.annotation) if it != default]
    return options[0] if options else "https://somewhere.example.com"


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_setting_arrives(
    offline_helm: Helm, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = PROGRAMS[program]
    fields = {
        name: field for name, field in model.model_fields.items() if name not in SET_BY_THE_CHART
    }
    wanted = {name: SHAPED.get(name) or another(field) for name, field in fields.items()}
    aliases = {name: "".join(part.title() for part in name.split("_")) for name in wanted}
    values = {alias[0].lower() + alias[1:]: wanted[name] for name, alias in aliases.items()}
    manifests = render(offline_helm, nested(f"{program}.settings", values))
    for name, value in env_of(manifests, f"wegent-{program}").items():
        monkeypatch.setenv(name, value)
    settings = model()
    assert {name: getattr(settings, name) for name in wanted} == wanted


def test_what_the_chart_sets_by_itself(offline_helm: Helm, monkeypatch: pytest.MonkeyPatch) -> None:
    manifests = render(
        offline_helm,
        {"accounts": {"namespace": "people"}, "sharedNamespaces": ["a", "b"], "api": {"port": 81}}
        | {"sharedRole": "none", "servedShells": ["Chat", "Codex"]}
        | {"servedModes": ["solo", "route"], "stdioPermitted": True}
        | {"reservedNamespaces": ["vault", "*-infra"]}
        | {"runner": {"egressAllow": ["10.1.0.0/16", "10.2.0.0/16"]}},
        namespace="agents",
    )
    for program in PROGRAMS:
        for name, value in env_of(manifests, f"wegent-{program}").items():
            monkeypatch.setenv(name, value)
    operator, api = wegent_operator.settings.Settings(), wegent_api.settings.Settings()
    runner = wegent_runner.settings.Settings()
    assert operator.accounts_namespace == api.accounts_namespace == "people"
    assert operator.shared_namespaces == {"a", "b"}
    assert operator.shared_role == "none"
    assert operator.reserved_namespaces == {"vault", "*-infra"}
    assert operator.served_shells == {"Chat", "Codex"}
    assert operator.served_modes == {"solo", "route"}
    assert operator.stdio_permitted is True
    assert operator.account_quota == wegent_operator.settings.ACCOUNT_QUOTA
    assert api.registration_open is False
    assert (operator.leader_election, operator.lease_namespace) == (True, "agents")
    assert (operator.listen_host, operator.listen_port) == ("0.0.0.0", 8081)
    assert (api.host, api.port, api.drain_delay_s) == ("0.0.0.0", 81, 5)
    assert (api.own_namespace, api.own_service_account) == ("agents", "wegent-api")
    assert (runner.listen_host, runner.listen_port) == ("0.0.0.0", 8082)
    assert (runner.lease_namespace, runner.proxy_user) == (
        "agents",
        "system:serviceaccount:agents:wegent-api",
    )
    assert runner.shared_namespaces == {"a", "b"}
    assert runner.stdio_permitted is True
    assert runner.egress_allow == {"10.1.0.0/16", "10.2.0.0/16"}
    assert runner.store_url.get_secret_value() == "sqlite:////var/lib/wegent/runner.db"


def test_unset_settings_are_left_to_the_program(offline_helm: Helm) -> None:
    manifests = render(offline_helm)
    assert set(env_of(manifests, "wegent-api")) == {
        "WEGENT_API_ACCOUNTS_NAMESPACE", "WEGENT_API_HOST", "WEGENT_API_PORT",
        "WEGENT_API_DRAIN_DELAY_S", "WEGENT_API_FIRST_ADMIN", "WEGENT_API_REGISTRATION_OPEN",
        "WEGENT_API_OWN_NAMESPACE", "WEGENT_API_OWN_SERVICE_ACCOUNT",
    }  # fmt: skip
