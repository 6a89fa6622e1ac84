"""The Go programs of the benchmark."""

import pytest

from tests.benchmarks.operator_speed.programs import Built
from tests.support.programs import built_for


@pytest.fixture(scope="session")
def go_programs() -> Built:
    """The controller and the load; without Go, their tests are skipped."""
    return Built(**built_for("go_programs"))
