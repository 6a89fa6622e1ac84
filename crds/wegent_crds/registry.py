"""The one table of kinds.

Handlers, indexes, REST routes, RBAC, the chart and the documentation's tests
are all driven by ``KINDS``: a new kind is one model and one row here.
"""

from dataclasses import dataclass, field
from typing import Final

GROUP: Final = "agent.wecode.io"
VERSION: Final = "v1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
CATEGORY: Final = "wegent"


@dataclass(frozen=True, slots=True)
class ReferenceField:
    """Where a kind refers to another.

    ``path`` is a dotted path from the object's root; a step that ends in
    ``[]`` is a list, each item of which is a reference: ``spec.bots[]``.
    """

    path: str
    to: str
    """Plural of the kind that is referred to."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One row: what the kind is called and where its references sit."""

    kind: str
    plural: str
    short_names: tuple[str, ...]
    references: tuple[ReferenceField, ...] = field(default=())
    user_facing: bool = True
    """Whether users work with it: REST routes under ``/api/v1/kinds``, user roles, the trash."""
    in_category: bool = True
    """Whether ``kubectl get wegent`` shows it."""
    referable: bool = True
    """Whether other objects may refer to it; such kinds carry ``spec.accessFrom``."""

    @property
    def singular(self) -> str:
        """The kind's name in lower case, as kubectl takes it."""
        return self.kind.lower()

    @property
    def crd_name(self) -> str:
        """The name of its CustomResourceDefinition."""
        return f"{self.plural}.{GROUP}"


GHOST: Final = Kind("Ghost", "ghosts", ("gh",), (ReferenceField("spec.skillRefs[]", "skills"),))
MODEL: Final = Kind("Model", "models", ("mo",))
SHELL: Final = Kind("Shell", "shells", ("sh",))
BOT: Final = Kind(
    "Bot",
    "bots",
    ("bo",),
    (
        ReferenceField("spec.ghostRef", "ghosts"),
        ReferenceField("spec.modelRef", "models"),
        ReferenceField("spec.shellRef", "shells"),
    ),
)
TEAM: Final = Kind("Team", "teams", ("te",), (ReferenceField("spec.bots[]", "bots"),))
SKILL: Final = Kind("Skill", "skills", ("sk",))
TASK: Final = Kind(
    "Task",
    "tasks",
    ("ta",),
    (ReferenceField("spec.teamRef", "teams"), ReferenceField("spec.botRef", "bots")),
    referable=False,
)
ACCOUNT: Final = Kind("Account", "accounts", ("acc",), user_facing=False, referable=False)
# Not in the category: the trash is not what somebody looks for who asks how things stand.
TOMBSTONE: Final = Kind(
    "Tombstone", "tombstones", ("tomb",), user_facing=False, in_category=False, referable=False
)

KINDS: Final = (GHOST, MODEL, SHELL, BOT, TEAM, SKILL, TASK, ACCOUNT, TOMBSTONE)
BY_KIND: Final = {kind.kind: kind for kind in KINDS}
BY_PLURAL: Final = {kind.plural: kind for kind in KINDS}
