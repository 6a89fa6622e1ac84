"""Get Kubernetes' programs before the first test starts.

Getting them may take minutes, and pytest's time limits are for tests: a fixture that builds would
be cut off. It would also build silently, since pytest captures its output.
"""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest

from devcluster.binaries import CONTROL_PLANE, Programs
from devcluster.errors import BinariesUnavailable, ClusterError
from devcluster.kind import engine_answers
from devcluster.node.cluster import PROGRAMS as ON_NODES
from devcluster.progress import say
from devcluster.releases import PROGRAMS
from tests.benchmarks.operator_speed.programs import PROGRAMS as OF_THE_BENCHMARK

TESTS: Final = Path(__file__).parents[1]
KNOWN: Final = PROGRAMS | {program.name: program for program in OF_THE_BENCHMARK}
BY_FIXTURE: Final[Mapping[str, Sequence[str]]] = {
    "binaries": CONTROL_PLANE,
    "helm_program": ("helm",),
}
OPTIONAL: Final[Mapping[str, Sequence[str]]] = {
    # Without Go, tests of these are skipped.
    "actionlint": ("actionlint",),
    "flux_crds": ("fluxcrds",),
    "go_programs": ("controller", "load"),
    "health_programs": ("kstatus", "luahealth"),
}
BY_FOLDER: Final[Mapping[str, Sequence[str]]] = {
    # Folders whose tests run the commands; these get the programs themselves.
    "hack/devcluster": CONTROL_PLANE,
    "hack/devstack": CONTROL_PLANE,
    "e2e": (*CONTROL_PLANE, "helm", *ON_NODES),
}


def programs_for(items: Iterable[pytest.Item]) -> list[str]:
    """Return the programs that the tests need, each once; those that may be missing come last."""
    wanted: dict[str, None] = {}
    optional: dict[str, None] = {}
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            wanted |= dict.fromkeys(BY_FIXTURE.get(fixture, ()))
            optional |= dict.fromkeys(OPTIONAL.get(fixture, ()))
        if item.path.is_relative_to(TESTS):
            folder = item.path.parent.relative_to(TESTS).as_posix()
            wanted |= dict.fromkeys(BY_FOLDER.get(folder, ()))
    return list(wanted | optional)


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
            _ensure(wanted)
        except ClusterError as error:
            say(str(error))


def built_for(fixture: str) -> Mapping[str, Path]:
    """Return the programs of a fixture that Go builds, by name; skip the test without Go."""
    try:
        return _ensure(OPTIONAL[fixture])
    except BinariesUnavailable as error:
        if shutil.which("go") is None:
            pytest.skip(str(error))
        raise


def _ensure(names: Iterable[str]) -> Mapping[str, Path]:
    return Programs.of_this_machine().ensure_programs([KNOWN[name] for name in names])
