"""Small pure parts of the command line."""

import json
import stat
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from wegent_cli.columns import value_at
from wegent_cli.config import Config, ConfigFile, Context
from wegent_cli.conversation import (
    Command,
    Conversation,
    Decision,
    Interrupts,
    Unknown,
    decision_of,
    read,
)
from wegent_cli.credential import exec_credential, requested_version
from wegent_cli.documents import json_text
from wegent_cli.errors import CliError, ExitCode
from wegent_cli.kinds import kind_and_name, kind_and_names, kind_named
from wegent_cli.kubeconfig import entries, merged, plugin
from wegent_cli.present import SHOWN, show_question
from wegent_cli.tables import table
from wegent_cli.target import checked_url, context_name, target
from wegent_cli.terminal import Terminal
from wegent_cli.text import age, clean, duration, one_line

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)

# Conversations


def test_a_turn_continues_the_last_completed_task() -> None:
    talk = Conversation({"teamRef": {"name": "t"}})
    assert talk.turn("hi") == {"prompt": "hi"}
    talk = talk.after("one", "Completed").after("two", "Cancelled").after("three", "Failed")
    assert talk.turn("more") == {"prompt": "more", "previousTaskRef": {"name": "one"}}
    assert "previousTaskRef" not in talk.new().turn("again")


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        ("", None),
        ("  ", None),
        ("hello", "hello"),
        (" /etc/hosts is a file", "/etc/hosts is a file"),
        ("/new", Command.NEW),
        ("/quit now", Command.QUIT),
        ("/exit", Command.QUIT),
        ("/etc", Unknown("/etc")),
    ],
)
def test_lines(line: str, meaning: object) -> None:
    assert read(line) == meaning


@pytest.mark.parametrize(
    ("line", "decision"),
    [
        ("y", Decision("approve")),
        ("YES", Decision("approve")),
        ("n", Decision("deny")),
        ("no: too dear", Decision("deny", "too dear")),
        ("yes: but later", Decision("reply", "yes: but later")),
        ("use staging", Decision("reply", "use staging")),
        (" ", None),
    ],
)
def test_decisions(line: str, decision: object) -> None:
    assert decision_of(line) == decision


def test_the_second_interrupt_leaves() -> None:
    interrupts = Interrupts()
    assert [interrupts.pressed(), interrupts.pressed()] == [False, True]
    interrupts.reset()
    assert interrupts.pressed() is False


# Texts and tables


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((-5, "0s"), (59, "59s"), (119, "119s"), (120, "2m"), (200, "3m20s"), (3600, "60m")),
        *((14700, "4h5m"), (10 * 3600, "10h"), (3 * 86400, "3d"), (30 * 86400, "30d")),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_ages() -> None:
    assert age("2026-11-30T11:59:00Z", NOW) == "60s"
    assert [age(it, NOW) for it in (None, "", "yesterday", 5)] == [""] * 4


@given(st.text())
def test_no_control_character_stays(text: str) -> None:
    kept = set(clean(text))
    assert not any((ord(it) < 32 and it not in "\n\t") or 127 <= ord(it) < 160 for it in kept)
    assert "\n" not in one_line(text)


CELLS = st.lists(st.text(st.characters(categories=("L", "N", "P")), max_size=60), min_size=3)


@given(st.lists(CELLS.map(lambda it: it[:3]), max_size=8), st.integers(40, 120))
def test_tables_fit(rows: list[list[str]], width: int) -> None:
    shown = list(table(("Name", "Reason", "Message"), rows, width))
    names = max([4, *(cell_len(row[0]) for row in rows)])
    assert all(cell_len(line) <= max(width, names + 18) for line in shown)
    for row, line in zip(rows, shown[1:], strict=True):
        assert line.startswith(row[0].rstrip()) or not row[0].strip()


def test_a_table_without_a_terminal_is_whole() -> None:
    long = "word " * 50
    assert list(table(("A", "B"), [["x", long]]))[1] == f"x   {long.strip()}"


def test_json_paths() -> None:
    body: dict[str, Any] = {
        "spec": {"ghostRef": {"name": "g"}, "bots": [{"role": "member"}]},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }
    assert value_at(body, ".spec.ghostRef.name") == "g"
    assert value_at(body, '.status.conditions[?(@.type=="Ready")].status') == "True"
    assert value_at(body, '.status.conditions[?(@.type=="Served")].status') is None
    assert value_at(body, '.spec.bots[?(@.role=="leader")].name') is None
    assert value_at({"spec": None}, ".spec.a.b") is None


# Kinds


def test_names_of_kinds() -> None:
    names = ("bot", "bots", "bo", "Bot", "bots.agent.wecode.io")
    assert {kind_named(name).kind for name in names} == {"Bot"}
    with pytest.raises(CliError, match="did you mean `bot`"):
        kind_named("botz")


def test_words() -> None:
    assert kind_and_names(["bots"]) == ("bots", [])
    assert kind_and_names(["bot", "a", "b"]) == ("bot", ["a", "b"])
    assert kind_and_names(["bot/a", "bots/b"]) == ("bot", ["a", "b"])
    assert kind_and_name(["task/a"])[1] == "a"
    for words in ([], ["bot/a", "team/b"], ["bot/"], ["bot/a", "b"]):
        with pytest.raises(CliError):
            kind_and_names(words)
    with pytest.raises(CliError):
        kind_and_name(["bot", "a", "b"])


# Targets


@pytest.mark.parametrize(
    ("url", "checked"),
    [
        ("wegent.example.com", "https://wegent.example.com"),
        ("https://host/", "https://host"),
        ("https://host/docs", "https://host"),
        ("https://host/wegent/api/v1/", "https://host/wegent"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://127.0.0.1", "http://127.0.0.1"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_addresses(url: str, checked: str) -> None:
    assert checked_url(url) == checked


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://",
        "ftp://x",
        "https://a:b@c",
        "http://10.0.0.1",
        "https://x:port",
        "https://x?a",
    ],
)
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(CliError) as refused:
        checked_url(url)
    assert refused.value.code is ExitCode.USAGE
    assert refused.value.remedy


def test_a_permitted_address_without_tls() -> None:
    assert checked_url("http://10.0.0.1", insecure=True) == "http://10.0.0.1"
    assert context_name("http://10.0.0.1:81") == "10.0.0.1-81"


WORK = Context("work", url="https://work", token="t1")
HOME = Context("home", url="https://home", token="t2")
BOTH = Config((WORK, HOME), "work")


@pytest.mark.parametrize(
    ("named", "environment", "found"),
    [
        (None, {}, ("work", "t1")),
        ("home", {}, ("home", "t2")),
        ("home", {"WEGENT_URL": "https://x", "WEGENT_TOKEN": "t"}, ("home", "t2")),
        (None, {"WEGENT_CONTEXT": "home"}, ("home", "t2")),
        (None, {"WEGENT_URL": "https://home"}, ("home", "t2")),
        (None, {"WEGENT_URL": "https://other"}, ("environment", "")),
        (None, {"WEGENT_URL": "https://work", "WEGENT_TOKEN": "t"}, ("environment", "t")),
        (None, {"WEGENT_TOKEN": "t"}, ("work", "t")),
    ],
)
def test_the_target(named: str | None, environment: Any, found: tuple[str, str]) -> None:
    """A stored token goes to its own address alone."""
    context = target(BOTH, named, environment)
    assert (context.name, context.token) == found


def test_without_a_login_a_kubeconfig_serves(tmp_path: Path) -> None:
    with pytest.raises(CliError) as none:
        target(Config(), None, {"HOME": str(tmp_path)})
    assert none.value.code is ExitCode.LOGIN
    assert target(Config(), None, {"KUBECONFIG": "x"}).kubeconfig
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").touch()
    assert target(Config(), None, {"HOME": str(tmp_path)}).kubeconfig


# Texts of others


FORMATS = [chr(code) for code in range(sys.maxunicode + 1) if category(chr(code)) == "Cf"]


def test_format_characters_are_shown_as_codes() -> None:
    """They hide text, or reverse its order."""
    for char in FORMATS:
        assert one_line(f"a{char}b").encode().isascii(), hex(ord(char))
        assert (clean(char) == char) == (char in "\u200c\u200d")
        assert char not in json_text({"a": char})
        assert json.loads(json_text({"a": char})) == {"a": char}
    assert one_line("cod.\u202etxt") == "cod.\\u202etxt"


def test_lone_surrogates_can_be_printed() -> None:
    assert clean("a\ud83d") == one_line("a\ud83d") == "a\N{REPLACEMENT CHARACTER}"
    assert json.loads(json_text(["\ud83d"]).encode()) == ["\ud83d"]


def test_a_question_names_the_rest_of_its_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = "x" * SHOWN + "delete everything"
    question = {"id": "q", "bot": "b", "message": "m\u202e", "arguments": arguments}
    show_question(Terminal(), question, "tidy")
    shown = capsys.readouterr().err
    assert "and 17 more characters: wegent answer tidy -o json" in shown
    assert "m\\u202e" in shown


# The configuration file


def test_the_file_is_private_and_whole(tmp_path: Path) -> None:
    file = ConfigFile(tmp_path / "a" / "config.yaml")
    assert file.load() == Config()
    file.change(lambda config: config.with_context(WORK, current=True))
    assert file.load() == Config((WORK,), "work")
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    file.change(lambda config: config.with_context(HOME).without("work"))
    assert file.load() == Config((HOME,), "")
    assert sorted(it.name for it in file.path.parent.iterdir()) == [
        "config.yaml",
        "config.yaml.lock",
    ]


def test_changes_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    def add(number: int) -> None:
        file = ConfigFile(tmp_path / "config.yaml")
        file.change(lambda config: config.with_context(Context(f"c{number}", url="https://x")))

    threads = [threading.Thread(target=add, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = {it.name for it in ConfigFile(tmp_path / "config.yaml").load().contexts}
    assert names == {f"c{number}" for number in range(20)}


def test_a_token_is_not_in_the_representation() -> None:
    assert "t1" not in repr(BOTH)


# kubectl


def test_credentials() -> None:
    end = (NOW + timedelta(minutes=10)).isoformat()
    text = exec_credential("tok", end, api_version="v", now=NOW)
    status = {"token": "tok", "expirationTimestamp": "2026-11-30T12:09:30Z"}
    assert json.loads(text) == {"apiVersion": "v", "kind": "ExecCredential", "status": status}
    soon = (NOW + timedelta(seconds=10)).isoformat()
    about = json.loads(exec_credential("tok", soon, api_version="v", now=NOW))
    assert about["status"]["expirationTimestamp"] == "2026-11-30T12:00:10Z"
    assert "expirationTimestamp" not in exec_credential("tok", "", api_version="v", now=NOW)


@pytest.mark.parametrize("info", [None, "", "{", "[]", '{"apiVersion": "evil"}'])
def test_versions_that_are_not_known(info: str | None) -> None:
    assert requested_version(info) == "client.authentication.k8s.io/v1"


def test_merging_replaces_the_own_entries_alone() -> None:
    new = entries("wegent-a", {"server": "s"}, plugin("wegent", "a"), "ns")
    once = merged(None, new, make_current=False)
    assert once["current-context"] == "wegent-a"  # there was none
    other = {**once, "current-context": "prod", "extensions": [1]}
    twice = merged(other, new, make_current=False)
    assert twice == other
    assert merged(other, new, make_current=True)["current-context"] == "wegent-a"
    broken: Any
    for broken in ([], {"clusters": {}}, {"users": [1]}):
        with pytest.raises(CliError):
            merged(broken, new, make_current=False)
