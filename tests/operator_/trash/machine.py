"""A model of the trash, with all steps that may happen to it in any order.

The model knows the desired state of each object. ``settle`` waits until the cluster matches the
model: restored objects equal the deleted ones, and an object whose deletion hangs reports it in
its condition ``Deleted`` or in an Event. Between two calls, all steps race with the operator.
"""

import asyncio
import time
import uuid
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.support.api import Api
from tests.support.operator import OperatorProcess
from tests.support.policies import FINALIZERS_STAY, Refusing, lift_quota, put_quota
from tests.support.waiting import eventually
from wegent_crds.registry import BY_PLURAL, TOMBSTONE
from wegent_crds.well_known import CHANGED_BY, CREATED_BY, RESTORED_FROM, TRASH_FINALIZER
from wegent_kube import ApiError
from wegent_kube.content_types import MERGE_PATCH
from wegent_kube.resources import EVENTS, NAMESPACES, resource_of

TOMBSTONES: Final = resource_of(TOMBSTONE)
T = TypeVar("T")
Key = tuple[str, str]

FOREIGN: Final = ("example.com/backup", "second-example.com/a-longer-name")
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
PLACES: Final = 4
"""Objects of one run; few, so that steps meet on the same one."""
REASONS: Final = (None, "Forbidden", "RequestEntityTooLarge")
"""Answers of a third party's policy: 422, 403, 413. There are no others."""
CASCADES: Final = (None, None, "Background", "Foreground", "Orphan")
NUMBERS: Final = st.sampled_from(range(10_000))
"""All alike likely; of plain integers hypothesis prefers the small ones."""
TEXTS: Final = st.sampled_from(["one", "two", "\N{GRINNING FACE}", "字" * 50])


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


@dataclass
class World:
    """The API and the operator that the machine uses; created once for all runs."""

    api: Api
    operator: OperatorProcess
    loop: asyncio.AbstractEventLoop
    steps: list[str] = field(default_factory=list)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` on the loop's own thread."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(180)


class TrashMachine(RuleBasedStateMachine):
    """Runs steps against the real API server and the real operator."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.live: dict[Key, Expected] = {}
        self.trash: list[tuple[Key, Expected]] = []
        self.keys: list[Key] = []
        self.quota = False
        self.full: str = ""
        """The kind of which there may be no more objects."""
        self.policy: Refusing | None = None
        self.namespace = f"model-{uuid.uuid4().hex[:8]}"
        self.edits = 0
        self.world.steps[:] = [f"namespace {self.namespace}"]
        self.world.run(self.api.create_namespace(self.namespace))

    @property
    def api(self) -> Api:
        """The administrator's client."""
        return self.world.api

    def note(self, step: str) -> None:
        """Keep a step for the failure's message."""
        self.world.steps.append(step)

    # Steps

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

    @initialize(start=NUMBERS)
    def some_objects(self, start: int) -> None:
        """Begin with one that another controller holds, and one that none does."""
        plurals = list(SPECS)
        others = [(plurals[(start + step) % len(plurals)], "a") for step in range(PLACES - 1)]
        self.keys = [*others, (others[0][0], "b")]
        self.create(0, "one", foreign=start % 2 + 1)
        self.create(0, "two", foreign=0)

    @rule(step=NUMBERS, choice=NUMBERS, text=TEXTS)
    def step(self, step: int, choice: int, text: str) -> None:
        """Do one of the things that can be done now, the telling ones more often.

        One rule for all: hypothesis leaves out rules at random, and would try little else than
        the operator's restarts in one run and nothing but edits in the next.
        """
        able: list[Callable[[], None]] = [
            *[lambda: self.create(choice, text, foreign=(0, 0, 1, 2)[choice % 4])]
            * 2
            * bool(self.free()),
            *[lambda: self.edit(choice, text)] * 3 * bool(self.live),
            *[lambda: self.delete(choice)] * 4 * bool(self.alive()),
            *[lambda: self.restore(choice)] * 4 * bool(self.restorable()),
            *[lambda: self.another_controller_is_done(choice)]
            * 2
            * bool(self.foreign() and self.policy is None),
            *[self.settle] * 3 * self.world.operator.running(),
            *[self.toggle_operator] * (1 if self.world.operator.running() else 3),
            self.toggle_quota,
            lambda: self.toggle_room_for_a_kind(choice),
            lambda: self.toggle_policy(choice),
        ]
        able[step % len(able)]()

    def create(self, choice: int, text: str, *, foreign: int) -> None:
        """Create an object whose name is free."""
        key = _chosen(self.free(), choice)
        plural, name = key
        free, spec = SPECS[plural]
        self.note(f"create {key} {text[:4]} foreign={foreign}")
        made = self.world.run(
            self._create(
                plural,
                name,
                spec | {free: text},
                labels={"app": "x"},
                annotations={"note": text},
                finalizers=[*FOREIGN[:foreign]],
            )
        )
        metadata = made["metadata"]
        assert metadata["annotations"][CREATED_BY]
        self.live[key] = Expected(
            text,
            metadata["labels"],
            metadata["annotations"],
            made["spec"],
            metadata["uid"],
            foreign=FOREIGN[:foreign],
        )

    def edit(self, choice: int, text: str) -> None:
        """Edit an object, also while it is being deleted."""
        # Those that are being deleted first: they are the interesting ones.
        going = [key for key, it in self.live.items() if it.deleting]
        key = _chosen(going or list(self.live), choice)
        known = self.live[key]
        self.edits += 1
        free, _ = SPECS[key[0]]
        labels = {**known.labels, "edit": str(self.edits)}
        metadata = {"labels": labels, "annotations": {"note": text}, "uid": known.uid}
        if self._patch(key, {"metadata": metadata, "spec": {free: text}}):
            if text != known.text:  # one user makes all of the run's changes
                changed_by = {CHANGED_BY: known.annotations[CREATED_BY]}
                known.annotations = known.annotations | changed_by
            known.text, known.labels = text, labels
            known.annotations = known.annotations | {"note": text}
            self.note(f"edit {key} {self.edits}")

    def delete(self, choice: int) -> None:
        """Ask for an object's deletion."""
        key = _chosen(self.alive(), choice)
        known = self.live[key]
        cascade = CASCADES[choice % len(CASCADES)]
        self.note(f"delete {key} {cascade or ''}")
        path = resource_of(BY_PLURAL[key[0]]).path(self.namespace, key[1])
        body = {"propagationPolicy": cascade} if cascade else None
        self.world.run(self.api.client.request("DELETE", path, body=body))
        known.deleting = True

    def another_controller_is_done(self, choice: int) -> None:
        """Take one foreign finalizer off, as controllers do: each its own."""
        key = _chosen(self.foreign(), choice)
        known = self.live[key]
        self.world.run(self._take_off(key, known.foreign[-1]))
        known.foreign = known.foreign[:-1]
        self.note(f"foreign off {key}, left {known.foreign}")

    def restore(self, choice: int) -> None:
        """Request a restore; the name may be taken."""
        key = _chosen(self.restorable(), choice)
        mine = [it for other, it in self.trash if other == key]
        self.note(f"restore {key} {mine[-1].tombstone}")
        patch = {"spec": {"restore": True}}
        self.world.run(self.api.merge("tombstones", self.namespace, mine[-1].tombstone, patch))
        mine[-1].wanted = True

    def toggle_quota(self) -> None:
        """Let there be no room for Tombstones, or let there be again."""
        toggle = lift_quota if self.quota else put_quota
        self.note(toggle.__name__)
        self.world.run(toggle(self.api.client, self.namespace, "tombstones"))
        self.quota = not self.quota

    def toggle_room_for_a_kind(self, choice: int) -> None:
        """Let there be no more objects of one kind, also none restored, or let there be again."""
        if self.full:
            self.note(f"room for {self.full}")
            self.world.run(lift_quota(self.api.client, self.namespace, self.full))
            self.full = ""
        else:
            self.full = _chosen(self.keys, choice)[0]
            self.note(f"no room for {self.full}")
            self.world.run(put_quota(self.api.client, self.namespace, self.full))

    def toggle_policy(self, choice: int = 0) -> None:
        """Let a third party keep finalizers as they are, or no longer."""
        if self.policy is None:
            reason = REASONS[choice % len(REASONS)]
            self.note(f"policy on {reason}")
            policy = Refusing(
                self.api.client,
                self.namespace,
                list(SPECS),
                expression=FINALIZERS_STAY,
                reason=reason,
            )
            self.world.run(policy.put_in_force())
            self.policy = policy
        else:
            self.note("policy off")
            policy, self.policy = self.policy, None
            self.world.run(policy.withdraw())

    def toggle_operator(self) -> None:
        """Kill the operator, or start it again."""
        if self.world.operator.running():
            self.note("kill the operator")
            self.world.operator.kill()
        else:
            self.note("start the operator")
            self.world.operator.start()

    def settle(self) -> None:
        """Wait until everything is as it should be."""
        self.note("settle")
        self.world.run(self._settle())

    def teardown(self) -> None:
        """Let everything go its way, and see that it does."""
        try:
            if not self.world.operator.running():
                self.toggle_operator()
            if self.policy is not None:
                self.toggle_policy()
            if self.quota:
                self.toggle_quota()
            if self.full:
                self.toggle_room_for_a_kind(0)
            while self.foreign():
                self.another_controller_is_done(0)
            self.settle()
        finally:
            self.world.run(self._delete_namespace())

    # The model against the cluster

    def _patch(self, key: Key, patch: dict[str, Any]) -> bool:
        """Patch an object; return False where it was gone before that."""
        path = resource_of(BY_PLURAL[key[0]]).path(self.namespace, key[1])
        work = self.api.client.request("PATCH", path, body=patch, content_type=MERGE_PATCH)
        try:
            self.world.run(work)
        except ApiError as error:
            # Gone; another of that name (the uid); or released, and not to be held again.
            late = error.is_not_found or error.is_conflict or error.is_invalid
            if late and self.live[key].deleting:
                return False
            raise
        return True

    async def _create(
        self, plural: str, name: str, spec: dict[str, Any], **metadata: Any
    ) -> dict[str, Any]:
        async def create() -> dict[str, Any]:
            try:
                return await self.api.create(plural, self.namespace, name, spec, **metadata)
            except ApiError as error:
                # The API server hears of a quota's end a moment later.
                if "exceeded quota" in error.message:
                    raise AssertionError(error.message) from error
                raise

        return await eventually(create, within_s=SETTLED_WITHIN_S, what="room for an object")

    async def _take_off(self, key: Key, finalizer: str) -> None:
        path = resource_of(BY_PLURAL[key[0]]).path(self.namespace, key[1])
        while True:
            body = await self.api.client.request("GET", path)
            left = [it for it in body["metadata"]["finalizers"] if it != finalizer]
            version = body["metadata"]["resourceVersion"]
            patch = {"metadata": {"finalizers": left, "resourceVersion": version}}
            try:
                await self.api.client.request("PATCH", path, body=patch, content_type=MERGE_PATCH)
            except ApiError as error:
                if not error.is_conflict:
                    raise
            else:
                return

    async def _settle(self) -> None:
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
        assert annotations[RESTORED_FROM] == kept.tombstone
        kept.annotations = kept.annotations | {RESTORED_FROM: kept.tombstone}
        _same(key, kept, body)
        assert body["metadata"]["finalizers"] == [TRASH_FINALIZER]
        self.trash.remove(entry)
        kept.uid, kept.wanted, kept.tombstone = body["metadata"]["uid"], False, ""
        self.live[key] = kept

    async def _delete_namespace(self) -> None:
        for (plural, name), known in self.live.items():
            if known.foreign:
                patch = {"metadata": {"finalizers": [TRASH_FINALIZER]}}
                await self.api.merge(plural, self.namespace, name, patch)
        await self.api.client.request("DELETE", NAMESPACES.path(None, self.namespace))


def _chosen(keys: list[Key], choice: int) -> Key:
    return keys[choice % len(keys)]


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
