"""The client for programs with an event loop. `Client` has the same methods."""

from types import TracebackType
from typing import Self

from wegent_sdk.account import TokenOperations
from wegent_sdk.binding import Group, async_iterating, awaiting
from wegent_sdk.client_base import BaseClient, ClientOperations
from wegent_sdk.http import AsyncHttp
from wegent_sdk.keys import KeyOperations
from wegent_sdk.members import MemberOperations
from wegent_sdk.tasks import TaskOperations
from wegent_sdk.trash import TrashOperations
from wegent_sdk.watches import WatchOperations


class AsyncRawClient(Group[WatchOperations]):
    """Objects as dictionaries, with fields that the models don't know."""

    request = awaiting(WatchOperations.request)
    get = awaiting(WatchOperations.get)
    list = async_iterating(WatchOperations.list)
    watch = async_iterating(WatchOperations.watch)
    create = awaiting(WatchOperations.create)
    replace = awaiting(WatchOperations.replace)
    patch = awaiting(WatchOperations.patch)
    delete = awaiting(WatchOperations.delete)


class AsyncTasksClient(Group[TaskOperations]):
    """Tasks: runs, their events, answers and ends."""

    run = awaiting(TaskOperations.run)
    events = async_iterating(TaskOperations.events)
    wait = awaiting(TaskOperations.wait)
    cancel = awaiting(TaskOperations.cancel)
    answer = awaiting(TaskOperations.answer)
    transcript = awaiting(TaskOperations.transcript)


class AsyncTrashClient(Group[TrashOperations]):
    """Deleted objects."""

    list = async_iterating(TrashOperations.list)
    restore = awaiting(TrashOperations.restore)


class AsyncTokensClient(Group[TokenOperations]):
    """Tokens of programs."""

    list = awaiting(TokenOperations.list)
    create = awaiting(TokenOperations.create)
    revoke = awaiting(TokenOperations.revoke)


class AsyncKeysClient(Group[KeyOperations]):
    """API keys of Models, and headers of MCP servers."""

    put = awaiting(KeyOperations.put)
    delete = awaiting(KeyOperations.delete)
    put_header = awaiting(KeyOperations.put_header)
    delete_header = awaiting(KeyOperations.delete_header)
    test = awaiting(KeyOperations.test)


class AsyncMembersClient(Group[MemberOperations]):
    """Members of one namespace."""

    list = awaiting(MemberOperations.list)
    put = awaiting(MemberOperations.put)
    delete = awaiting(MemberOperations.delete)


class AsyncClient(BaseClient):
    """A client of Wegent for an event loop.

    Attributes:
        raw: objects as dictionaries.
        tasks: Tasks and their runs.
        trash: deleted objects.
        tokens: tokens of programs.
        keys: API keys of Models.
    """

    _http = AsyncHttp

    def _set_up(self, raw: WatchOperations) -> None:
        super()._set_up(raw)
        self.raw = AsyncRawClient(raw)
        self.tasks = AsyncTasksClient(TaskOperations(raw))
        self.trash = AsyncTrashClient(TrashOperations(raw))
        self.tokens = AsyncTokensClient(TokenOperations(raw))
        self.keys = AsyncKeysClient(KeyOperations(raw))

    def members(self, namespace: str) -> AsyncMembersClient:
        """Return the requests for the members of a namespace."""
        return AsyncMembersClient(MemberOperations(self._raw, namespace))

    get = awaiting(ClientOperations.get)
    list = async_iterating(ClientOperations.list)
    watch = async_iterating(ClientOperations.watch)
    create = awaiting(ClientOperations.create)
    apply = awaiting(ClientOperations.apply)
    apply_each = async_iterating(ClientOperations.apply_each)
    replace = awaiting(ClientOperations.replace)
    patch = awaiting(ClientOperations.patch)
    delete = awaiting(ClientOperations.delete)
    me = awaiting(ClientOperations.me)
    login = awaiting(ClientOperations.login)
    register = awaiting(ClientOperations.register)
    change_password = awaiting(ClientOperations.change_password)
    renew = awaiting(ClientOperations.renew)
    kubeconfig = awaiting(ClientOperations.kubeconfig)
    close = awaiting(ClientOperations.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()
