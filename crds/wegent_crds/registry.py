"""The table of kinds.

Handlers, indexes, REST routes, RBAC, the chart and the tests of the documentation follow
from ``KINDS``. A new kind is one model and one row in this table.
"""

from dataclasses import dataclass, field
from typing import Final

GROUP: Final = "agent.wecode.io"
VERSION: Final = "v1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
CATEGORY: Final = "wegent"


@dataclass(frozen=True, slots=True)
class ReferenceField:
    """A field of a kind that refers to another kind.

    ``path`` is a dotted path from the object's root. A step with the suffix ``[]`` is a list. Its
    items are references, as in ``spec.bots[]``, or contain some, as in ``spec.bots[].modelRef``.
    """

    path: str
    to: str
    """Plural of the referenced kind."""
    local: bool = False
    """True if the field has no namespace: the referenced object is in the referrer's own."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of the table: the names of a kind and its reference fields."""

    kind: str
    plural: str
    short_names: tuple[str, ...]
    references: tuple[ReferenceField, ...] = field(default=())
    user_facing: bool = True
    """True if users work with the kind: it has REST routes under ``/api/v1/kinds``, it is in the
    users' roles, its deleted objects go to the trash, and ``kubectl get wegent`` lists it. With a
    kind that the user may not list, that command would fail."""
    referable: bool = True
    """True if objects of other namespaces may refer to the kind. Its spec then has the field
    ``accessFrom``."""

    @property
    def singular(self) -> str:
        """The kind's name in lower case, as kubectl accepts it."""
        return self.kind.lower()

    @property
    def crd_name(self) -> str:
        """The name of the kind's CustomResourceDefinition."""
        return f"{self.plural}.{GROUP}"


GHOST: Final = Kind("Ghost", "ghosts", ("gh",), (ReferenceField("spec.skillRefs[]", "skills"),))
MODEL: Final = Kind("Model", "models", ("mo",), (ReferenceField("spec.fallbackRefs[]", "models"),))
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
TEAM: Final = Kind(
    "Team",
    "teams",
    ("te",),
    (
        ReferenceField("spec.bots[]", "bots"),
        ReferenceField("spec.bots[].modelRef", "models"),
    ),
)
SKILL: Final = Kind("Skill", "skills", ("sk",))
TASK: Final = Kind(
    "Task",
    "tasks",
    ("ta",),
    (
        ReferenceField("spec.teamRef", "teams"),
        ReferenceField("spec.botRef", "bots"),
        ReferenceField("spec.modelRef", "models"),
        ReferenceField("spec.previousTaskRef", "tasks", local=True),
    ),
    referable=False,
)
ACCOUNT: Final = Kind("Account", "accounts", ("acc",), user_facing=False, referable=False)
GROUP_KIND: Final = Kind("Group", "groups", ("grp",), user_facing=False, referable=False)
TOMBSTONE: Final = Kind("Tombstone", "tombstones", ("tomb",), user_facing=False, referable=False)

KINDS: Final = (GHOST, MODEL, SHELL, BOT, TEAM, SKILL, TASK, ACCOUNT, GROUP_KIND, TOMBSTONE)
BY_KIND: Final = {kind.kind: kind for kind in KINDS}
BY_PLURAL: Final = {kind.plural: kind for kind in KINDS}


def referrers_of(kind: Kind) -> tuple[Kind, ...]:
    """Return the kinds that have a reference to ``kind``; a kind may refer to itself."""
    return tuple(it for it in KINDS if any(to.to == kind.plural for to in it.references))
