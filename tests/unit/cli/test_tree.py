"""Root causes in graphs of objects, without a cluster."""

from collections.abc import Mapping
from typing import Any

import pytest

from wegent_cli.tree import MAX_NODES, Absent, Node, State, graph, judged
from wegent_cli.tree_text import lines
from wegent_crds.references import ObjectKey
from wegent_crds.registry import BOT, TASK


def ready(status: str = "True", reason: str = "Ready", message: str = "", **more: Any) -> Any:
    condition = {"type": "Ready", "status": status, "reason": reason, "message": message}
    return {"conditions": [{**condition, "observedGeneration": 1}], **more}


def body(spec: Mapping[str, Any], status: Mapping[str, Any]) -> dict[str, Any]:
    return {"metadata": {"generation": 1}, "spec": dict(spec), "status": dict(status)}


def key(plural: str, name: str) -> ObjectKey:
    return ObjectKey(plural, "ns", name)


def ref(name: str) -> dict[str, str]:
    return {"name": name}


BAD = ready("False", "RefNotReady", "Bot ns/b is not ready: ...")
TEAM_OF_ONE = body({"bots": [ref("b")]}, BAD)
BOT_BODY = {"ghostRef": ref("g"), "modelRef": ref("m"), "shellRef": ref("s")}


def causes(root: Node) -> list[str]:
    return [node.title for node in root.walk() if node.is_root_cause]


def grown(objects: Mapping[ObjectKey, Any], start: ObjectKey) -> Node:
    return graph(start, lambda it: objects.get(it, Absent.MISSING))


def test_a_missing_object_is_the_root_cause() -> None:
    root = grown(
        {
            key("tasks", "t"): body({"teamRef": ref("te")}, BAD),
            key("teams", "te"): TEAM_OF_ONE,
            key("bots", "b"): body(BOT_BODY, ready("False", "RefNotFound", "no Ghost")),
            key("models", "m"): body({}, ready()),
            key("shells", "s"): body({}, ready()),
        },
        key("tasks", "t"),
    )
    assert causes(root) == ["Ghost ns/g"]
    assert [node.state for node in root.walk()][:4] == [State.BAD] * 3 + [State.MISSING]


def test_a_fault_of_ones_own_is_the_root_cause() -> None:
    """All referents are well, and the Bot itself is wrong."""
    fault = ready("False", "ProviderNotSupported", "the Shell takes no openai")
    root = grown(
        {
            key("teams", "te"): TEAM_OF_ONE,
            key("bots", "b"): body(BOT_BODY, fault),
            **{key(plural, plural[0]): body({}, ready()) for plural in ("ghosts", "models")},
            key("shells", "s"): body({}, ready()),
        },
        key("teams", "te"),
    )
    assert causes(root) == ["Bot ns/b"]


def test_two_root_causes() -> None:
    root = grown(
        {key("bots", "b"): body(BOT_BODY, BAD), key("shells", "s"): body({}, ready())},
        key("bots", "b"),
    )
    assert causes(root) == ["Ghost ns/g", "Model ns/m"]


def test_an_object_that_the_user_may_not_read() -> None:
    objects = {key("bots", "b"): body(BOT_BODY, BAD)}
    root = graph(key("bots", "b"), lambda it: objects.get(it, Absent.UNREADABLE))
    assert causes(root) == ["Bot ns/b"]  # the fault that can be seen


def test_a_cycle_ends() -> None:
    """Two Models fall back to each other, and one of them is wrong."""
    root = grown(
        {
            key("models", "a"): body({"fallbackRefs": [ref("b")]}, ready()),
            key("models", "b"): body({"fallbackRefs": [ref("a")]}, BAD),
        },
        key("models", "a"),
    )
    assert causes(root) == ["Model ns/b"]
    assert [node.shown_before for node in root.walk()] == [False, False, True]


def test_a_shared_fault_is_one_root_cause() -> None:
    """Both Bots wait for one Ghost, which is shown once."""
    both = {**BOT_BODY, "modelRef": ref("s"), "shellRef": ref("s")}
    root = grown(
        {
            key("teams", "te"): body({"bots": [ref("b"), ref("c")]}, BAD),
            key("bots", "b"): body(both, BAD),
            key("bots", "c"): body(both, BAD),
            key("models", "s"): body({}, ready()),
            key("shells", "s"): body({}, ready()),
        },
        key("teams", "te"),
    )
    assert causes(root) == ["Ghost ns/g"]


def test_a_graph_is_bounded() -> None:
    root = graph(
        key("models", "0"),
        lambda it: body({"fallbackRefs": [ref(str(int(it.name) + i)) for i in (1, 2)]}, ready()),
    )
    assert sum(not node.shown_before for node in root.walk()) <= MAX_NODES


@pytest.mark.parametrize(
    ("kind", "status", "state", "reason"),
    [
        (BOT, ready(), State.GOOD, "Ready"),
        (BOT, ready("Unknown", "Pending"), State.PENDING, "Pending"),
        (BOT, {}, State.PENDING, "Pending"),
        (TASK, ready(phase="Running"), State.GOOD, "Running"),
        (TASK, ready(phase="Waiting"), State.PENDING, "Waiting"),
        (TASK, ready("False", phase="Completed"), State.GOOD, "Completed"),
        (TASK, ready(phase="Failed", message="no key"), State.BAD, "Failed"),
        (TASK, ready(phase="Cancelled"), State.BAD, "Cancelled"),
    ],
)
def test_states(kind: Any, status: Any, state: State, reason: str) -> None:
    assert judged(kind, body({}, status))[:2] == (state, reason)


def test_a_verdict_about_an_older_version_is_pending() -> None:
    changed = body({}, ready()) | {"metadata": {"generation": 2}}
    assert judged(BOT, changed)[0] is State.PENDING


def test_a_false_condition_beside_ready() -> None:
    served = {"type": "Served", "status": "False", "reason": "ShellNotServed", "message": "no"}
    status = ready()
    status["conditions"].append(served)
    assert judged(BOT, body({}, status)) == (State.BAD, "ShellNotServed", "no")


def test_lines_fit_the_terminal() -> None:
    message = "spec.ghostRef: " + "word " * 60
    root = grown(
        {key("teams", "te"): TEAM_OF_ONE, key("bots", "b"): body({}, ready("False", "X", message))},
        key("teams", "te"),
    )
    for guides in (True, False):
        shown = [start + text for start, text, _ in lines(root, width=80, guides=guides)]
        assert max(map(len, shown)) <= 80
        assert sum("root cause:" in line for line in shown) == 1
    unlimited = [start + text for start, text, _ in lines(root)]
    assert any(message.strip() in line for line in unlimited)
