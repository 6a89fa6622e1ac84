"""A draft: one object while its fields move from Wegent's form to this one.

A converter takes fields out of ``rest`` and sets fields in ``spec``. At the end, an annotation
keeps everything that no converter has taken, so nothing is lost without a note.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from wegent_crds.reading import mapping
from wegent_crds.schema.fields import LABEL_NAME
from wegent_crds.schema.metadata import is_qualified_name
from wegent_import import annotations as known
from wegent_import.documents import Document
from wegent_import.index import Index
from wegent_import.notes import Note, NoteKind
from wegent_import.options import Options
from wegent_import.redaction import (
    redacted_prompt,
    redacted_text,
    without_secrets,
    without_url_secrets,
)
from wegent_import.secret_names import is_secret_name
from wegent_import.secrets import Secret
from wegent_import.values import is_empty
from wegent_sdk.plain import scalar_text

DESCRIPTION_MAX: Final = 1024
_VALUE: Final = re.compile(rf"({LABEL_NAME})?")
_PROTECTED: Final = "agent.wecode.io/"
_SERVER_METADATA: Final = frozenset(
    {
        *("createdAt", "created_at", "updatedAt", "updated_at", "creationTimestamp", "uid"),
        *("generation", "resourceVersion", "managedFields", "selfLink", "id"),
    }
)
"""Metadata that the next server gives for itself."""


class Draft:
    """One object of the result, its notes and its secrets."""

    def __init__(self, document: Document, index: Index, options: Options) -> None:
        self.document = document
        self.index = index
        self.options = options
        self.namespace = index.namespace_of(document)
        self.name = index.name_of(document)
        self.rest: dict[str, Any] = dict(document.spec)
        """Fields of the document's spec that are still to be converted."""
        self.spec: dict[str, Any] = {}
        self.annotations: dict[str, str] = {}
        self.labels: dict[str, str] = {}
        self.notes: list[Note] = []
        self.secrets: list[Secret] = []

    def note(self, kind: NoteKind, field: str, message: str) -> None:
        """Add a note on a field of the document."""
        self.notes.append(
            Note(self.document.label, without_url_secrets(redacted_text(field)), kind, message)
        )

    def take(self, *names: str) -> Any:
        """Return the first value that is not empty under one of ``names``, and remove all."""
        found = [self.rest.pop(name) for name in names if name in self.rest]
        return next((value for value in found if not is_empty(value)), None)

    def take_text(self, *names: str) -> str:
        """Return the first text under one of ``names``; a list or a map stays where it is."""
        found = ""
        for name in names:
            if not isinstance(self.rest.get(name), Mapping | list):
                found = found or scalar_text(self.rest.pop(name, None))
        return found

    def take_map(self, *names: str) -> Mapping[str, Any]:
        """Return a map, and remove it; a value of another type stays for the annotation."""
        for name in names:
            if isinstance(self.rest.get(name), Mapping):
                return mapping(self.rest.pop(name))
        return {}

    def native(self, *names: str) -> None:
        """Move fields that are the same in both forms."""
        for name in names:
            if not is_empty(self.rest.get(name)):
                self.spec[name] = self.rest.pop(name)

    def description(self) -> None:
        """Move the description, which has a maximum length here."""
        text = self.take_text("description")
        if not text:
            return
        clean = redacted_text(text)
        if clean != text:
            self.note(NoteKind.SECRET, "spec.description", "a token was removed from the text")
        if len(clean) > DESCRIPTION_MAX:
            message = f"shortened to {DESCRIPTION_MAX} characters"
            self.note(NoteKind.LOST, "spec.description", message)
        self.spec["description"] = clean[:DESCRIPTION_MAX]

    def prompt(self, field: str, value: object) -> str:
        """Return a prompt without tokens."""
        text = scalar_text(value)
        clean = redacted_prompt(text)
        if clean != text:
            message = "a token was removed from the prompt; give it to a tool instead"
            self.note(NoteKind.SECRET, field, message)
        return clean

    def reference(self, kind: str, value: object, field: str) -> dict[str, str] | None:
        """Return a reference with its namespace, or None if ``value`` names nothing."""
        found = self.index.resolve(kind, value, self.document)
        if found is None:
            return None
        namespace, name = found
        if not self.index.has((kind, namespace, name)):
            message = f"{kind} {namespace}/{name} is not among the documents; it has to exist"
            self.note(NoteKind.TODO, field, message)
        return {"name": name, "namespace": namespace}

    def metadata(self) -> None:
        """Move the metadata. Kubernetes knows names, labels and annotations only."""
        source = dict(mapping(self.document.body.get("metadata")))
        name, namespace = self.document.name, self.document.namespace
        for field in ("name", "namespace", *_SERVER_METADATA):
            source.pop(field, None)
        if self.name != name:
            self._keep(known.NAME, name)
            self.note(NoteKind.RENAMED, "metadata.name", f"is now {self.name}")
        if self.namespace != namespace:
            self._keep(known.NAMESPACE, namespace)
            self.note(NoteKind.RENAMED, "metadata.namespace", f"is now {self.namespace}")
        for field, annotation in (
            ("displayName", known.DISPLAY_NAME),
            ("user_id", known.USER_ID),
        ):
            value = scalar_text(source.get(field))
            if value:
                source.pop(field)
                self._keep(annotation, value)
                self.note(NoteKind.KEPT, f"metadata.{field}", f"in the annotation {annotation}")
        self._labels(source.pop("labels", None))
        self._own_annotations(source.pop("annotations", None))
        self._remainder("metadata", source, known.METADATA)

    def _labels(self, value: object) -> None:
        others = {}
        for key, item in mapping(value).items():
            text = scalar_text(item)
            if is_qualified_name(key) and _VALUE.fullmatch(text) and _is_public(key, text):
                self.labels[key] = text
            else:
                others[key] = item
        self._remainder("metadata.labels", others, known.LABELS, one=True)

    def _own_annotations(self, value: object) -> None:
        others = {}
        for key, item in mapping(value).items():
            text = scalar_text(item)
            allowed = is_qualified_name(key.lower()) and not key.startswith(_PROTECTED)
            if allowed and _is_public(key, text) and known.encoded(text) is not None:
                self.annotations[key] = text
            elif not key.startswith(_PROTECTED):
                others[key] = item
        self._remainder("metadata.annotations", others, known.ANNOTATIONS, one=True)

    def finish(self) -> dict[str, Any]:
        """Return the object. An annotation keeps the fields that no converter has taken."""
        self._remainder("spec", self.rest, known.SPEC)
        metadata: dict[str, Any] = {"name": self.name, "namespace": self.namespace}
        if self.labels:
            metadata["labels"] = self.labels
        if self.annotations:
            metadata["annotations"] = self.annotations
        return {
            "apiVersion": "agent.wecode.io/v1",
            "kind": self.document.kind,
            "metadata": metadata,
            "spec": self.spec,
        }

    def _remainder(
        self, field: str, source: Mapping[str, Any], annotation: str, *, one: bool = False
    ) -> None:
        """Keep what is left of a part of the document, without its secrets."""
        left = {key: item for key, item in source.items() if not is_empty(item)}
        if not left:
            return
        clean, removed = without_secrets(left)
        for path in removed:
            self.note(NoteKind.SECRET, f"{field}.{path}", "the value is not in the annotation")
        clean = {key: item for key, item in clean.items() if not is_empty(item)}
        if not clean:
            return
        text = known.encoded(clean)
        paths = [field] if one else [f"{field}.{key}" for key in clean]
        if text is None or annotation in self.annotations:
            for path in paths:
                self.note(NoteKind.LOST, path, "too large for an annotation")
            return
        self.annotations[annotation] = text
        for path in paths:
            self.note(NoteKind.KEPT, path, f"in the annotation {annotation}")

    def _keep(self, annotation: str, value: str) -> None:
        text = known.encoded(redacted_text(value))
        if text is not None:
            self.annotations[annotation] = text


def _is_public(key: str, text: str) -> bool:
    return not is_secret_name(key) and redacted_text(text) == text
