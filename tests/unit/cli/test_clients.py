"""Logins that are renewed and stored."""

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from wegent_cli.clients import KEPT, EagerLogin, Session
from wegent_cli.config import Config, ConfigFile, Context
from wegent_cli.errors import CliError, ExitCode

NOW = datetime.now(UTC)
END = NOW + timedelta(minutes=30)


def jwt(issued: datetime, number: int = 0) -> str:
    """Return the form of a token; nobody checks its signature here."""
    claims = {"iat": int(issued.timestamp()), "exp": int(END.timestamp()), "n": number}
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{payload}.sig"


@pytest.fixture
def file(tmp_path: Path) -> ConfigFile:
    return ConfigFile(tmp_path / "config.yaml")


def session_of(file: ConfigFile, context: Context, warnings: list[str]) -> Session:
    file.change(lambda config: config.with_context(context, current=True))
    return Session(context, file, context.name, warnings.append)


def test_a_login_is_due_by_its_age() -> None:
    login = EagerLogin(jwt(NOW))
    assert not login.is_due(NOW + KEPT - timedelta(seconds=2))
    assert login.is_due(NOW + KEPT)
    assert not login.is_due(END)
    login.renewable = False
    assert not login.is_due(NOW + KEPT)


def test_the_clock_of_the_server_does_not_matter() -> None:
    """It is six minutes behind: the token seems to be old when it comes."""
    login = EagerLogin(jwt(NOW - timedelta(minutes=6)), NOW + timedelta(minutes=36))
    assert not login.is_due(NOW + KEPT - timedelta(seconds=2))
    assert login.is_due(NOW + KEPT + timedelta(seconds=2))


def test_processes_that_renew_one_login_keep_the_latest(file: ConfigFile) -> None:
    started = Context("a", url="https://a", token=jwt(NOW), login_id="1")
    one, two = session_of(file, started, []).login(), Session(started, file, "a", print).login()
    assert one is not None
    assert two is not None
    one.replace(jwt(NOW, 1), 600)
    two.replace(jwt(NOW, 2), 900)
    assert file.load().get("a").token == jwt(NOW, 2)
    one.replace(jwt(NOW, 3), 700)  # ends earlier than the stored one
    assert file.load().get("a").token == jwt(NOW, 2)
    one.replace(jwt(NOW, 4), 1200)
    assert file.load().get("a").token == jwt(NOW, 4)


def test_a_token_of_another_process_is_taken_over(file: ConfigFile) -> None:
    old, new = jwt(NOW - timedelta(minutes=10)), jwt(NOW, 1)
    started = Context("a", url="https://a", token=old, login_id="1")
    login = session_of(file, started, []).login()
    assert login is not None
    assert login.is_due(NOW)
    end = END + timedelta(seconds=5)
    file.change_context("a", token=new, expires_at=end.isoformat())
    assert not login.is_due(NOW)
    assert (login.token, login.expires_at) == (new, end)


@pytest.mark.parametrize(
    "change",
    [
        {"token": "", "login_id": ""},
        {"token": "another", "login_id": "2"},
        {"token": "another", "url": "https://b"},
    ],
    ids=["logout", "login", "another server"],
)
def test_a_logout_or_login_meanwhile_stays(file: ConfigFile, change: dict[str, str]) -> None:
    started = Context("a", url="https://a", token=jwt(NOW), login_id="1")
    login = session_of(file, started, []).login()
    assert login is not None
    file.change_context("a", **change)
    assert login.is_due(NOW + KEPT)
    login.replace(jwt(NOW, 1), 600)
    assert file.load().get("a").token == change["token"]
    assert login.token == jwt(NOW, 1)


def test_a_token_without_its_age_is_due_before_its_end() -> None:
    login = EagerLogin("opaque", END)
    assert not login.is_due(NOW + KEPT)
    assert login.is_due(END - timedelta(minutes=1))


def test_each_renewal_is_stored(file: ConfigFile) -> None:
    login = session_of(file, Context("a", url="https://a", token=jwt(NOW)), []).login()
    assert login is not None
    for number in (1, 2):
        login.replace(jwt(NOW, number), 600)
        [stored] = file.load().contexts
        assert stored.token == jwt(NOW, number)
        assert stored.expires_at


def test_a_login_of_another_user_meanwhile_stays(file: ConfigFile) -> None:
    context = Context("a", url="https://a", token=jwt(NOW))
    login = session_of(file, context, []).login()
    assert login is not None
    file.change_context("a", token="another")
    login.replace(jwt(NOW, 1), 600)
    assert file.load().get("a").token == "another"
    file.change(lambda config: Config(config.contexts[:0]))
    login.replace(jwt(NOW, 2), 600)
    assert file.load() == Config()


def test_a_file_that_cannot_be_written_is_a_warning(file: ConfigFile) -> None:
    warnings: list[str] = []
    session = session_of(file, Context("a", url="https://a", token=jwt(NOW)), warnings)
    login = session.login()
    assert login is not None
    file.path.write_text("damaged: [")
    login.replace(jwt(NOW, 1), 600)
    assert "is not stored" in warnings[0]
    assert login.token == jwt(NOW, 1)


@pytest.mark.parametrize(
    "context",
    [
        Context("a", url="https://a"),
        Context("a", url="https://a", token="t", expires_at="2020-01-01T00:00:00+00:00"),
    ],
)
def test_no_login(file: ConfigFile, context: Context) -> None:
    session = session_of(file, context, [])
    for ask in (session.login, session.fresh_token, lambda: session.client(None)):
        with pytest.raises(CliError) as refused:
            ask()
        assert refused.value.code is ExitCode.LOGIN
        assert refused.value.remedy == "log in with `wegent login`"


def test_the_remedy_names_another_context(file: ConfigFile) -> None:
    session = Session(Context("b", url="https://b"), file, "a", print)
    with pytest.raises(CliError) as refused:
        session.login()
    assert refused.value.remedy == "log in with `wegent login --context b`"


def test_a_fixed_token_is_never_renewed(file: ConfigFile) -> None:
    session = session_of(file, Context("a", url="https://a", token="t", fixed_token=True), [])
    assert session.login() is None
    assert session.fresh_token() == ("t", "")
