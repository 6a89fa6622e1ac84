"""All steps that may happen to the trash, in any order, each of which changes the model too.

Between two calls of ``settle``, all steps race with the operator.
"""

import asyncio
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.operator_.trash.model import SETTLED_WITHIN_S, SPECS, Expected, Key, Model
from tests.support.api import Api
from tests.support.operator import OperatorProcess
from tests.support.policies import FINALIZERS_STAY, Refusing, lift_quota, put_quota
from tests.support.waiting import eventually
from wegent_crds.registry import BY_PLURAL
from wegent_crds.well_known import CHANGED_BY, CREATED_BY, TRASH_FINALIZER
from wegent_kube import ApiError
from wegent_kube.content_types import MERGE_PATCH
from wegent_kube.resources import NAMESPACES, resource_of

T = TypeVar("T")

FOREIGN: Final = ("example.com/backup", "second-example.com/a-longer-name")
PLACES: Final = 4
"""Objects of one run; few, so that steps meet on the same one."""
REASONS: Final = (None, "Forbidden", "RequestEntityTooLarge")
"""Answers of a third party's policy: 422, 403, 413. There are no others."""
CASCADES: Final = (None, None, "Background", "Foreground", "Orphan")
NUMBERS: Final = st.sampled_from(range(10_000))
"""All alike likely; of plain integers hypothesis prefers the small ones."""
TEXTS: Final = st.sampled_from(["one", "two", "\N{GRINNING FACE}", "字" * 50])


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
        namespace = f"model-{uuid.uuid4().hex[:8]}"
        self.model = Model(self.world.api, namespace)
        self.world.steps[:] = [f"namespace {namespace}"]
        self.world.run(self.api.create_namespace(namespace))

    @property
    def api(self) -> Api:
        """The administrator's client."""
        return self.world.api

    def note(self, step: str) -> None:
        """Keep a step for the failure's message."""
        self.world.steps.append(step)

    # Steps

    @initialize(start=NUMBERS)
    def some_objects(self, start: int) -> None:
        """Begin with one that another controller holds, and one that none does."""
        plurals = list(SPECS)
        others = [(plurals[(start + step) % len(plurals)], "a") for step in range(PLACES - 1)]
        self.model.keys = [*others, (others[0][0], "b")]
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
            * bool(self.model.free()),
            *[lambda: self.edit(choice, text)] * 3 * bool(self.model.live),
            *[lambda: self.delete(choice)] * 4 * bool(self.model.alive()),
            *[lambda: self.restore(choice)] * 4 * bool(self.model.restorable()),
            *[lambda: self.another_controller_is_done(choice)]
            * 2
            * bool(self.model.foreign() and self.model.policy is None),
            *[self.settle] * 3 * self.world.operator.running(),
            *[self.toggle_operator] * (1 if self.world.operator.running() else 3),
            self.toggle_quota,
            lambda: self.toggle_room_for_a_kind(choice),
            lambda: self.toggle_policy(choice),
        ]
        able[step % len(able)]()

    def create(self, choice: int, text: str, *, foreign: int) -> None:
        """Create an object whose name is free."""
        key = _chosen(self.model.free(), choice)
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
        self.model.live[key] = Expected(
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
        going = [key for key, it in self.model.live.items() if it.deleting]
        key = _chosen(going or list(self.model.live), choice)
        known = self.model.live[key]
        self.model.edits += 1
        free, _ = SPECS[key[0]]
        labels = {**known.labels, "edit": str(self.model.edits)}
        metadata = {"labels": labels, "annotations": {"note": text}, "uid": known.uid}
        if self._patch(key, {"metadata": metadata, "spec": {free: text}}):
            if text != known.text:  # one user makes all of the run's changes
                changed_by = {CHANGED_BY: known.annotations[CREATED_BY]}
                known.annotations = known.annotations | changed_by
            known.text, known.labels = text, labels
            known.annotations = known.annotations | {"note": text}
            self.note(f"edit {key} {self.model.edits}")

    def delete(self, choice: int) -> None:
        """Ask for an object's deletion."""
        key = _chosen(self.model.alive(), choice)
        known = self.model.live[key]
        cascade = CASCADES[choice % len(CASCADES)]
        self.note(f"delete {key} {cascade or ''}")
        path = resource_of(BY_PLURAL[key[0]]).path(self.model.namespace, key[1])
        body = {"propagationPolicy": cascade} if cascade else None
        self.world.run(self.api.client.request("DELETE", path, body=body))
        known.deleting = True

    def another_controller_is_done(self, choice: int) -> None:
        """Take one foreign finalizer off, as controllers do: each its own."""
        key = _chosen(self.model.foreign(), choice)
        known = self.model.live[key]
        self.world.run(self._take_off(key, known.foreign[-1]))
        known.foreign = known.foreign[:-1]
        self.note(f"foreign off {key}, left {known.foreign}")

    def restore(self, choice: int) -> None:
        """Request a restore; the name may be taken."""
        key = _chosen(self.model.restorable(), choice)
        mine = [it for other, it in self.model.trash if other == key]
        self.note(f"restore {key} {mine[-1].tombstone}")
        patch = {"spec": {"restore": True}}
        self.world.run(
            self.api.merge("tombstones", self.model.namespace, mine[-1].tombstone, patch)
        )
        mine[-1].wanted = True

    def toggle_quota(self) -> None:
        """Let there be no room for Tombstones, or let there be again."""
        toggle = lift_quota if self.model.quota else put_quota
        self.note(toggle.__name__)
        self.world.run(toggle(self.api.client, self.model.namespace, "tombstones"))
        self.model.quota = not self.model.quota

    def toggle_room_for_a_kind(self, choice: int) -> None:
        """Let there be no more objects of one kind, also none restored, or let there be again."""
        if self.model.full:
            self.note(f"room for {self.model.full}")
            self.world.run(lift_quota(self.api.client, self.model.namespace, self.model.full))
            self.model.full = ""
        else:
            self.model.full = _chosen(self.model.keys, choice)[0]
            self.note(f"no room for {self.model.full}")
            self.world.run(put_quota(self.api.client, self.model.namespace, self.model.full))

    def toggle_policy(self, choice: int = 0) -> None:
        """Let a third party keep finalizers as they are, or no longer."""
        if self.model.policy is None:
            reason = REASONS[choice % len(REASONS)]
            self.note(f"policy on {reason}")
            policy = Refusing(
                self.api.client,
                self.model.namespace,
                list(SPECS),
                expression=FINALIZERS_STAY,
                reason=reason,
            )
            self.world.run(policy.put_in_force())
            self.model.policy = policy
        else:
            self.note("policy off")
            policy, self.model.policy = self.model.policy, None
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
        self.world.run(self.model.settle())

    def teardown(self) -> None:
        """Let everything go its way, and see that it does."""
        try:
            if not self.world.operator.running():
                self.toggle_operator()
            if self.model.policy is not None:
                self.toggle_policy()
            if self.model.quota:
                self.toggle_quota()
            if self.model.full:
                self.toggle_room_for_a_kind(0)
            while self.model.foreign():
                self.another_controller_is_done(0)
            self.settle()
        finally:
            self.world.run(self._delete_namespace())

    # Requests

    def _patch(self, key: Key, patch: dict[str, Any]) -> bool:
        """Patch an object; return False where it was gone before that."""
        path = resource_of(BY_PLURAL[key[0]]).path(self.model.namespace, key[1])
        work = self.api.client.request("PATCH", path, body=patch, content_type=MERGE_PATCH)
        try:
            self.world.run(work)
        except ApiError as error:
            # Gone; another of that name (the uid); or released, and not to be held again.
            late = error.is_not_found or error.is_conflict or error.is_invalid
            if late and self.model.live[key].deleting:
                return False
            raise
        return True

    async def _create(
        self, plural: str, name: str, spec: dict[str, Any], **metadata: Any
    ) -> dict[str, Any]:
        async def create() -> dict[str, Any]:
            try:
                return await self.api.create(plural, self.model.namespace, name, spec, **metadata)
            except ApiError as error:
                # The API server hears of a quota's end a moment later.
                if "exceeded quota" in error.message:
                    raise AssertionError(error.message) from error
                raise

        return await eventually(create, within_s=SETTLED_WITHIN_S, what="room for an object")

    async def _take_off(self, key: Key, finalizer: str) -> None:
        path = resource_of(BY_PLURAL[key[0]]).path(self.model.namespace, key[1])
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

    async def _delete_namespace(self) -> None:
        for (plural, name), known in self.model.live.items():
            if known.foreign:
                patch = {"metadata": {"finalizers": [TRASH_FINALIZER]}}
                await self.api.merge(plural, self.model.namespace, name, patch)
        await self.api.client.request("DELETE", NAMESPACES.path(None, self.model.namespace))


def _chosen(keys: list[Key], choice: int) -> Key:
    return keys[choice % len(keys)]
