"""etcd's own operations on a control plane: compaction, defragmentation, alarms."""

import base64
from typing import Any

import aiohttp

from devcluster.controlplane import ControlPlane


def _encoded(key: str) -> str:
    return base64.b64encode(key.encode()).decode()


ANY_KEY = _encoded("\0")


class Etcd:
    """The JSON gateway of a control plane's etcd, at its socket."""

    def __init__(self, plane: ControlPlane) -> None:
        self._socket = str(plane.directory / "etcd.sock")

    async def compact(self) -> None:
        """Forget all changes until now."""
        now = await self._call("kv/range", key=ANY_KEY)
        await self._call("kv/compaction", revision=now["header"]["revision"], physical=True)

    async def defragment(self) -> None:
        """Give the space of forgotten changes back."""
        await self._call("maintenance/defragment")

    async def delete(self, prefix: str) -> None:
        """Delete the keys that begin with ``prefix``, without finalizers and without a trash."""
        end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        await self._call("kv/deleterange", key=_encoded(prefix), range_end=_encoded(end))

    async def alarms(self) -> list[dict[str, str]]:
        """Return the active alarms; ``alarm`` is a name such as ``NOSPACE``."""
        found = await self._call("maintenance/alarm", action="GET")
        return list(found.get("alarms", []))

    async def disarm(self) -> None:
        """End all alarms."""
        for alarm in await self.alarms():
            await self._call("maintenance/alarm", action="DEACTIVATE", **alarm)

    async def _call(self, path: str, **body: Any) -> Any:
        connector = aiohttp.UnixConnector(self._socket)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.post(f"http://etcd/v3/{path}", json=body) as answer,
        ):
            assert answer.ok, f"{path}: {answer.status} {await answer.text()}"
            return await answer.json()
