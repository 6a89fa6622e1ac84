"""The steps for one object, and those that the API server refuses as problems of the object."""

import logging
from collections.abc import Awaitable
from typing import Final

from wegent_crds.conditions import Reason
from wegent_kube import ApiError, KubeError
from wegent_operator.state.refusals import is_refusal
from wegent_operator.state.verdict import Problem

logger = logging.getLogger(__name__)

MAX_MESSAGE_BYTES: Final = 1024
"""Bytes of the API server's answer that a condition repeats. A webhook's answer may be longer."""
QUIET_TRIES: Final = 3
"""Tries with a passing refusal before the condition reports it."""


class Steps:
    """The steps for one object. Each is tried, even if others fail."""

    def __init__(self) -> None:
        self._refusals: list[tuple[str, KubeError]] = []

    @property
    def have_failed(self) -> bool:
        """True once a step has failed."""
        return bool(self._refusals)

    async def tried(self, step: str, doing: Awaitable[object]) -> bool:
        """Carry out a step; return whether it succeeded. ``step`` says what has failed if not."""
        try:
            await doing
        except KubeError as error:
            self._refusals.append((step, error))
            return False
        return True

    def problems(self, title: str, failures: int, *, has_condition: bool = True) -> list[Problem]:
        """Return the problems of the failed steps, and log them.

        Args:
            title: kind and name of the object.
            failures: number of the tries that failed before.
            has_condition: whether the object has a condition that can report them.

        Raises:
            KubeError: the refusals usually pass soon, and the tries are few, or no condition can
                report them; try again.
        """
        if not self._refusals:
            return []
        found = [_problem_of(step, error) for step, error in self._refusals]
        quiet = failures < QUIET_TRIES and all(_passes(error) for _, error in self._refusals)
        if not quiet:
            logger.warning("%s: %s", title, "; ".join(problem.message for problem in found))
        if quiet or not has_condition:
            raise self._refusals[0][1]
        return found


def _passes(error: KubeError) -> bool:
    """Return whether another try usually succeeds soon."""
    return not isinstance(error, ApiError) or not is_refusal(error)


def _problem_of(step: str, error: KubeError) -> Problem:
    """Return the problem of a failed step."""
    said = error.message if isinstance(error, ApiError) else "the API server did not answer"
    raw = said.encode()
    if len(raw) > MAX_MESSAGE_BYTES:
        said = raw[:MAX_MESSAGE_BYTES].decode(errors="ignore") + "..."
    return Problem(Reason.NOT_PROVISIONED, f"{step}: {said}")
