"""Random changes of objects that refer to one another, for tests of verdicts."""

import random
from collections.abc import Callable
from typing import Any, Final

from wegent_crds.references import ObjectKey

NAMESPACES: Final = ("default", "ours", "theirs")
NAMES: Final = ("x", "x", "y")
PROVIDERS: Final = ("openai", "anthropic")
PHASES: Final = ("Pending", "Running", "Completed", "Completed", "Failed")
FIXED: Final = frozenset({"prompt", "teamRef", "botRef"})
"""Fields that stay when a field is changed."""
Spec = dict[str, Any]
Event = tuple[str, Any, Any, Any]
"""``put`` with key, spec and phase; ``delete`` with a key; ``label`` with namespace and labels."""


class Changes:
    """A sequence of changes, which depends on the seed alone."""

    def __init__(self, chance: random.Random) -> None:
        self._random = chance
        self._specs: dict[ObjectKey, Spec] = {}
        self._makers: dict[str, Callable[[], Spec]] = {
            "skills": lambda: {"description": "x"},
            "ghosts": lambda: {"systemPrompt": "x", **self._maybe("skillRefs", self._refs)},
            "models": self._model,
            "shells": lambda: {
                "type": "Chat",
                **self._maybe("supportedProviders", lambda: [self._one(PROVIDERS)]),
            },
            "bots": lambda: {
                "ghostRef": self._ref(),
                "shellRef": self._ref(),
                **self._maybe("modelRef", self._ref),
            },
            "teams": lambda: {
                "bots": [{**it, **self._maybe("modelRef", self._ref)} for it in self._refs()]
            },
            "tasks": self._task,
        }

    def events(self, count: int) -> list[Event]:
        """Return changes: objects of each kind and namespace are created, then ``count`` more.

        Half of the later ones change one field of an object, where most faults would hide.
        """
        keys = [ObjectKey(plural, place, "x") for plural in self._makers for place in NAMESPACES]
        keys += [ObjectKey("tasks", place, "y") for place in NAMESPACES]
        self._random.shuffle(keys)
        return [self._put(key) for key in keys] + [self._event() for _ in range(count)]

    def _event(self) -> Event:
        sort = self._random.random()
        if sort < 0.1:
            return "label", self._one(NAMESPACES), self._one(({}, {"team": "red"})), None
        if sort < 0.3 or not self._specs:
            plural = self._one(tuple(self._makers))
            return self._put(ObjectKey(plural, self._one(NAMESPACES), self._one(NAMES)))
        key = self._one(tuple(self._specs))
        if sort < 0.45:
            del self._specs[key]
            return "delete", key, None, None
        spec, other = self._specs[key], self._spec(key.plural)
        name = self._one(tuple(sorted({*spec, *other} - FIXED)) + ("accessFrom",) * 2)
        changed = {field: value for field, value in spec.items() if field != name}
        return self._put(key, {**changed, name: other[name]} if name in other else changed)

    def _put(self, key: ObjectKey, spec: Spec | None = None) -> Event:
        spec = self._spec(key.plural) if spec is None else spec
        self._specs[key] = spec
        return "put", key, spec, self._one(PHASES) if key.plural == "tasks" else None

    def _spec(self, plural: str) -> Spec:
        spec = self._makers[plural]()
        if plural == "tasks":
            return spec
        selectors = {"namespaceSelectors": [{"matchLabels": {"team": "red"}}]}
        return {**spec, **self._maybe("accessFrom", lambda: selectors)}

    def _model(self) -> Spec:
        fallbacks = self._maybe("fallbackRefs", self._refs)
        return {"provider": self._one(PROVIDERS), "model": "m", **fallbacks}

    def _task(self) -> Spec:
        return {
            "prompt": "x",
            self._one(("teamRef", "botRef")): self._ref(),
            **self._maybe("modelRef", self._ref),
            **self._maybe("previousTaskRef", lambda: {"name": self._one(("x", "y"))}),
        }

    def _ref(self) -> Spec:
        return {"name": self._one(NAMES), **self._maybe("namespace", self._namespace)}

    def _refs(self) -> list[Spec]:
        refs = [self._ref(), self._ref()]
        # The schema refuses two equal items.
        return refs[:1] if refs[0] == refs[1] or self._random.random() < 0.6 else refs

    def _namespace(self) -> Any:
        return self._one(NAMESPACES)

    def _maybe(self, field: str, value: Callable[[], Any]) -> Spec:
        return {field: value()} if self._random.random() < 0.5 else {}

    def _one(self, of: tuple[Any, ...]) -> Any:
        return self._random.choice(of)
