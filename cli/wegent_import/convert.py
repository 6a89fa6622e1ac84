"""The conversion: documents in Wegent's form to objects, secrets and notes.

It is a pure function of documents and options, without a cluster and without exceptions. The first
pass collects all names (`index`), the second converts each document, and a check by the models of
the kinds then leaves out what the API server would refuse.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ValidationError

from wegent_crds.members import own_namespace
from wegent_crds.models import model_of
from wegent_crds.references import references_of
from wegent_crds.registry import BY_KIND, BY_PLURAL
from wegent_import.access import permit
from wegent_import.documents import Document
from wegent_import.draft import Draft
from wegent_import.index import KINDS, Index, Key, forbidden_namespace
from wegent_import.kinds import bots, ghosts, models, shells, skills, tasks, teams, templates
from wegent_import.notes import Note, NoteKind
from wegent_import.options import Options
from wegent_import.secrets import Secret

CONVERTERS: Final[Mapping[str, Callable[[Draft], None]]] = {
    "Ghost": ghosts.convert,
    "Model": models.convert,
    "Shell": shells.convert,
    "Bot": bots.convert,
    "Team": teams.convert,
    "Skill": skills.convert,
    "Task": tasks.convert,
}
_ORDER: Final = {kind: at for at, kind in enumerate(("Namespace", *KINDS))}
MAX_PROBLEMS: Final = 8
"""Of one object that is left out."""


@dataclass(frozen=True, slots=True)
class Result:
    """The result of an import."""

    objects: tuple[dict[str, Any], ...]
    """Objects in the order of their references: each one's referents stand before it."""
    secrets: tuple[Secret, ...] = field(repr=False)
    notes: tuple[Note, ...]


def convert(documents: Sequence[Document], options: Options) -> Result:
    """Convert documents. The same documents and options give the same result."""
    return _Conversion(options).run(documents)


class _Conversion:
    def __init__(self, options: Options) -> None:
        self._options = options
        self._objects: dict[Key, dict[str, Any]] = {}
        self._labels: dict[Key, str] = {}
        self._secrets: list[Secret] = []
        self._notes: list[Note] = []

    def run(self, documents: Sequence[Document]) -> Result:
        known = self._last_of_each(self._expand(documents))
        index = Index(known, self._options)
        workspaces = {
            (it.namespace, it.name): it.spec for it in documents if it.kind == "Workspace"
        }
        for document in known:
            self._convert(document, index, workspaces)
        self._notes += self._broken(index)
        self._notes += permit(self._objects, self._labels)
        bodies = sorted(
            [*self._namespaces(known), *self._objects.values()],
            key=lambda it: _ORDER[it["kind"]],
        )
        return Result(tuple(bodies), tuple(self._secrets), tuple(self._notes))

    def _expand(self, documents: Sequence[Document]) -> Iterable[Document]:
        """Yield the documents that have a counterpart, and note the others."""
        for document in documents:
            problem = None
            if document.kind in KINDS:
                if document.name:
                    yield document
                    continue
                self._note(document, NoteKind.INVALID, "metadata.name", "is missing")
                continue
            if document.kind == "Template":
                if self._options.expand_templates:
                    parts = templates.expanded(document)
                    yield from parts
                    if parts:
                        message = "expanded to a Ghost, a Bot and a Team"
                        self._note(document, NoteKind.CHANGED, "spec.resources", message)
                        continue
                    problem = "the Template has no resources"
                problem = problem or "--expand-templates imports the Ghost, Bot and Team of it"
            self._note(
                document,
                NoteKind.SKIPPED,
                "",
                problem or f"the kind {document.kind[:63] or '(none)'} has no counterpart",
            )

    def _last_of_each(self, documents: Iterable[Document]) -> list[Document]:
        """Return the last document of each object, as an apply of all in order would leave."""
        index = Index((), self._options)
        found: dict[tuple[str, str, str], Document] = {}
        for document in documents:
            place = (document.kind, index.namespace_of(document), document.name)
            before = found.pop(place, None)
            if before is not None and before.body != document.body:
                message = f"replaced by the later document {document.source}"
                self._note(before, NoteKind.SKIPPED, "", message)
            found[place] = document
        return list(found.values())

    def _convert(
        self,
        document: Document,
        index: Index,
        workspaces: Mapping[tuple[str, str], Mapping[str, Any]],
    ) -> None:
        if index.is_alias(document):
            message = "only stands for another Model or for none; references name that one"
            self._note(document, NoteKind.CHANGED, "spec.modelConfig", message)
            return
        draft = Draft(document, index, self._options)
        problem = forbidden_namespace(draft.namespace)
        if problem is not None:
            self._note(document, NoteKind.INVALID, "metadata.namespace", problem)
            return
        try:
            CONVERTERS[document.kind](draft)
        except (models.NotAnLLMError, tasks.NotPendingError) as error:
            self._note(document, NoteKind.SKIPPED, "", str(error))
            return
        if document.kind == "Task":
            tasks.keep_repository(draft, workspaces)
        draft.metadata()
        body = draft.finish()
        problems = problems_of(body)
        if problems:
            for where, message in problems:
                self._note(document, NoteKind.INVALID, where, message)
            return
        key = (document.kind, draft.namespace, draft.name)
        self._objects[key] = body
        self._labels[key] = document.label
        self._notes += draft.notes
        self._secrets += draft.secrets

    def _broken(self, index: Index) -> list[Note]:
        """Return a note for each reference to a document that is left out."""
        notes = []
        for key, body in self._objects.items():
            for reference in references_of(BY_KIND[key[0]], key[1], body):
                target = reference.target
                other = (BY_PLURAL[target.plural].kind, target.namespace, target.name)
                if index.has(other) and other not in self._objects:
                    message = f"refers to {' '.join(other)}, which is left out"
                    notes.append(Note(self._labels[key], reference.field, NoteKind.TODO, message))
        return notes

    def _namespaces(self, documents: Iterable[Document]) -> Iterable[dict[str, Any]]:
        """Yield the namespaces of the objects; the operator makes those of users itself."""
        if not self._options.create_namespaces:
            return
        own = {own_namespace(it.owner) for it in documents if it.owner is not None}
        used = {namespace for _, namespace, _ in self._objects}
        for namespace in sorted(used - own - {"default"}):
            yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}

    def _note(self, document: Document, kind: NoteKind, field: str, message: str) -> None:
        self._notes.append(Note(document.label, field, kind, message))


def problems_of(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return fields and messages of what the API server would refuse in an object.

    No message contains a value of the object.
    """
    try:
        model_of(BY_KIND[body["kind"]]).model_validate(body)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        return [(".".join(map(str, it["loc"])), it["msg"]) for it in found[:MAX_PROBLEMS]]
    return []
