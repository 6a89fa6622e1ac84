"""A whole object: what every kind shares around its own spec, and its printer columns."""

from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

from pydantic import Field

from wegent_crds.schema.base import Schema
from wegent_crds.schema.extensions import defaulted
from wegent_crds.schema.metadata import ObjectMeta
from wegent_crds.schema.status import Status


@dataclass(frozen=True, slots=True)
class Column:
    """One column that ``kubectl get`` prints."""

    name: str
    json_path: str
    type: Literal["string", "integer", "boolean", "date"] = "string"
    priority: int = 0
    """Above 0: only with ``-o wide``."""

    def keyword(self) -> dict[str, Any]:
        """Return the column as one item of ``additionalPrinterColumns``."""
        keyword = {"name": self.name, "type": self.type, "jsonPath": self.json_path}
        return keyword | ({"priority": self.priority} if self.priority else {})


def _of_ready(field: str) -> str:
    return f'.status.conditions[?(@.type=="Ready")].{field}'


VERDICT_COLUMNS: Final = (
    Column("Ready", _of_ready("status")),
    Column("Reason", _of_ready("reason")),
    Column("Age", ".metadata.creationTimestamp", "date"),
    Column("Message", _of_ready("message")),
)
"""What a person asks first: is it ready, and if not, why. The message is last, as the longest."""


SELECTABLE: Final = (".status.ready",)
"""Fields that a fieldSelector may name on every kind. A CRD may have eight such fields, and their
paths are plain: no filter over conditions, no items of lists. The list of a second version
must differ from that of the first, be it in its order alone: the API server refuses a list that
all versions share while their schemas differ (docs/adr/0024)."""


class CustomResource(Schema):
    """The object around a spec; a kind adds ``kind`` and ``spec``."""

    columns: ClassVar[tuple[Column, ...]] = ()
    """The kind's own columns, before those of the verdict."""
    selectable: ClassVar[tuple[str, ...]] = ()
    """JSON paths of the kind's own fields that a fieldSelector may name."""

    api_version: Literal["agent.wecode.io/v1"]
    """Group and version of the schema."""
    metadata: ObjectMeta
    """Name, namespace, labels and annotations."""
    status: Status = Field(default_factory=Status, json_schema_extra=defaulted({}))
    """What the operator has found out. Ignored when the object is created or updated: only the
    status subresource writes it."""

    @classmethod
    def selectable_fields(cls) -> tuple[str, ...]:
        """Return the JSON paths that a fieldSelector may name, besides name and namespace."""
        return (*SELECTABLE, *cls.selectable)
