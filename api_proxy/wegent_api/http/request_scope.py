"""Resources that a request holds until its answer is sent.

A slot or a share of memory that is taken deep inside a request belongs to the whole request: the
client may take a minute to read the answer. `Observe` opens the scope.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from typing import Final

_HELD: Final[ContextVar[ExitStack]] = ContextVar("held")


@contextmanager
def request_scope() -> Iterator[None]:
    """Open a scope. At its end, release the resources that `until_answered` has taken."""
    with ExitStack() as stack:
        token = _HELD.set(stack)
        try:
            yield
        finally:
            _HELD.reset(token)


def until_answered(taking: AbstractContextManager[None]) -> None:
    """Enter ``taking``, and leave it when the request's answer has been sent."""
    _HELD.get().enter_context(taking)
