"""A second, naive evaluator of references, with which tests compare the operator's verdicts.

It is written from docs/references.md and docs/conditions.md, and shares no code with the operator.
It walks the references of each object in a whole list of the cluster, and keeps nothing between two
calls. It doesn't know Tasks that have begun to run.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Body = Mapping[str, Any]

SHARED: Final = frozenset({"default"})
SERVED_SHELLS: Final = frozenset({"Chat"})
"""The defaults of the operator's settings."""
MESSAGE_SPELLS_OUT: Final = 8


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference, with its field in the referrer."""

    field: str
    plural: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Fault:
    """A reason for which an object is not ready, with the object's field that leads to it."""

    reason: str
    field: str


class Cluster:
    """All objects of the kinds with references, and the labels of the namespaces."""

    def __init__(
        self, lists: Mapping[str, list[dict[str, Any]]], labels: Mapping[str, Mapping[str, str]]
    ) -> None:
        self.objects: dict[tuple[str, str, str], Body] = {
            (plural, body["metadata"]["namespace"], body["metadata"]["name"]): body
            for plural, bodies in lists.items()
            for body in bodies
        }
        self.labels = dict(labels)

    def expected(self, plural: str, body: Body) -> dict[str, tuple[str, str]]:
        """Return the status and reason of each condition that the object should have."""
        unresolved = self._unresolved(plural, body)
        faults = unresolved or self._unusable(plural, body)
        found = {
            "ResolvedRefs": _outcome(unresolved, "ResolvedRefs"),
            "Ready": _outcome(faults, "Ready"),
        }
        if plural == "tasks":
            found["Accepted"] = ("True", "Accepted")
        unbound = any(not choices for _, choices in self._uses(plural, body))
        if plural in {"bots", "teams"} and not unresolved and unbound:
            found["ModelBound"] = ("False", "ModelNotBound")
        if plural in {"bots", "teams", "tasks"}:
            served = self._served(plural, body)
            if served is not None:
                found["Served"] = ("True", "ShellServed") if served else ("False", "ShellNotServed")
        return found

    def faulty_fields(self, plural: str, body: Body) -> tuple[set[str], set[str]]:
        """Return the fields that the message of Ready must name, and those that it must not."""
        unresolved = self._unresolved(plural, body)
        faults = unresolved or self._unusable(plural, body)
        if len(faults) > MESSAGE_SPELLS_OUT:
            return set(), set()
        fields = {fault.field for fault in faults}
        # Below a referent that is not ready, the message names the referent's fields too.
        others = {ref.field for ref in _refs(plural, body)} if unresolved else set()
        return fields, others - fields

    def _get(self, ref: Ref) -> Body | None:
        return self.objects.get((ref.plural, ref.namespace, ref.name))

    def _unresolved(self, plural: str, body: Body) -> list[Fault]:
        found = []
        for ref in _refs(plural, body):
            if not self._permitted(body["metadata"]["namespace"], ref):
                found.append(Fault("RefNotPermitted", ref.field))
            elif self._get(ref) is None:
                found.append(Fault("RefNotFound", ref.field))
        return found

    def _permitted(self, home: str, ref: Ref) -> bool:
        if ref.namespace == home or ref.namespace in SHARED:
            return True
        referent, labels = self._get(ref), self.labels.get(home, {})
        if referent is None:
            return False
        selectors = (referent["spec"].get("accessFrom") or {}).get("namespaceSelectors", [])
        return any(
            all(labels.get(key) == value for key, value in it.get("matchLabels", {}).items())
            for it in selectors
        )

    def _unusable(self, plural: str, body: Body) -> list[Fault]:
        found = list(_duplicates(plural, body))
        for ref in _refs(plural, body):
            referent = self._get(ref)
            assert referent is not None
            if ref.plural == "tasks":
                ready = referent.get("status", {}).get("phase") == "Completed"
            else:
                # Fallbacks are Models too: only their existence matters.
                ready = ref.plural == plural or self._is_ready(ref.plural, referent)
            if not ready:
                found.append(Fault("RefNotReady", ref.field))
        return found or list(self._model_faults(plural, body))

    def _is_ready(self, plural: str, body: Body) -> bool:
        return not (self._unresolved(plural, body) or self._unusable(plural, body))

    def _uses(self, plural: str, body: Body) -> Iterator[tuple[Body, list[tuple[Body, Ref]]]]:
        """Yield each Bot to which an object leads, with the objects that name a Model for it."""
        refs = {ref.field: ref for ref in _refs(plural, body)}
        own = [(body, refs["spec.modelRef"])] if "spec.modelRef" in refs else []
        if plural == "bots":
            yield body, own
        for field, ref in refs.items():
            referent = self._get(ref)
            if ref.plural in {"bots", "teams"} and referent is not None:
                member = refs.get(f"{field}.modelRef")
                named = [*own, *([(body, member)] if member else [])]
                for bot, inner in self._uses(ref.plural, referent):
                    yield bot, [*named, *inner]

    def _model_faults(self, plural: str, body: Body) -> Iterator[Fault]:
        home = body["metadata"]["namespace"]
        for bot, choices in self._uses(plural, body):
            if not choices:
                if plural == "tasks":
                    yield Fault("ModelNotBound", "spec.modelRef")
                continue
            (by, ref), *replaced = choices
            if by is not body:
                continue
            if any(other["metadata"]["namespace"] != home for other, _ in replaced):
                yield Fault("ModelNotReplaceable", ref.field)
                continue
            model = self._get(ref)
            (shell_ref,) = (it for it in _refs("bots", bot) if it.plural == "shells")
            shell = self._get(shell_ref)
            supported = (shell or {"spec": {}})["spec"].get("supportedProviders")
            called = [model, *map(self._get, _refs("models", model))] if model else []
            providers = {it["spec"]["provider"] for it in called if it}
            if supported and not providers <= {*supported}:
                yield Fault(
                    "ProviderNotSupported", "spec.shellRef" if plural == "bots" else ref.field
                )

    def _served(self, plural: str, body: Body) -> bool | None:
        """Return whether runners serve all Shells; None if that can't be told."""
        leads_to = {"bots": {"shells"}, "teams": {"bots"}, "tasks": {"teams", "bots"}}[plural]
        answers: list[bool | None] = []
        for ref in _refs(plural, body):
            if ref.plural not in leads_to:
                continue
            referent = self._get(ref)
            if referent is None or not self._permitted(body["metadata"]["namespace"], ref):
                answers.append(None)
            elif ref.plural == "shells":
                answers.append(referent["spec"]["type"] in SERVED_SHELLS)
            else:
                answers.append(self._served(ref.plural, referent))
        if False in answers:
            return False
        return None if None in answers else True


def _outcome(faults: list[Fault], good: str) -> tuple[str, str]:
    return ("False", faults[0].reason) if faults else ("True", good)


def _duplicates(plural: str, body: Body) -> Iterator[Fault]:
    """Yield each reference to the object itself, then each repeated item of a list."""
    metadata = body["metadata"]
    own, seen = (plural, metadata["namespace"], metadata["name"]), set()
    refs = [(ref, (ref.plural, ref.namespace, ref.name)) for ref in _refs(plural, body)]
    yield from (Fault("DuplicateRef", ref.field) for ref, target in refs if target == own)
    for ref, target in refs:
        if ref.field.endswith("]"):
            if target in seen:
                yield Fault("DuplicateRef", ref.field)
            seen.add(target)


def _refs(plural: str, body: Body) -> list[Ref]:
    """Return the references of an object in the order of docs/references.md."""
    spec, home = body["spec"], body["metadata"]["namespace"]
    named: list[tuple[str, str, Body | None]] = []
    if plural == "ghosts":
        named = [
            (f"spec.skillRefs[{index}]", "skills", ref)
            for index, ref in enumerate(spec.get("skillRefs", []))
        ]
    elif plural == "models":
        named = [
            (f"spec.fallbackRefs[{index}]", "models", ref)
            for index, ref in enumerate(spec.get("fallbackRefs", []))
        ]
    elif plural == "bots":
        named = [
            ("spec.ghostRef", "ghosts", spec["ghostRef"]),
            ("spec.modelRef", "models", spec.get("modelRef")),
            ("spec.shellRef", "shells", spec["shellRef"]),
        ]
    elif plural == "teams":
        members = list(enumerate(spec["bots"]))
        named = [
            *((f"spec.bots[{index}]", "bots", member) for index, member in members),
            *(
                (f"spec.bots[{index}].modelRef", "models", member.get("modelRef"))
                for index, member in members
            ),
        ]
    elif plural == "tasks":
        named = [
            ("spec.teamRef", "teams", spec.get("teamRef")),
            ("spec.botRef", "bots", spec.get("botRef")),
            ("spec.modelRef", "models", spec.get("modelRef")),
            ("spec.previousTaskRef", "tasks", spec.get("previousTaskRef")),
        ]
    return [
        Ref(field, to, ref.get("namespace") or home, ref["name"]) for field, to, ref in named if ref
    ]
