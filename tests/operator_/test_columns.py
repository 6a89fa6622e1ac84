"""The columns of ``kubectl get``: a line fits 80 characters, and wide output has the message."""

from collections.abc import AsyncIterator
from typing import Any, Final

import pytest

from tests.support.api import Api, condition
from tests.support.kubectl import Kubectl
from wegent_crds.registry import ACCOUNT, KINDS, TOMBSTONE, Kind

pytestmark = pytest.mark.usefixtures("operator")

WIDTH: Final = 80
"""Characters of a line of a terminal, unless somebody has made it wider."""
ACCOUNTS = "wegent-accounts"
NAME = "team-of-reviewers-20"
"""A name of 20 characters."""
GONE = "deleted-reviewers-20"
AGE: Final = "2m35s"
"""An age of the most characters that kubectl prints."""
SPECS: dict[str, dict[str, Any]] = {
    "skills": {"description": "Reviews a diff, line by line.", "version": "10.11.12"},
    "ghosts": {"systemPrompt": "You review.", "description": "Reviews code, in a few words."},
    "models": {"provider": "anthropic", "model": "claude-sonnet-4-2026"},
    "shells": {"type": "Chat", "description": "An interactive chat for everybody."},
    "bots": {f"{it}Ref": {"name": NAME} for it in ("ghost", "model", "shell")},
    "teams": {
        "bots": [{"name": NAME, "role": "leader"}, {"name": "the-other-of-the-two"}],
        "collaborationMode": "collaborate",
        "description": "Two Bots.",
    },
    "tasks": {"teamRef": {"name": NAME}, "prompt": "Review.", "title": "A review of the parser"},
    "accounts": {"email": "an-address-of-a-team@example.com", "role": "admin"},
    "groups": {"displayName": "A team whose name is long"},
}
assert len(NAME) == len(GONE) == 20
assert set(SPECS) == {kind.plural for kind in KINDS} - {TOMBSTONE.plural}


class Printed:
    """The output of ``kubectl get`` for one object."""

    def __init__(self, output: str) -> None:
        self.heading, self.line = output.splitlines()
        self.columns = self.heading.split()

    def length(self, age: str) -> int:
        """Return the characters of the longer line, if the object had this age."""
        shown = self.line.split()[self.columns.index("AGE")] if "AGE" in self.columns else age
        return max(len(self.heading), len(self.line) - len(shown) + len(age))


@pytest.fixture(scope="module")
async def ready(api: Api, kubectl: Kubectl) -> AsyncIterator[dict[str, str]]:
    """Objects of all kinds, all Ready: the namespace of each kind's object, by plural."""
    namespace = "columns-ready"
    await api.create_namespace(namespace)
    places = dict.fromkeys((kind.plural for kind in KINDS), namespace) | dict.fromkeys(
        ("accounts", "groups"), ACCOUNTS
    )
    for plural, spec in SPECS.items():
        await api.create(plural, places[plural], NAME, spec)
    await api.create("bots", namespace, "the-other-of-the-two", SPECS["bots"])
    for plural in SPECS:
        await api.settled(plural, places[plural], NAME)
    model = await api.get("models", namespace, NAME)
    assert model is not None
    usable = condition(model, "Ready") | {"type": "KeyUsable", "reason": "KeyUsable"}
    status = {"status": {"conditions": [*model["status"]["conditions"], usable]}}
    await api.merge("models", namespace, NAME, status, "status")
    await api.create("shells", namespace, GONE, {"type": "Chat"})
    await api.settled("shells", namespace, GONE)
    await api.delete("shells", namespace, GONE)
    [tombstone] = await api.list("tombstones", namespace)
    await api.settled("tombstones", namespace, tombstone["metadata"]["name"])
    yield places
    kubectl.run("delete", "accounts,groups", NAME, f"--namespace={ACCOUNTS}").ok()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.plural)
async def test_a_ready_object_takes_one_line_of_a_terminal(
    kind: Kind, ready: dict[str, str], api: Api, kubectl: Kubectl
) -> None:
    name = NAME
    if kind is TOMBSTONE:
        [tombstone] = await api.list("tombstones", ready["tombstones"])
        name = tombstone["metadata"]["name"]
    get = ("get", kind.plural, name, f"--namespace={ready[kind.plural]}")
    printed = Printed(kubectl.run(*get).ok().stdout)
    assert printed.length(AGE) <= WIDTH, printed.line
    assert {"NAME", "OBJECT" if kind is TOMBSTONE else "REASON", "AGE"} <= set(printed.columns)
    assert "MESSAGE" not in printed.columns
    wide = kubectl.run(*get, "-o", "wide").ok().stdout.splitlines()
    assert wide[0].split()[-4:] == ["READY", "REASON", "AGE", "MESSAGE"]
    assert set(printed.columns) < set(wide[0].split())


async def test_a_finished_task_does_too(ready: dict[str, str], api: Api, kubectl: Kubectl) -> None:
    namespace = ready["tasks"]
    await api.create("tasks", namespace, "finished-reviewers-2", SPECS["tasks"])
    task = await api.settled("tasks", namespace, "finished-reviewers-2")
    now = condition(task, "Ready")["lastTransitionTime"]
    claim = {"holder": "runner", "leaseSeconds": 60, "renewedAt": now}
    for status in (
        {"phase": "Running", "attempts": 1, "startTime": now, "claim": claim},
        {"phase": "Completed", "claim": None, "completionTime": now},
    ):
        await api.merge("tasks", namespace, "finished-reviewers-2", {"status": status}, "status")
    get = ("get", "task", "finished-reviewers-2", f"--namespace={namespace}")
    printed = Printed(kubectl.run(*get).ok().stdout)
    assert "Completed" in printed.line
    assert NAME in printed.line, "the Team, in the column that may have a Bot"
    assert printed.length(AGE) <= WIDTH, printed.line


BROKEN: list[tuple[str, dict[str, Any], str, str]] = [
    ("ghosts", {**SPECS["ghosts"], "skillRefs": [{"name": NAME}]}, "RefNotFound",
     "spec.skillRefs[0]: Skill {0}/%s does not exist"),
    ("models", {**SPECS["models"], "fallbackRefs": [{"name": "spare"}]}, "RefNotFound",
     "spec.fallbackRefs[0]: Model {0}/spare does not exist"),
    ("bots", SPECS["bots"], "RefNotReady", "Skill {0}/%s does not exist"),
    ("teams", {"bots": [{"name": NAME}]}, "RefNotReady", "Skill {0}/%s does not exist"),
    ("tasks", SPECS["tasks"], "RefNotReady", "Skill {0}/%s does not exist"),
]  # fmt: skip


async def test_an_object_that_is_not_ready_has_its_reason_always_and_its_message_if_asked(
    api: Api, namespace: str, kubectl: Kubectl
) -> None:
    await api.create("shells", namespace, NAME, SPECS["shells"])
    for plural, spec, _, _ in BROKEN:
        await api.create(plural, namespace, NAME, spec)
    for plural, _, reason, said in BROKEN:
        body = await api.settled(plural, namespace, NAME, reason)
        message = condition(body, "Ready")["message"]
        assert message.startswith(said.replace("%s", NAME).format(namespace)), message
        get = ("get", plural, NAME, f"--namespace={namespace}")
        short = kubectl.run(*get).ok().stdout
        assert f" {reason} " in short
        assert "does not exist" not in short
        assert kubectl.run(*get, "-o", "wide").ok().stdout.rstrip().endswith(message)
        described = kubectl.run("describe", plural, NAME, f"--namespace={namespace}").ok().stdout
        assert message in described


async def test_an_account_and_a_tombstone_that_are_not_ready(
    api: Api, namespace: str, kubectl: Kubectl
) -> None:
    await api.create("accounts", namespace, "astray", SPECS["accounts"])
    await api.settled("accounts", namespace, "astray", "WrongNamespace")
    await api.create("shells", namespace, NAME, SPECS["shells"])
    await api.delete("shells", namespace, NAME)
    await api.create("shells", namespace, NAME, SPECS["shells"])
    [tombstone] = await api.list("tombstones", namespace)
    name = tombstone["metadata"]["name"]
    await api.merge("tombstones", namespace, name, {"spec": {"restore": True}})
    await api.settled("tombstones", namespace, name, "NameTaken")
    for plural, reason in ((ACCOUNT.plural, "WrongNamespace"), (TOMBSTONE.plural, "NameTaken")):
        get = ("get", plural, f"--namespace={namespace}")
        short = kubectl.run(*get).ok().stdout
        assert (reason in short) is (plural != TOMBSTONE.plural), "a Tombstone has no room for it"
        wide = kubectl.run(*get, "-o", "wide").ok().stdout
        assert f" {reason} " in wide
        [it] = await api.list(plural, namespace)
        assert wide.rstrip().endswith(condition(it, "Ready")["message"])
