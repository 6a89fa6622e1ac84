"""The API server records who answers a question of a Task. Nobody forges, changes or repeats it."""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from devcluster.controlplane import ControlPlane
from tests.policies.conftest import username
from tests.support.identity import kubectl_as
from tests.support.kubectl import Kubectl
from tests.support.tasks import question, running, waiting
from tests.unit.pages import Page

YES = {"id": "call_1", "decision": "approve"}
NO = {"id": "call_2", "decision": "deny", "text": "Not that."}
COMMAND = re.compile(r"^\$ (kubectl .*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
AGE = re.compile(r" +(True|Unknown) +\w* +\d+s *$", re.MULTILINE)
LATE = "only questions in status.waitingFor can be answered, while the Task is Waiting"
KEPT = "an answer can't be changed or removed; a question is answered once"


def manifest(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "agent.wecode.io/v1",
        "kind": "Task",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"botRef": {"name": "none"}, "prompt": "Do it.", **spec},
    }


def answers_of(who: Kubectl, name: str) -> list[dict[str, Any]]:
    spec = who.run("get", "task", name, "-o", "json").ok().json["spec"]
    return list(spec.get("answers", []))


def merge(*answers: dict[str, Any]) -> list[str]:
    return ["patch", "task", "--type=merge", "-p", json.dumps({"spec": {"answers": answers}})]


def add(answer: dict[str, Any]) -> list[str]:
    patch = [{"op": "add", "path": "/spec/answers/-", "value": answer}]
    return ["patch", "task", "--type=json", "-p", json.dumps(patch)]


def by(who: Kubectl, answer: dict[str, Any]) -> dict[str, Any]:
    return {**answer, "by": username(who)}


def ask(kubectl: Kubectl, name: str, *questions: dict[str, Any]) -> None:
    """Make a Task wait, as a runner does."""
    asked = waiting(waitingFor=questions) | {"claim": None, "startTime": None}
    for status in (running(), asked):
        patch = ("--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))
        kubectl.run("patch", "task", name, *patch).ok()


@pytest.fixture
def task(alice: Kubectl, kubectl: Kubectl, name: str) -> str:
    """A Task that waits for two answers."""
    alice.run("create", "-f", "-", stdin=manifest(name)).ok()
    ask(kubectl, name, question("call_1"), question("call_2"))
    return name


def test_each_answer_names_its_user(alice: Kubectl, mallory: Kubectl, task: str) -> None:
    """A patch contains one answer; those of others stay."""
    alice.run(*merge(YES), task).ok()
    assert answers_of(alice, task) == [by(alice, YES)]
    mallory.run(*merge(NO), task).ok()
    assert answers_of(alice, task) == [by(alice, YES), by(mallory, NO)]


@pytest.mark.parametrize("way", ["json", "replace", "apply", "server-side", "own name"])
def test_each_way_to_answer_names_its_user(
    alice: Kubectl, mallory: Kubectl, task: str, way: str
) -> None:
    mallory.run(*merge(YES), task).ok()
    if way == "json":
        done = alice.run(*add(NO), task)
    elif way == "own name":
        done = alice.run(*merge(by(alice, NO)), task)
    else:
        command = {
            "replace": ["replace"],
            "apply": ["apply"],
            "server-side": ["apply", "--server-side", "--field-manager=answers"],
        }[way]
        done = alice.run(*command, "-f", "-", stdin=manifest(task, answers=[NO]))
    done.ok()
    assert answers_of(alice, task) == [by(mallory, YES), by(alice, NO)]


def test_a_task_without_its_answers_is_applied_over_itself(
    alice: Kubectl, mallory: Kubectl, task: str
) -> None:
    mallory.run(*merge(YES), task).ok()
    for command in (["replace"], ["apply"], ["apply", "--server-side", "--force-conflicts"]):
        alice.run(*command, "-f", "-", stdin=manifest(task, title="It")).ok()
        assert answers_of(alice, task) == [by(mallory, YES)]
    alice.run(*merge(YES), task).ok()
    assert answers_of(alice, task) == [by(mallory, YES)], "the same answer again changes nothing"


def test_nobody_answers_in_the_name_of_another(
    alice: Kubectl, mallory: Kubectl, kubectl: Kubectl, task: str
) -> None:
    for caller in (mallory, kubectl):
        for patch in (merge(by(alice, YES)), merge(YES, by(alice, NO))):
            told = caller.run(*patch, task).stderr
            assert f"by must be the user of the request, {username(caller)}" in told
    assert answers_of(alice, task) == []


def test_an_answer_stays_as_it_is(
    alice: Kubectl, mallory: Kubectl, kubectl: Kubectl, task: str
) -> None:
    alice.run(*merge(YES), task).ok()
    changes = (
        merge(YES | {"decision": "deny"}),
        merge(YES | {"text": "So."}),
        merge(by(mallory, YES)),
        merge(by(alice, YES) | {"decision": "deny"}),
    )
    for caller in (alice, mallory, kubectl):
        for change in changes:
            if caller is alice and change is changes[2]:
                continue
            told = caller.run(*change, task).stderr
            assert KEPT in told, (change, told)
        told = caller.run(*add(YES | {"decision": "deny"}), task).stderr
        assert 'spec.answers[1]: Duplicate value: {"id":"call_1"}' in told
        assert "spec.answers[1]: Duplicate value" in caller.run(*add(YES), task).stderr
    assert answers_of(alice, task) == [by(alice, YES)]


@pytest.mark.parametrize("schema", [{}, {"description": "x" * 30_000}])
def test_an_answer_leaves_room_for_the_others(
    alice: Kubectl, kubectl: Kubectl, name: str, schema: dict[str, Any]
) -> None:
    """Else the second question could never be answered, and an answer can't be taken back."""
    more = {"outputSchema": schema} if schema else {}
    prompt = "p" * (131_072 - 1000 - len(json.dumps(schema)))
    alice.run("create", "-f", "-", stdin=manifest(name, prompt=prompt, **more)).ok()
    ask(kubectl, name, question("call_1"), question("call_2"))
    long = {**YES, "text": "x" * 600}
    refused = alice.run(*merge(long), name)
    assert "the other questions need room for their answers; shorten the text" in refused.stderr
    for answer in (YES, {**NO, "text": "No."}):
        alice.run(*merge(answer), name).ok()


def test_only_what_is_asked_is_answered(alice: Kubectl, kubectl: Kubectl, task: str) -> None:
    assert LATE in alice.run(*merge(YES | {"id": "call_3"}), task).stderr
    alice.run(*merge(YES, NO), task).ok()
    go_on = {"phase": "Pending", "waitingFor": None, "waitingSince": None}
    patch = ("--subresource=status", "--type=merge", "-p", json.dumps({"status": go_on}))
    kubectl.run("patch", "task", task, *patch).ok()
    assert LATE in alice.run(*merge(YES | {"id": "call_3"}), task).stderr
    assert KEPT in alice.run(*merge(YES | {"decision": "deny"}), task).stderr
    alice.run("label", "task", task, "a=b").ok()
    assert answers_of(alice, task) == [by(alice, YES), by(alice, NO)]


@pytest.fixture
def owner(
    user_with: Callable[..., Kubectl], kubectl: Kubectl
) -> Iterator[Callable[[str], tuple[Kubectl, str]]]:
    """Make an editor of the namespace default with a role in a namespace of its own."""
    made: list[str] = []

    def make(role: str) -> tuple[Kubectl, str]:
        who = user_with("wegent-editor")
        home = f"owners-{len(made)}"
        made.append(home)
        kubectl.run("create", "namespace", home).ok()
        account = username(who).removeprefix("system:serviceaccount:")
        subject = (f"--serviceaccount={account}", f"--clusterrole={role}")
        kubectl.run("create", "rolebinding", "owner", f"--namespace={home}", *subject).ok()
        return who, home

    yield make
    for home in made:
        kubectl.run("delete", "namespace", home, "--wait=false").ok()


def test_a_call_with_foreign_credentials_is_approved_by_an_editor_of_their_namespace(
    owner: Callable[[str], tuple[Kubectl, str]], alice: Kubectl, kubectl: Kubectl, name: str
) -> None:
    """Others can deny it, or reply: no tool is called then."""
    (editor, home), (viewer, seen) = owner("wegent-editor"), owner("wegent-viewer")
    alice.run("create", "-f", "-", stdin=manifest(name)).ok()
    asked = [question(f"call_{it}", approverNamespace=home) for it in range(1, 5)]
    ask(kubectl, name, *asked, question("own"), question("seen", approverNamespace=seen))
    for caller in (alice, viewer):
        told = caller.run(*merge(YES), name).stderr
        assert f"carries credentials of the namespace {home}; an editor of it who is also" in told
    told = viewer.run(*merge({"id": "seen", "decision": "approve"}), name).stderr
    assert f"carries credentials of the namespace {seen}" in told
    mixed = {"id": "own", "decision": "approve"}
    assert "carries credentials" in alice.run(*merge(mixed, YES), name).stderr
    assert answers_of(alice, name) == []
    alice.run(*merge(NO), name).ok()
    alice.run(*merge({"id": "call_3", "decision": "reply", "text": "So."}), name).ok()
    alice.run(*merge(mixed), name).ok()
    editor.run(*merge(YES), name).ok()
    alice.run("label", "task", name, "a=b").ok()
    assert by(editor, YES) in answers_of(alice, name)


def test_approvals_with_credentials_of_two_namespaces_are_given_one_by_one(
    alice: Kubectl, kubectl: Kubectl, name: str
) -> None:
    alice.run("create", "-f", "-", stdin=manifest(name)).ok()
    one, two = (question(f"call_{it}", approverNamespace=f"ns-{it}") for it in (1, 2))
    ask(kubectl, name, one, two)
    both = (YES, {"id": "call_2", "decision": "approve"})
    assert "approve them one after the other" in kubectl.run(*merge(*both), name).stderr
    for answer in both:
        kubectl.run(*merge(answer), name).ok()


def test_as_many_questions_as_there_can_be_are_approved_at_once(
    alice: Kubectl, kubectl: Kubectl, name: str
) -> None:
    """The policy's cost stays within the API server's budget."""
    alice.run("create", "-f", "-", stdin=manifest(name)).ok()
    home = "n" * 63
    ask(kubectl, name, *(question(f"call_{it}", approverNamespace=home) for it in range(64)))
    answers = [{"id": f"call_{it}", "decision": "approve"} for it in range(64)]
    told = alice.run(*merge(*answers), name).stderr
    assert f"carries credentials of the namespace {home}" in told
    kubectl.run(*merge(*answers), name).ok()


def test_a_viewer_does_not_answer(
    user_with: Callable[..., Kubectl], alice: Kubectl, task: str
) -> None:
    # Other tests make all Accounts editors of the namespace.
    viewer = user_with("wegent-viewer", home="default")
    assert "cannot patch resource" in viewer.run(*merge(YES), task).stderr
    assert answers_of(alice, task) == []


@pytest.fixture
def program(
    control_plane: ControlPlane, kubectl: Kubectl, tmp_path: Path
) -> Iterator[Callable[[str], Kubectl]]:
    """Make a program of Wegent an editor of the namespace default, as only its admin can."""
    bound = []

    def make(name: str) -> Kubectl:
        subject = (f"--serviceaccount=wegent-system:{name}", "--clusterrole=wegent-editor")
        bound.append(f"test-{name}")
        kubectl.run("create", "rolebinding", bound[-1], "--namespace=default", *subject).ok()
        return kubectl_as(control_plane, kubectl, "wegent-system", name, tmp_path)

    yield make
    for binding in bound:
        kubectl.run("delete", "rolebinding", binding, "--namespace=default").ok()


@pytest.mark.parametrize(
    ("name_", "words"),
    [
        ("wegent-operator", "Wegent's operator can't change the spec of a user's object"),
        ("wegent-runner", "only users can answer; Wegent's programs can't"),
        ("wegent-api", "only users can answer; Wegent's programs can't"),
    ],
)
def test_no_program_of_wegent_answers(
    program: Callable[[str], Kubectl], alice: Kubectl, task: str, name_: str, words: str
) -> None:
    it = program(name_)
    for patch in (merge(YES), merge(by(it, YES))):
        assert words in it.run(*patch, task).stderr
    assert answers_of(alice, task) == []


def test_a_new_task_has_no_answers_but_a_restored_one_keeps_them(
    alice: Kubectl, mallory: Kubectl, kubectl: Kubectl, as_operator: Kubectl, name: str
) -> None:
    answered = manifest(name, answers=[by(alice, YES)])
    for caller in (alice, mallory):
        told = caller.run("create", "-f", "-", stdin=answered).stderr
        assert "a new Task has asked nothing; leave answers out" in told
    for restorer in (as_operator, kubectl):
        restorer.run("create", "-f", "-", stdin=answered).ok()
        assert answers_of(alice, name) == [by(alice, YES)]
        kubectl.run("patch", "task", name, "--type=merge", "-p", '{"metadata":{"finalizers":[]}}')
        kubectl.run("delete", "task", name).ok()


@pytest.mark.parametrize(
    "wrong", ['"yes"', "5", "[1]", '[{"id":1}]', '[{"decision":"deny"}]', "{}"]
)
def test_what_is_no_list_of_answers_is_refused_by_its_field(
    alice: Kubectl, task: str, wrong: str
) -> None:
    patch = f'{{"spec":{{"answers":{wrong}}}}}'
    told = alice.run("patch", "task", task, "--type=merge", "-p", patch).stderr
    assert "spec.answers" in told, told
    assert "is invalid" in told, told


def test_the_commands_of_the_documentation(kubectl: Kubectl, alice: Kubectl) -> None:
    """Each command is run as it stands there, and must print what stands there."""
    section = Page.read("docs/kinds/task.md").text.split("### Questions to people")[1]
    [shown, refused] = Page(Path(), section.split("\n### ")[0]).blocks("console")
    alice.run("create", "-f", "-", stdin=manifest("tidy-up", botRef={"name": "janitor"})).ok()
    asked = question(
        "mcpr_1_2",
        message="Bot default/janitor asks to call the tool delete_branch of the MCP server git."
        ' Arguments: {"name": "old"}',
    )
    ask(kubectl, "tidy-up", asked)
    for block in (shown, refused):
        for command, output in COMMAND.findall(block):
            done = alice.run(*shlex.split(command)[1:])
            said = done.stdout + done.stderr
            assert AGE.sub("AGE", said).strip() == AGE.sub("AGE", output).strip()
