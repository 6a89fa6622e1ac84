"""Get Kubernetes' programs before the first test starts.

Getting them may take minutes, and pytest's time limits are for tests: a fixture that builds would
be cut off. It would also build silently, since pytest captures its output.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest

from devcluster.binaries import CONTROL_PLANE, Programs
from devcluster.errors import ClusterError
from devcluster.kind import engine_answers
from devcluster.node.cluster import PROGRAMS as ON_NODES
from devcluster.progress import say

TESTS: Final = Path(__file__).parents[1]
BY_FIXTURE: Final[Mapping[str, Sequence[str]]] = {
    "binaries": CONTROL_PLANE,
    "helm_program": ("helm",),
}
BY_FOLDER: Final[Mapping[str, Sequence[str]]] = {
    # Folders whose tests run the commands; these get the programs themselves.
    "hack/devcluster": CONTROL_PLANE,
    "hack/devstack": CONTROL_PLANE,
    "e2e": (*CONTROL_PLANE, "helm", *ON_NODES),
}


def programs_for(items: Iterable[pytest.Item]) -> list[str]:
    """Return the programs that the tests need, each once."""
    wanted: dict[str, None] = {}
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            wanted |= dict.fromkeys(BY_FIXTURE.get(fixture, ()))
        if item.path.is_relative_to(TESTS):
            folder = item.path.parent.relative_to(TESTS).as_posix()
            wanted |= dict.fromkeys(BY_FOLDER.get(folder, ()))
    return list(wanted)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Get the programs that the collected tests need; after a failure, each test reports it."""
    if session.config.option.collectonly:
        return
    wanted = programs_for(session.items)
    if "kubelet" in wanted and engine_answers():
        wanted.append("kind")
    capture = session.config.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    with capture.global_and_fixture_disabled():
        try:
            Programs.of_this_machine().ensure(wanted)
        except ClusterError as error:
            say(str(error))
