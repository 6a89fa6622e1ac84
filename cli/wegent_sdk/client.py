"""The client for programs without an event loop. `AsyncClient` has the same methods."""

from types import TracebackType
from typing import Self

from wegent_sdk.account import TokenOperations
from wegent_sdk.binding import Group, iterating, waiting
from wegent_sdk.client_base import BaseClient, ClientOperations
from wegent_sdk.http import SyncHttp
from wegent_sdk.keys import KeyOperations
from wegent_sdk.members import MemberOperations
from wegent_sdk.tasks import TaskOperations
from wegent_sdk.trash import TrashOperations
from wegent_sdk.watches import WatchOperations


class RawClient(Group[WatchOperations]):
    """Objects as dictionaries, with fields that the models don't know."""

    request = waiting(WatchOperations.request)
    get = waiting(WatchOperations.get)
    list = iterating(WatchOperations.list)
    watch = iterating(WatchOperations.watch)
    create = waiting(WatchOperations.create)
    replace = waiting(WatchOperations.replace)
    patch = waiting(WatchOperations.patch)
    delete = waiting(WatchOperations.delete)


class TasksClient(Group[TaskOperations]):
    """Tasks: runs, their events, answers and ends."""

    run = waiting(TaskOperations.run)
    events = iterating(TaskOperations.events)
    wait = waiting(TaskOperations.wait)
    cancel = waiting(TaskOperations.cancel)
    answer = waiting(TaskOperations.answer)
    transcript = waiting(TaskOperations.transcript)


class TrashClient(Group[TrashOperations]):
    """Deleted objects."""

    list = iterating(TrashOperations.list)
    restore = waiting(TrashOperations.restore)


class TokensClient(Group[TokenOperations]):
    """Tokens of programs."""

    list = waiting(TokenOperations.list)
    create = waiting(TokenOperations.create)
    revoke = waiting(TokenOperations.revoke)


class KeysClient(Group[KeyOperations]):
    """API keys of Models, and headers of MCP servers."""

    put = waiting(KeyOperations.put)
    delete = waiting(KeyOperations.delete)
    put_header = waiting(KeyOperations.put_header)
    delete_header = waiting(KeyOperations.delete_header)
    test = waiting(KeyOperations.test)


class MembersClient(Group[MemberOperations]):
    """Members of one namespace."""

    list = waiting(MemberOperations.list)
    put = waiting(MemberOperations.put)
    delete = waiting(MemberOperations.delete)


class Client(BaseClient):
    """A client of Wegent that waits for each answer. Threads may share it.

    Attributes:
        raw: objects as dictionaries.
        tasks: Tasks and their runs.
        trash: deleted objects.
        tokens: tokens of programs.
        keys: API keys of Models.
    """

    _http = SyncHttp

    def _set_up(self, raw: WatchOperations) -> None:
        super()._set_up(raw)
        self.raw = RawClient(raw)
        self.tasks = TasksClient(TaskOperations(raw))
        self.trash = TrashClient(TrashOperations(raw))
        self.tokens = TokensClient(TokenOperations(raw))
        self.keys = KeysClient(KeyOperations(raw))

    def members(self, namespace: str) -> MembersClient:
        """Return the requests for the members of a namespace."""
        return MembersClient(MemberOperations(self._raw, namespace))

    get = waiting(ClientOperations.get)
    list = iterating(ClientOperations.list)
    watch = iterating(ClientOperations.watch)
    create = waiting(ClientOperations.create)
    apply = waiting(ClientOperations.apply)
    apply_each = iterating(ClientOperations.apply_each)
    replace = waiting(ClientOperations.replace)
    patch = waiting(ClientOperations.patch)
    delete = waiting(ClientOperations.delete)
    me = waiting(ClientOperations.me)
    login = waiting(ClientOperations.login)
    register = waiting(ClientOperations.register)
    change_password = waiting(ClientOperations.change_password)
    renew = waiting(ClientOperations.renew)
    kubeconfig = waiting(ClientOperations.kubeconfig)
    close = waiting(ClientOperations.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
