"""Methods of the clients, made from the operations: one function, with and without an event loop.

``get = waiting(KindOperations.get)`` is a method that takes the same arguments, runs the coroutine
to its end, and has its documentation. Type checkers see the same signature.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from wegent_sdk.http import finished, iterated

P = ParamSpec("P")
T = TypeVar("T")
O = TypeVar("O")  # noqa: E741 - operations


class Group(Generic[O]):
    """Methods that share their operations.

    Args:
        operations: what the methods call.
    """

    def __init__(self, operations: O) -> None:
        self._operations = operations


def waiting(
    method: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Any, P], T]:
    """Return a method that waits for the result of an operation."""

    @wraps(method)
    def call(self: Group[Any], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return finished(method(self._operations, *args, **kwargs))

    return call


def awaiting(
    method: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]:
    """Return a method that is a coroutine."""

    @wraps(method)
    def call(self: Group[Any], /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        return method(self._operations, *args, **kwargs)

    return call


def iterating(
    method: Callable[Concatenate[Any, P], AsyncGenerator[T, None]],
) -> Callable[Concatenate[Any, P], Iterator[T]]:
    """Return a method that yields the items of an operation."""

    @wraps(method)
    def call(self: Group[Any], /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return iterated(method(self._operations, *args, **kwargs))

    return call


def async_iterating(
    method: Callable[Concatenate[Any, P], AsyncGenerator[T, None]],
) -> Callable[Concatenate[Any, P], AsyncIterator[T]]:
    """Return a method that is an asynchronous iterator."""

    @wraps(method)
    def call(self: Group[Any], /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        return method(self._operations, *args, **kwargs)

    return call
