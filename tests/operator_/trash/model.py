"""The desired state of a namespace whose objects are deleted and restored.

``settle`` waits until the cluster matches the model: restored objects equal the deleted ones, and
an object whose deletion hangs reports it in its condition ``Deleted`` or in an Event.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from tests.support.api import Api
from tests.support.policies import Refusing
from wegent_crds.registry import BY_PLURAL, TOMBSTONE
from wegent_crds.well_known import RESTORED_FROM, TRASH_FINALIZER, former_lives
from wegent_kube import ApiError
from wegent_kube.content_types import MERGE_PATCH
from wegent_kube.resources import EVENTS, resource_of

TOMBSTONES: Final = resource_of(TOMBSTONE)
Key = tuple[str, str]

SETTLED_WITHIN_S: Final = 60.0
POKE_AFTER_S: Final = 2.0
"""An obstacle that went away is found by a change of the object, not by the operator's delay."""
SPECS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "ghosts": ("systemPrompt", {}),
    "models": ("model", {"provider": "openai"}),
    "skills": ("content", {"description": "Reviews a diff"}),
    "shells": ("description", {"type": "Chat"}),
    "bots": (
        "description",
        {"ghostRef": {"name": "a"}, "modelRef": {"name": "none"}, "shellRef": {"name": "a"}},
    ),
    "teams": ("description", {"bots": [{"name": "a"}]}),
    "tasks": ("title", {"botRef": {"name": "none"}, "prompt": "Do it."}),
}


@dataclass
class Expected:
    """An object as it should be."""

    text: str
    labels: dict[str, str]
    annotations: dict[str, str]
    spec: dict[str, Any]
    """With the API server's defaults."""
    uid: str = ""
    deleting: bool = False
    foreign: tuple[str, ...] = ()
    tombstone: str = ""
    wanted: bool = False


class Model:
    """The objects and Tombstones of one namespace as they should be, and its obstacles."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.api = api
        self.namespace = namespace
        self.live: dict[Key, Expected] = {}
        self.trash: list[tuple[Key, Expected]] = []
        self.keys: list[Key] = []
        self.quota = False
        self.full: str = ""
        """The kind of which there may be no more objects."""
        self.policy: Refusing | None = None
        self.edits = 0

    def free(self) -> list[Key]:
        """Return the names that no object has and no Tombstone is to restore."""
        wanted = {key for key, it in self.trash if it.wanted}
        return [
            key
            for key in self.keys
            if key not in self.live and key not in wanted and key[0] != self.full
        ]

    def alive(self) -> list[Key]:
        """Return the objects that may be deleted."""
        return [key for key, it in self.live.items() if not it.deleting]

    def foreign(self) -> list[Key]:
        """Return the objects that another controller holds."""
        return [key for key, it in self.live.items() if it.foreign]

    def restorable(self) -> list[Key]:
        """Return the names of which something is in the trash and nothing wanted back."""
        wanted = {key for key, it in self.trash if it.wanted}
        return [key for key, _ in self.trash if key not in wanted]

    async def settle(self) -> None:
        """Wait until the cluster is as it should be."""
        deadline, poke_at = time.monotonic() + SETTLED_WITHIN_S, time.monotonic() + POKE_AFTER_S
        seen = ""
        while True:
            try:
                await self._compare()
            except AssertionError as error:
                seen = str(error)
            else:
                return
            if time.monotonic() > deadline:
                raise AssertionError(f"not settled; last seen: {seen}")
            if time.monotonic() > poke_at:
                poke_at = time.monotonic() + POKE_AFTER_S
                await self._poke()
            await asyncio.sleep(0.1)

    async def _poke(self) -> None:
        self.edits += 1
        for key, known in self.live.items():
            if not known.deleting or known.foreign:
                continue
            note = {"poked": str(self.edits)}
            patch = {"metadata": {"annotations": note, "uid": known.uid}}
            path = resource_of(BY_PLURAL[key[0]]).path(self.namespace, key[1])
            try:
                await self.api.client.request("PATCH", path, body=patch, content_type=MERGE_PATCH)
            except ApiError as error:
                if not (error.is_not_found or error.is_conflict or error.is_invalid):
                    raise
            else:
                known.annotations = known.annotations | note
        for _, kept in self.trash:
            if kept.wanted:
                path = TOMBSTONES.path(self.namespace, kept.tombstone)
                patch = {"metadata": {"annotations": {"poked": str(self.edits)}}}
                with suppress(ApiError):  # it is gone
                    await self.api.client.request(
                        "PATCH", path, body=patch, content_type=MERGE_PATCH
                    )

    async def _compare(self) -> None:
        """Update the model with deleted and restored objects; raise AssertionError until done."""
        tombstones = {
            it["metadata"]["name"]: it for it in await self.api.list("tombstones", self.namespace)
        }
        for key, known in list(self.live.items()):
            body = await self.api.get(key[0], self.namespace, key[1])
            if known.deleting and (body is None or body["metadata"]["uid"] != known.uid):
                name = f"{BY_PLURAL[key[0]].singular}-{known.uid}"
                assert name in tombstones, f"{key} went without a Tombstone"
                _same(key, known, tombstones[name]["spec"]["object"])
                known.tombstone, known.deleting, known.foreign = name, False, ()
                del self.live[key]
                self.trash.append((key, known))
                continue
            assert body is not None, f"{key} is gone"
            _same(key, known, body)
            if known.deleting:
                await self._hangs(key, known, body, tombstones)
            else:
                assert not _obstacle(body), f"{key} isn't being deleted, and says it hangs"
        for entry in list(self.trash):
            key, kept = entry
            if kept.wanted:
                await self._wanted(entry, tombstones)
            else:
                assert kept.tombstone in tombstones, f"{kept.tombstone} of {key} is gone"

    async def _hangs(
        self,
        key: Key,
        known: Expected,
        body: dict[str, Any],
        tombstones: dict[str, Any],
    ) -> None:
        stored = f"{BY_PLURAL[key[0]].singular}-{known.uid}" in tombstones
        if known.foreign:
            reason = "FinalizersRemain"
        else:
            # The garbage collector's finalizers are held by the policy too.
            collected = set(body["metadata"]["finalizers"]) - {TRASH_FINALIZER}
            assert self.policy is not None or (self.quota and not stored), f"{key} still hangs"
            if collected:
                return await self._says(key, known, body, "FinalizersRemain")
            reason = "DeletionBlocked"
        return await self._says(key, known, body, reason)

    async def _says(self, key: Key, known: Expected, body: dict[str, Any], reason: str) -> None:
        if _obstacle(body) == reason:
            return
        events = await self.api.client.request("GET", EVENTS.path(self.namespace))
        told = {
            event["reason"]
            for event in events["items"]
            if event["involvedObject"]["uid"] == known.uid
        }
        assert reason in told, f"{key} hangs ({reason}) and doesn't say so: {body['status']}"

    async def _wanted(self, entry: tuple[Key, Expected], tombstones: dict[str, Any]) -> None:
        key, kept = entry
        if key[0] == self.full and await self.api.get(key[0], self.namespace, key[1]) is None:
            reasons = _reasons(tombstones[kept.tombstone])
            assert "NotRestored" in reasons, f"{kept.tombstone} doesn't say NotRestored: {reasons}"
            return
        if (there := self.live.get(key)) is not None and there.uid != kept.uid:
            reasons = _reasons(tombstones[kept.tombstone])
            # A quota is asked before the name is looked at.
            told = "NotRestored" in reasons and key[0] == self.full
            assert told or "NameTaken" in reasons, (
                f"{kept.tombstone} doesn't say NameTaken: {reasons}"
            )
            return
        body = await self.api.get(key[0], self.namespace, key[1])
        assert body is not None, f"{key} is not back"
        assert kept.tombstone not in tombstones, f"{kept.tombstone} is still there"
        annotations = body["metadata"]["annotations"]
        assert former_lives(annotations)[0] == kept.tombstone
        kept.annotations = kept.annotations | {RESTORED_FROM: annotations[RESTORED_FROM]}
        _same(key, kept, body)
        assert body["metadata"]["finalizers"] == [TRASH_FINALIZER]
        self.trash.remove(entry)
        kept.uid, kept.wanted, kept.tombstone = body["metadata"]["uid"], False, ""
        self.live[key] = kept


def _same(key: Key, known: Expected, body: dict[str, Any]) -> None:
    free, _ = SPECS[key[0]]
    metadata = body["metadata"]
    assert body["spec"] == {**known.spec, free: known.text}, f"{key}: another spec"
    assert metadata["labels"] == known.labels, f"{key}: other labels"
    assert metadata["annotations"] == known.annotations, f"{key}: other annotations"


def _reasons(body: dict[str, Any]) -> list[str]:
    return [it["reason"] for it in (body.get("status") or {}).get("conditions", ())]


def _obstacle(body: dict[str, Any]) -> str:
    for condition in body["status"]["conditions"]:
        if condition["type"] == "Deleted":
            assert condition["message"]
            return str(condition["reason"])
    return ""
