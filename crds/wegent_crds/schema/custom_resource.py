"""The fields that all kinds share around their specs, and the printer columns."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, Literal

from pydantic import Field

from wegent_crds.schema.base import Schema
from wegent_crds.schema.extensions import defaulted
from wegent_crds.schema.metadata import ObjectMeta
from wegent_crds.schema.status import Status


@dataclass(frozen=True, slots=True)
class Column:
    """One printer column of ``kubectl get``."""

    name: str
    json_path: str
    type: Literal["string", "integer", "boolean", "date"] = "string"
    priority: int = 0
    """A column with a priority above 0 is printed only with ``-o wide``."""

    def keyword(self) -> dict[str, Any]:
        """Return the column as one item of ``additionalPrinterColumns``."""
        keyword = {"name": self.name, "type": self.type, "jsonPath": self.json_path}
        return keyword | ({"priority": self.priority} if self.priority else {})


def _of_ready(field: str) -> str:
    return f'.status.conditions[?(@.type=="Ready")].{field}'


SERVED_COLUMN: Final = Column(
    "Served", '.status.conditions[?(@.type=="Served")].status', priority=1
)
VERDICT_COLUMNS: Final = (
    Column("Ready", _of_ready("status")),
    Column("Reason", _of_ready("reason")),
    Column("Age", ".metadata.creationTimestamp", "date"),
    Column("Message", _of_ready("message"), priority=1),
)
"""The first questions about an object: is it ready, and if not, why. The reason answers in a word.
The message is a sentence, so that it is in wide output alone, as the last column."""


SELECTABLE: Final = (".status.ready",)
"""Selectable fields of every kind. A CRD can have eight selectable fields. Their paths can't filter
conditions or list items. A second version needs a different list, if only in another order: the
API server rejects versions with equal lists and different schemas (docs/adr/0024)."""


class CustomResource(Schema):
    """Base of all kinds. A kind adds the fields ``kind`` and ``spec``."""

    columns: ClassVar[tuple[Column, ...]] = ()
    """The kind's own columns, which precede `VERDICT_COLUMNS`."""
    wide_columns: ClassVar[tuple[str, ...]] = ()
    """Names of those `VERDICT_COLUMNS` for which the kind has no room without ``-o wide``."""
    selectable: ClassVar[tuple[str, ...]] = ()
    """JSON paths of the kind's own selectable fields."""

    api_version: Literal["agent.wecode.io/v1"]
    """API group and version: agent.wecode.io/v1."""
    metadata: ObjectMeta
    """Standard object's metadata."""
    status: Status = Field(default_factory=Status, json_schema_extra=defaulted({}))
    """Most recently observed status of the object, written by the operator. Ignored when the object
    is created or updated: only the status subresource writes it."""

    @classmethod
    def printer_columns(cls) -> tuple[Column, ...]:
        """Return all columns, in their order. Without ``-o wide`` they fit 80 characters."""
        verdict = (
            replace(column, priority=1) if column.name in cls.wide_columns else column
            for column in VERDICT_COLUMNS
        )
        return (*cls.columns, *verdict)

    @classmethod
    def selectable_fields(cls) -> tuple[str, ...]:
        """Return the JSON paths of all selectable fields besides name and namespace."""
        return (*SELECTABLE, *cls.selectable)
