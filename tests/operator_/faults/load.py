"""Mixed changes of all kinds with references, in two namespaces that refer to each other.

Each change is made by an administrator over a connection of its own, which the test's faults may
hit too: a change without an answer may have been made or not.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.api import Api
from wegent_crds.registry import API_VERSION, BY_PLURAL
from wegent_kube import ApiError, Unreachable
from wegent_kube.content_types import MERGE_PATCH
from wegent_kube.resources import NAMESPACES, resource_of

PLACES: Final = {
    "skills": 3, "ghosts": 6, "models": 4, "shells": 3, "bots": 12, "teams": 6, "tasks": 4
}  # fmt: skip
"""Names of each kind in a namespace; few, so that changes meet on the same objects."""
AT_ONCE: Final = 8
PROVIDERS: Final = ("openai", "anthropic")
LABEL: Final = {"team": "docs"}
ACCESS: Final[tuple[list[dict[str, Any]] | None, ...]] = (None, [], [{}], [{"matchLabels": LABEL}])


@dataclass
class Made:
    """An object as the API server last answered with it."""

    plural: str
    namespace: str
    name: str
    generation: int
    spec: Mapping[str, Any]


@dataclass
class Load:
    """Makes changes, and keeps the last answer about each object that it created."""

    api: Api
    namespaces: tuple[str, str]
    seed: int
    made: dict[str, Made] = field(default_factory=dict)
    """By uid."""
    unsure: set[tuple[str, str, str]] = field(default_factory=set)
    """Objects with a change that got no answer."""
    changes: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Changes by object, made or without an answer."""
    refused: int = 0
    """Changes that a server refused for a reason of its own, or did not answer."""
    done: int = 0
    """Changes that the API server has made."""

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    async def fill(self) -> None:
        """Create an object of each name, so that changes have something to meet."""
        for plural, places in PLACES.items():
            await asyncio.gather(
                *(
                    self._create(plural, namespace, f"{plural[0]}{number}")
                    for namespace in self.namespaces
                    for number in range(places)
                )
            )

    async def run(self, changes: int) -> None:
        """Make so many changes, eight at once."""
        left = iter(range(changes))

        async def work() -> None:
            for _ in left:
                await self._change()

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(work())

    async def _change(self) -> None:
        namespace = self._random.choice(self.namespaces)
        if self._random.random() < 0.05:
            await self._label(namespace)
            return
        (plural,) = self._random.choices(list(PLACES), list(PLACES.values()))
        name = f"{plural[0]}{self._random.randrange(PLACES[plural])}"
        if await self._create(plural, namespace, name):
            return
        if plural == "tasks" or self._random.random() < 0.4:
            await self._delete(plural, namespace, name)
        else:
            await self._edit(plural, namespace, name)

    async def _label(self, namespace: str) -> None:
        value = self._random.choice((LABEL["team"], None))
        patch = {"metadata": {"labels": {"team": value}}}
        await self._send(
            ("namespaces", "", namespace),
            "PATCH",
            NAMESPACES.path(None, namespace),
            body=patch,
            content_type=MERGE_PATCH,
        )

    async def _create(self, plural: str, namespace: str, name: str) -> bool:
        kind = BY_PLURAL[plural]
        body = {
            "apiVersion": API_VERSION,
            "kind": kind.kind,
            "metadata": {"name": name},
            "spec": {
                name: value
                for name, value in self._spec(plural, namespace).items()
                if value is not None
            },
        }
        key = plural, namespace, name
        return await self._send(key, "POST", resource_of(kind).path(namespace), body=body)

    async def _edit(self, plural: str, namespace: str, name: str) -> None:
        patch = {"spec": {"accessFrom": None, "modelRef": None} | self._spec(plural, namespace)}
        if plural in {"skills", "ghosts", "models", "shells"}:
            del patch["spec"]["modelRef"]
        path = resource_of(BY_PLURAL[plural]).path(namespace, name)
        key = plural, namespace, name
        await self._send(key, "PATCH", path, body=patch, content_type=MERGE_PATCH)

    async def _delete(self, plural: str, namespace: str, name: str) -> None:
        path = resource_of(BY_PLURAL[plural]).path(namespace, name)
        await self._send((plural, namespace, name), "DELETE", path)

    async def _send(
        self, key: tuple[str, str, str], method: str, path: str, **options: Any
    ) -> bool:
        """Send a change; return whether it was made."""
        self.changes[key] += 1
        try:
            answer = await self.api.client.request(method, path, **options)
        except Unreachable:
            self.refused += 1
            self.unsure.add(key)
            await asyncio.sleep(0.05)
            return False
        except ApiError as error:
            if error.is_server_error or error.is_too_many_requests:
                self.refused += 1
                self.unsure.add(key)
                await asyncio.sleep(0.05)
            else:
                self.changes[key] -= 1
            return False
        self.done += 1
        metadata = (answer or {}).get("metadata") or {}
        uid = metadata.get("uid")
        # The answer to a deletion of an object without finalizers has no object.
        if uid and key[0] in PLACES and "spec" in answer:
            known = self.made.get(uid)
            if known is None or known.generation < metadata["generation"]:
                self.made[uid] = Made(*key, metadata["generation"], answer["spec"])
        return True

    # Specs

    def _spec(self, plural: str, namespace: str) -> dict[str, Any]:
        pick = self._random
        text = f"text {pick.randrange(10**6)}"
        if plural == "skills":
            spec: dict[str, Any] = {"description": text}
        elif plural == "ghosts":
            skills = pick.sample(range(PLACES["skills"]), pick.choice((0, 0, 1, 2)))
            spec = {
                "systemPrompt": text,
                "skillRefs": [self._ref(namespace, "skills", number) for number in skills],
            }
        elif plural == "models":
            spec = {"provider": pick.choice(PROVIDERS), "model": text}
        elif plural == "shells":
            supported = pick.choice((None, None, ["openai"], list(PROVIDERS)))
            type_ = pick.choice(("Chat", "Chat", "Codex"))
            spec = {"type": type_, "supportedProviders": supported}
        elif plural == "bots":
            spec = {
                "description": text,
                "ghostRef": self._ref(namespace, "ghosts"),
                "shellRef": self._ref(namespace, "shells"),
                **self._model_ref(namespace, 0.8),
            }
        elif plural == "teams":
            bots = pick.sample(range(PLACES["bots"]), pick.choice((1, 2, 3)))
            members = [
                self._ref(namespace, "bots", number) | self._model_ref(namespace, 0.2)
                for number in bots
            ]
            return {"description": text, "bots": members}
        else:
            to = pick.choice(("team", "bot"))
            return {
                "prompt": text,
                f"{to}Ref": self._ref(namespace, f"{to}s"),
                **self._model_ref(namespace, 0.3),
            }
        access = pick.choice(ACCESS)
        return spec | ({} if access is None else {"accessFrom": {"namespaceSelectors": access}})

    def _model_ref(self, namespace: str, chance: float) -> dict[str, Any]:
        if self._random.random() > chance:
            return {}
        return {"modelRef": self._ref(namespace, "models")}

    def _ref(self, namespace: str, plural: str, number: int | None = None) -> dict[str, str]:
        """Return a reference, one in six into the other namespace."""
        if number is None:
            number = self._random.randrange(PLACES[plural])
        ref = {"name": f"{plural[0]}{number}"}
        if self._random.random() < 1 / 6:
            (ref["namespace"],) = set(self.namespaces) - {namespace}
        return ref
