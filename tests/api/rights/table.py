"""The table of rights in docs/security.md, as data."""

import re
from dataclasses import dataclass
from typing import Final

from devcluster.checkout import CHECKOUT
from wegent_crds.registry import BY_PLURAL, GROUP

ROLES: Final = ("viewer", "editor", "admin", "Wegent admin")
HEADER: Final = f"| Objects | Verb | Request | {' | '.join(ROLES)} |"
OTHER_GROUPS: Final = {
    "rolebindings": "rbac.authorization.k8s.io",
    "roles": "rbac.authorization.k8s.io",
    "leases": "coordination.k8s.io",
}


@dataclass(frozen=True, slots=True)
class Right:
    """One row of the table, for one resource."""

    resource: str
    subresource: str
    verb: str
    namespace: str
    """The only namespace that the row is about; empty for any namespace of a user."""
    request: str
    """Method and path of the REST API; empty if no route needs the right."""
    allowed: frozenset[str]
    """The roles that have the right."""

    @property
    def group(self) -> str:
        """The API group of the resource."""
        return GROUP if self.resource in BY_PLURAL else OTHER_GROUPS.get(self.resource, "")


def rights() -> list[Right]:
    """Return the rows of the table, one for each resource that a row names."""
    text = (CHECKOUT / "docs" / "security.md").read_text(encoding="utf-8")
    _, _, table = text.partition(HEADER)
    found: list[Right] = []
    for line in table.strip().partition("\n\n")[0].splitlines()[1:]:
        objects, verb, request, *cells = (it.strip() for it in line.strip("|").split("|"))
        assert {*cells} <= {"yes", "no"}, line
        resources, _, place = objects.partition(" in ")
        verb, _, subresource = verb.partition(" ")
        found += (
            Right(
                resource,
                subresource,
                verb,
                place.strip("`"),
                request.strip("`").replace("{kind}", resource),
                frozenset(role for role, cell in zip(ROLES, cells, strict=True) if cell == "yes"),
            )
            for resource in re.findall(r"`([a-z]+)`", resources)
        )
    return found
