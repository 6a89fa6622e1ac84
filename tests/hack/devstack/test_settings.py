"""The settings of `make up` are remembered and checked."""

import shlex
from pathlib import Path

import pytest

from devcluster.errors import ClusterError
from devstack.settings import API, LISTENING, OPERATOR, RUNNER, StackSettings, unknown

NOTHING = StackSettings()
OPERATOR_ADDRESS, API_ADDRESS, RUNNER_ADDRESS, DEMO_MODEL_ADDRESS = (
    (host, port) for host, port, _ in LISTENING
)


def refusal(environment: dict[str, str], before: StackSettings = NOTHING) -> str:
    with pytest.raises(ClusterError) as refused:
        before.merged(environment)
    return str(refused.value)


def test_the_defaults() -> None:
    assert NOTHING.merged({"PATH": "/bin", "KUBECONFIG": "/elsewhere"}).values == {}
    assert NOTHING.address(*API_ADDRESS) == ("127.0.0.1", 8000)
    assert NOTHING.address(*OPERATOR_ADDRESS) == ("127.0.0.1", 8081)
    assert NOTHING.address(*RUNNER_ADDRESS) == ("127.0.0.1", 8082)
    assert NOTHING.address(*DEMO_MODEL_ADDRESS) == ("127.0.0.1", 8083)
    assert NOTHING.demo_model
    assert NOTHING.of(API)["WEGENT_API_FIRST_ADMIN"] == "admin"
    assert NOTHING.of(RUNNER)["WEGENT_RUNNER_EGRESS_ALLOW"] == "127.0.0.0/8,::1/128"


def test_settings_stay_until_they_are_changed(tmp_path: Path) -> None:
    file = tmp_path / "stack" / "settings.json"
    assert StackSettings.read(file) == NOTHING
    NOTHING.merged({"WEGENT_API_PORT": "8110", "wegent_api_log_level": "DEBUG"}).write(file)
    assert file.stat().st_mode & 0o777 == 0o600
    later = StackSettings.read(file).merged({"WEGENT_OPERATOR_WRITERS": "4"})
    assert later.values == {
        "WEGENT_API_PORT": "8110",
        "WEGENT_API_LOG_LEVEL": "DEBUG",
        "WEGENT_OPERATOR_WRITERS": "4",
    }
    assert later.address(*API_ADDRESS) == ("127.0.0.1", 8110)
    assert later.of(API)["WEGENT_API_PORT"] == "8110"
    assert later.of(OPERATOR)["WEGENT_OPERATOR_WRITERS"] == "4"
    assert not any(it.startswith(OPERATOR) for it in later.of(API))
    assert later.merged({"WEGENT_API_PORT": "8111"}).values["WEGENT_API_PORT"] == "8111"


@pytest.mark.parametrize("value", ["", "8000"])
def test_an_empty_value_and_the_defaults_own_forget_what_was_set(value: str) -> None:
    before = StackSettings({"WEGENT_API_PORT": "8110"})
    assert before.merged({"WEGENT_API_PORT": value}).values == {}


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("WEGENT_OPERATOR_SHARED_NAMESPACES", "default"),
        ("WEGENT_OPERATOR_ACCOUNT_QUOTA", "count/bots.agent.wecode.io="),
    ],
)
def test_an_empty_value_is_a_value_where_the_program_takes_it(name: str, default: str) -> None:
    told = NOTHING.merged({name: ""})
    assert told.values == {name: ""}
    [line] = told.lines()
    again = shlex.split(line.partition("(the default again: ")[2].removesuffix(" make up)"))
    assert again[0].startswith(f"{name}={default}")
    assert told.merged({name: again[0].partition("=")[2]}).values == {}


def test_the_runner_shares_the_operators_namespaces() -> None:
    told = StackSettings({"WEGENT_OPERATOR_SHARED_NAMESPACES": "a,b"})
    assert told.of(RUNNER)["WEGENT_RUNNER_SHARED_NAMESPACES"] == "a,b"
    told = told.merged({"WEGENT_RUNNER_SHARED_NAMESPACES": "a"})
    assert told.of(RUNNER)["WEGENT_RUNNER_SHARED_NAMESPACES"] == "a"


def test_an_empty_host_is_the_default_again() -> None:
    for name in ("WEGENT_API_HOST", "WEGENT_OPERATOR_LISTEN_HOST"):
        assert StackSettings({name: "127.0.0.2"}).merged({name: ""}).values == {}


@pytest.mark.parametrize("value", ["true", "True", "1"])
def test_the_default_is_known_however_it_is_written(value: str) -> None:
    name = "WEGENT_API_REGISTRATION_OPEN"
    assert StackSettings({name: "false"}).merged({name: value}).values == {}
    assert NOTHING.differing({name: value}) == []


@pytest.mark.parametrize(
    ("name", "value", "because"),
    [
        ("WEGENT_API_PORT", "0", "later commands need to know the port"),
        ("WEGENT_OPERATOR_LISTEN_PORT", "0", "later commands need to know the port"),
        ("WEGENT_API_PORT", "abc", "should be a valid integer"),
        ("WEGENT_API_PORT", "70000", "less than or equal to 65535"),
        ("WEGENT_OPERATOR_WRITERS", "100", "less than or equal to 64"),
        ("WEGENT_API_LOG_LEVEL", "LOUD", "'DEBUG', 'INFO'"),
        ("WEGENT_API_HOST", "0.0.0.0", "`ssh -L 8000:127.0.0.1:8000`"),
        ("WEGENT_API_HOST", "example.com", "on this machine alone"),
        ("WEGENT_OPERATOR_LISTEN_HOST", "::", "on this machine alone"),
        ("WEGENT_API_KUBECONFIG", "/home/developer/.kube/config", "`unset WEGENT_API_KUBECONFIG`"),
        ("WEGENT_API_FIRST_ADMIN", "root", "the stack needs 'admin'"),
        ("WEGENT_OPERATOR_ACCOUNTS_NAMESPACE", "users", "the stack needs 'wegent-accounts'"),
        ("WEGENT_API_OWN_NAMESPACE", "agents", "the stack needs 'wegent-system'"),
        ("WEGENT_RUNNER_LEASE_NAMESPACE", "agents", "the stack needs 'wegent-system'"),
        ("WEGENT_RUNNER_KUBECONFIG", "/elsewhere", "`unset WEGENT_RUNNER_KUBECONFIG`"),
        ("WEGENT_RUNNER_LISTEN_HOST", "0.0.0.0", "`make up` serves the runner on this machine"),
        ("WEGENT_RUNNER_SLOTS", "0", "greater than or equal to 1"),
        ("WEGENT_DEMO_MODEL_HOST", "0.0.0.0", "`make up` serves the demo model on this machine"),
        ("WEGENT_DEMO_MODEL_ENABLED", "maybe", "should be a valid boolean"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name_with_a_remedy(
    name: str, value: str, because: str
) -> None:
    said = refusal({name: value})
    assert f"{name}={value}: " in said
    assert because in said
    assert f"{name}= make up" in said or f"unset {name}" in said or "from 1 to 65535" in said


def test_all_faults_are_told_at_once() -> None:
    said = refusal({"WEGENT_API_PORT": "abc", "WEGENT_OPERATOR_WRITERS": "0"})
    assert said.count("\n") == 2


def test_two_programs_on_one_port_are_refused() -> None:
    said = refusal({"WEGENT_API_PORT": "8081"})
    assert "WEGENT_OPERATOR_LISTEN_PORT and WEGENT_API_PORT are both 8081" in said


def test_each_pair_of_programs_on_one_port_is_told() -> None:
    said = refusal({"WEGENT_RUNNER_LISTEN_PORT": "8000", "WEGENT_DEMO_MODEL_PORT": "8000"})
    assert said.count("are both 8000") == 3


@pytest.mark.parametrize("value", ["false", "off", "0"])
def test_the_demo_model_can_be_left_out(value: str) -> None:
    assert not NOTHING.merged({"WEGENT_DEMO_MODEL_ENABLED": value}).demo_model


def test_a_wrong_network_is_refused_with_the_stacks_own_default() -> None:
    said = refusal({"WEGENT_RUNNER_EGRESS_ALLOW": "10.0.0.0/33"})
    assert "does not appear to be an IPv4 or IPv6 network" in said
    assert "WEGENT_RUNNER_EGRESS_ALLOW=127.0.0.0/8,::1/128 make up" in said


def test_a_secret_setting_is_kept_and_not_shown() -> None:
    name, url = "WEGENT_RUNNER_STORE_URL", "postgresql://wegent:hunter2@db.example.com/wegent"
    told = NOTHING.merged({name: url})
    assert told.of(RUNNER)[name] == url
    assert "hunter2" not in "".join(told.lines())
    [line] = told.differing({name: url.replace("hunter2", "hunter3")})
    assert "hunter" not in line


@pytest.mark.parametrize("host", ["localhost", "127.0.0.2", "::1"])
def test_the_loopback_addresses_are_taken(host: str) -> None:
    assert NOTHING.merged({"WEGENT_API_HOST": host}).values == {"WEGENT_API_HOST": host}


def test_a_variable_that_is_no_setting_is_told_with_the_nearest_one() -> None:
    assert unknown({"WEGENT_API_PROT": "8110", "PATH": ""}) == [
        "WEGENT_API_PROT is not a setting and has no effect; did you mean WEGENT_API_PORT?"
    ]


def test_other_commands_tell_what_they_leave_out() -> None:
    before = StackSettings({"WEGENT_API_PORT": "8110"})
    assert before.differing({"WEGENT_API_PORT": "8110", "WEGENT_API_HOST": "127.0.0.1"}) == []
    [line] = before.differing({"WEGENT_API_PORT": "9000"})
    assert line.startswith("WEGENT_API_PORT=9000 is left out here: `make up` was told 8110")


def test_a_file_that_holds_something_else_is_named(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text("[]", encoding="utf-8")
    with pytest.raises(ClusterError, match=r"settings\.json holds no settings; remove it"):
        StackSettings.read(file)


def test_settings_of_another_version_are_not_passed_on(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text('{"WEGENT_API_SOMETHING_OLD": "1"}', encoding="utf-8")
    assert StackSettings.read(file) == NOTHING
