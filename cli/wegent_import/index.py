"""The first pass: the names of all objects, before any reference is converted."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from wegent_crds.members import is_system_namespace, own_namespace
from wegent_crds.reading import mapping
from wegent_import.documents import DEFAULT_NAMESPACE, Document
from wegent_import.names import namespace_name, object_name, with_digest
from wegent_import.options import Options
from wegent_sdk.plain import scalar_text

Key = tuple[str, str, str]
"""Kind, namespace and name of an object of the result."""
KINDS: Final = ("Skill", "Ghost", "Model", "Shell", "Bot", "Team", "Task")
"""Kinds that have a counterpart, in the order of their references."""
MAX_ALIASES: Final = 8


class Index:
    """Names of the documents of one import."""

    def __init__(self, documents: Iterable[Document], options: Options) -> None:
        self._namespaces = options.namespaces
        self._taken: dict[Key, tuple[str, str, str]] = {}
        """The original kind, namespace and name of each object."""
        self._renamed: dict[tuple[str, str, str], str] = {}
        """The name of each object whose usual name is taken."""
        self._present: set[tuple[str, str, str]] = set()
        self._aliases: dict[tuple[str, str, str], Mapping[str, Any] | None] = {}
        for document in documents:
            self._add(document)

    def _add(self, document: Document) -> None:
        kind, place = document.kind, self.namespace_of(document)
        original = (kind, place, document.name)
        usual = object_name(document.name, kind)
        holder = self._taken.setdefault((kind, place, usual), original)
        if holder != original:
            self._renamed[original] = with_digest(usual, document.name, 253)
        self._present.add((kind, place, self.name_of(document)))
        if kind == "Model" and (found := alias_of(document)) is not _NO_ALIAS:
            self._aliases[original] = found

    def namespace_of(self, document: Document) -> str:
        """Return the namespace of an object of the result."""
        if document.owner is not None and document.namespace == DEFAULT_NAMESPACE:
            return own_namespace(document.owner)
        return self.mapped(document.namespace)

    def mapped(self, namespace: str) -> str:
        """Return the namespace here for one of Wegent's."""
        return self._namespaces.get(namespace) or namespace_name(namespace)

    def name_of(self, document: Document) -> str:
        """Return the name of an object of the result."""
        original = (document.kind, self.namespace_of(document), document.name)
        return self._renamed.get(original) or object_name(document.name, document.kind)

    def is_alias(self, document: Document) -> bool:
        """Return True for a Model that only stands for another one, or for none."""
        return (document.kind, self.namespace_of(document), document.name) in self._aliases

    def has(self, key: Key) -> bool:
        """Return True if an object is in the result."""
        return key in self._present

    def resolve(self, kind: str, value: object, document: Document) -> tuple[str, str] | None:
        """Return the namespace and name that a reference means, or None if it means none.

        ``value`` is a name, or a map with a name and perhaps a namespace. A reference without a
        namespace means Wegent's ``default``: the user's own objects first, then those of all.
        """
        for _ in range(MAX_ALIASES):
            name, namespace = _parts(value)
            if not name:
                return None
            place, original = self._find(kind, name, namespace, document)
            if original not in self._aliases:
                return place, self._renamed.get(original) or object_name(name, kind)
            value = self._aliases[original]
        return None

    def _find(
        self, kind: str, name: str, namespace: str, document: Document
    ) -> tuple[str, tuple[str, str, str]]:
        places = [self.mapped(namespace)]
        if document.owner is not None and namespace == DEFAULT_NAMESPACE:
            places.insert(0, own_namespace(document.owner))
        for place in places:
            original = (kind, place, name)
            usual = (kind, place, self._renamed.get(original) or object_name(name, kind))
            if usual in self._present:
                return place, original
        return places[-1], (kind, places[-1], name)


_NO_ALIAS: Final = {"": None}


def alias_of(document: Document) -> Mapping[str, Any] | None:
    """Return the reference for which a Model stands, None for an empty one, else `_NO_ALIAS`.

    Wegent's UI makes such Models: one for each Bot, with nothing but ``bind_model``.
    """
    config = document.spec.get("modelConfig")
    if not isinstance(config, Mapping) or set(document.spec) - {"modelConfig", "isCustomConfig"}:
        return _NO_ALIAS
    rest = set(config) - {"bind_model", "bind_model_type", "bind_model_namespace", "env"}
    if rest or config.get("env"):
        return _NO_ALIAS
    bound = scalar_text(config.get("bind_model"))
    return bound_model(config) if bound else None


def bound_model(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the reference of ``bind_model`` and ``bind_model_namespace``."""
    namespace = scalar_text(config.get("bind_model_namespace")) or DEFAULT_NAMESPACE
    return {"name": scalar_text(config.get("bind_model")), "namespace": namespace}


def _parts(value: object) -> tuple[str, str]:
    if isinstance(value, Mapping):
        body = mapping(value)
        namespace = scalar_text(body.get("namespace")) or DEFAULT_NAMESPACE
        return scalar_text(body.get("name")), namespace
    return scalar_text(value), DEFAULT_NAMESPACE


def forbidden_namespace(namespace: str) -> str | None:
    """Return why no object may be in a namespace, or None."""
    if is_system_namespace(namespace):
        return f"{namespace} is a system namespace; use --map-namespace to name another one"
    return None
