"""Objects under load beside objects that nobody changes, and the three verdicts on a fault.

After a fault, the cache of the operator equals a fresh list, each status equals a fresh evaluation
by the naive evaluator, and each object that was created still exists or is in the trash. The
objects that nobody changes got no write. ``WEGENT_FAULTS_SEED`` selects other changes.
"""

import asyncio
import os
import uuid
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final, Self

from prometheus_client.parser import text_string_to_metric_families

from tests.operator_.faults.load import PLACES, Load
from tests.operator_.trash.obstacles import event_of
from tests.support.api import Api
from tests.support.audit import AuditLog, Request
from tests.support.naive_verdicts import Cluster
from tests.support.operator import OperatorProcess
from tests.support.waiting import eventually
from tests.support.wegent import OPERATOR_USER
from wegent_crds.registry import BY_PLURAL, KINDS
from wegent_kube import KubeError
from wegent_kube.resources import NAMESPACES, resource_of

SEED: Final = int(os.environ.get("WEGENT_FAULTS_SEED", "14"))
SETTLED_WITHIN_S: Final = 120.0
LOOK_EVERY_S: Final = 0.3
UNREADY: Final = "unready"
"""The Team at rest that is not ready, and so has an Event."""


@dataclass
class Scene:
    """The namespaces of one test, with the load on two of them."""

    api: Api
    audit: AuditLog
    load: Load
    still: str
    """The namespace of the objects that nobody changes."""
    at_rest: list[dict[str, Any]]

    @classmethod
    async def set(cls, api: Api, audit: AuditLog, operators: Collection[OperatorProcess]) -> Self:
        """Create the namespaces and objects, and wait until all have their verdicts."""
        prefix = f"fault-{uuid.uuid4().hex[:6]}"
        names = [f"{prefix}-{part}" for part in ("a", "b", "still")]
        for name in names:
            await api.create_namespace(name)
        load = Load(api, (names[0], names[1]), seed=SEED)
        await load.fill()
        scene = cls(api, audit, load, names[2], [])
        await _objects_at_rest(api, scene.still)
        await scene.settled(operators)
        await event_of(api, scene.still, UNREADY, "RefNotFound")  # it may be late
        scene.at_rest = await scene.resting()
        scene.audit = audit.from_now()
        load.changes.clear()
        return scene

    async def resting(self) -> list[dict[str, Any]]:
        """Return the objects that nobody changes, whole."""
        return [it for plural in PLACES for it in await self.api.list(plural, self.still)]

    async def settled(self, operators: Collection[OperatorProcess]) -> None:
        """Wait until verdicts and caches equal a fresh evaluation of a fresh list."""

        async def probe() -> bool:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                lists = {kind.plural: await self._all(kind.plural) for kind in KINDS}
                labels = await _labels(self.api)
            except KubeError as error:  # a server that has just started
                raise AssertionError(str(error)) from error
            names = (self.still, *self.load.namespaces)
            self._compare_verdicts(lists, labels, names)
            for operator in operators:
                page = (await asyncio.to_thread(operator.get, "/metrics"))[1]
                cached, listed = counts_in_cache(page), _counts(lists)
                assert cached == listed, f"cached: {cached}, listed: {listed}"
            return True

        try:
            await eventually(probe, within_s=SETTLED_WITHIN_S, what="every verdict to be right")
        except AssertionError as error:
            tails = "\n".join(operator.tail() for operator in operators)
            raise AssertionError(f"{error}\n{tails}") from error

    async def survived(
        self, operators: Collection[OperatorProcess], *, without: Collection[str] = ()
    ) -> None:
        """Check all three verdicts; ``without`` are kinds and namespaces that are lost rightly."""
        await self.settled(operators)
        await self.nothing_flapped()
        await self.nothing_lost(without=without)

    async def nothing_flapped(self) -> None:
        """Check that no write was without a cause."""
        changed = [it for it in await self.resting() if it not in self.at_rest]
        assert not changed, f"written without a cause: {changed}"
        requests = self.audit.writes(user=OPERATOR_USER)
        idle = [
            (it.verb, it.resource, it.name, it.code)
            for it in requests
            if it.namespace == self.still
        ]
        assert not idle, f"written without a cause: {idle}"
        self._writes_have_causes(requests)

    async def nothing_lost(self, *, without: Collection[str] = ()) -> None:
        """Check that each object that was created exists, or is in the trash as it last was.

        Args:
            without: kinds and namespaces that were deleted.
        """
        there, trash = {}, {}
        for namespace in self.load.namespaces:
            for plural in PLACES:
                for body in await self.api.list(plural, namespace):
                    there[body["metadata"]["uid"]] = body
            for body in await self.api.list("tombstones", namespace):
                trash[body["metadata"]["name"]] = body["spec"]["object"]
        known = [
            (uid, made)
            for uid, made in self.load.made.items()
            if not {made.plural, made.namespace} & set(without)
        ]
        assert known
        for uid, made in known:
            kept = there.get(uid) or trash.get(f"{BY_PLURAL[made.plural].singular}-{uid}")
            assert kept is not None, f"{made} is lost"
            if (made.plural, made.namespace, made.name) not in self.load.unsure:
                assert kept["spec"] == made.spec, f"{made} is kept as {kept}"

    async def _all(self, plural: str) -> list[dict[str, Any]]:
        path = resource_of(BY_PLURAL[plural]).path()
        return [item async for page in self.api.client.pages(path) for item in page["items"]]

    def _compare_verdicts(
        self,
        lists: dict[str, list[dict[str, Any]]],
        labels: dict[str, dict[str, str]],
        namespaces: Collection[str],
    ) -> None:
        cluster = Cluster({plural: lists[plural] for plural in PLACES}, labels)
        for (plural, namespace, name), body in cluster.objects.items():
            if namespace not in namespaces:
                continue
            title = f"{plural} {namespace}/{name}"
            assert "deletionTimestamp" not in body["metadata"], f"{title} still hangs"
            status = body["status"]
            conditions = {it["type"]: it for it in status["conditions"]}
            said = {type_: (it["status"], it["reason"]) for type_, it in conditions.items()}
            expected = cluster.expected(plural, body)
            assert said == expected, f"{title} says {said}, should say {expected}"
            observed = {it["observedGeneration"] for it in (status, *conditions.values())}
            assert observed == {body["metadata"]["generation"]}, f"{title} observed {observed}"
            assert status["ready"] == said["Ready"][0], f"{title}: status.ready"
            fields, others = cluster.faulty_fields(plural, body)
            message = conditions["Ready"].get("message", "")
            assert all(it in message for it in fields), (title, fields, message)
            assert not any(f"{it}:" in message for it in others), (title, others, message)

    def _writes_have_causes(self, requests: Iterable[Request]) -> None:
        """Check objects that refer to nothing: each status write has a change of the object."""
        writes = Counter(
            (it.resource, it.namespace, it.name)
            for it in requests
            if it.subresource == "status" and it.code < 400
        )
        assert writes, "the operator wrote nothing under the load"
        for key, count in writes.items():
            if key[0] in {"skills", "models", "shells"} and key[1] in self.load.namespaces:
                changes = self.load.changes[key]
                events = [
                    it.event for it in requests if (it.resource, it.namespace, it.name) == key
                ]
                assert count <= changes, f"{key}: {count} writes for {changes} changes: {events}"


async def _objects_at_rest(api: Api, namespace: str) -> None:
    specs: list[tuple[str, str, dict[str, Any]]] = [
        ("teams", UNREADY, {"bots": [{"name": "none"}]})
    ]
    for number in range(3):
        bots = [f"b{number}-{each}" for each in range(4)]
        refs = {
            "ghostRef": {"name": f"g{number}"},
            "modelRef": {"name": f"m{number}"},
            "shellRef": {"name": f"s{number}"},
        }
        specs += [
            ("ghosts", f"g{number}", {"systemPrompt": "You help."}),
            ("models", f"m{number}", {"provider": "openai", "model": "gpt-4"}),
            ("shells", f"s{number}", {"type": "Chat"}),
            *(("bots", name, refs) for name in bots),
            ("teams", f"t{number}", {"bots": [{"name": name} for name in bots]}),
        ]
    work = (api.create(plural, namespace, name, spec) for plural, name, spec in specs)
    await asyncio.gather(*work)


async def _labels(api: Api) -> dict[str, dict[str, str]]:
    found = await api.client.request("GET", NAMESPACES.path())
    return {it["metadata"]["name"]: it["metadata"].get("labels", {}) for it in found["items"]}


def counts_in_cache(page: str) -> dict[tuple[str, str], int]:
    """Return the number of objects in an operator's cache, by kind and reason of Ready."""
    return {
        (sample.labels["kind"], sample.labels["reason"]): int(sample.value)
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == "wegent_operator_objects" and sample.value
    }


def _counts(lists: dict[str, list[dict[str, Any]]]) -> dict[tuple[str, str], int]:
    found: Counter[tuple[str, str]] = Counter()
    for plural, bodies in lists.items():
        for body in bodies:
            conditions = (body.get("status") or {}).get("conditions", [])
            reasons = [it["reason"] for it in conditions if it["type"] == "Ready"]
            found[BY_PLURAL[plural].kind, (reasons or [""])[0]] += 1
    return dict(found)
