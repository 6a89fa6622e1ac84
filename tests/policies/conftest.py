"""Policies hold without any program of ours: these tests run with the operator away."""

from collections.abc import Iterator

import pytest

from tests.support.operator import OperatorProcess


@pytest.fixture(scope="package", autouse=True)
def without_operator(operator: OperatorProcess) -> Iterator[None]:
    """Keep the operator that other tests share from finishing deletions and tidying up."""
    assert operator.stop() == 0, operator.tail()
    yield
    operator.start()
