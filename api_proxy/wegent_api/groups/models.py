"""Bodies of ``/api/v1/namespaces``."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field

from wegent_api.accounts.admin_models import current_ready
from wegent_api.accounts.models import Answer, Body, NamespaceAccess
from wegent_api.names import LABEL_SCHEMA, dns_label
from wegent_crds.conditions import Reason
from wegent_crds.kinds.group import IMPORTED_NAME, IMPORTED_NAME_MAX, GroupLimits, GroupSpec
from wegent_crds.members import OWN_NAMESPACE_PREFIX, SYSTEM_PREFIX, may_be_a_groups
from wegent_crds.reading import mapping, mappings, text
from wegent_crds.schema.status import PENDING_MESSAGE


def _group_name(value: str) -> str:
    if not may_be_a_groups(dns_label(value)):
        raise ValueError(
            "is reserved: default, wegent, and names that begin with"
            f" {SYSTEM_PREFIX} or {OWN_NAMESPACE_PREFIX}; choose another name"
        )
    return value


class NamespaceCreation(GroupSpec, Body):
    """A namespace to create for a group."""

    name: Annotated[str, AfterValidator(_group_name), LABEL_SCHEMA]
    """Name of the namespace: a DNS-1123 label that no namespace has. Names that begin with kube- or
    wegent- are reserved."""
    imported_from: Annotated[str, Field(min_length=1, max_length=IMPORTED_NAME_MAX)] | None = None
    """Name of the group in the original Wegent, from `wegent import`, at most 256 characters."""

    def group_spec(self) -> dict[str, Any]:
        """Return the spec of the Group."""
        given = self.model_dump(by_alias=True, exclude_none=True)
        return {key: value for key, value in given.items() if key not in {"name", "importedFrom"}}

    def group_annotations(self) -> dict[str, str]:
        """Return the annotations of the Group."""
        return {IMPORTED_NAME: self.imported_from} if self.imported_from else {}


class NamespaceChange(GroupSpec, Body):
    """Changes to the namespace of a group, as a merge patch.

    Fields that are left out stay; null restores the default. `members` is replaced as a whole.
    """


class GroupMember(Answer):
    """A member of a group."""

    username: str
    role: str
    account_uid: str | None = None
    """UID of the only Account that has the role."""


class NamespaceView(Answer):
    """The namespace of a group."""

    name: str
    display_name: str | None = None
    members: list[GroupMember]
    """Members that Wegent's admins name. `GET .../members` lists those that admins of the namespace
    added too."""
    quota: dict[str, int] | None = None
    """Number of objects that the namespace may hold, by resource."""
    limits: GroupLimits | None = None
    imported_from: str | None = None
    """Name of the group in the original Wegent, if `wegent import` has made it."""
    ready: bool
    """True if the namespace, its quota and limits are as described, and each member is known."""
    reason: str
    """Reason for the value of `ready`, in one word. `docs/conditions.md` lists all reasons."""
    message: str
    """Explanation of `reason` in a sentence. May be empty."""

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Self:
        """Return the view of a Group."""
        spec, ready = mapping(body.get("spec")), current_ready(body)
        bound = {
            text(it.get("username")): text(it.get("accountUid"))
            for _, it in mappings(mapping(body.get("status")).get("members"))
        }
        members = [
            {
                "username": it["username"],
                "role": it["role"],
                "accountUid": it.get("accountUid") or bound.get(it["username"]) or None,
            }
            for _, it in mappings(spec.get("members"))
        ]
        return cls.model_validate(
            {
                "name": body["metadata"]["name"],
                "displayName": spec.get("displayName"),
                "members": members,
                "quota": spec.get("quota"),
                "limits": spec.get("limits"),
                "importedFrom": mapping(body["metadata"].get("annotations")).get(IMPORTED_NAME),
                "ready": ready is not None and ready.is_true,
                "reason": Reason.PENDING if ready is None else ready.reason,
                "message": PENDING_MESSAGE if ready is None else ready.message,
            }
        )


class ListedNamespace(Answer):
    """A namespace that the caller may use."""

    name: str
    role: Literal["viewer", "editor", "admin"] | None = None
    """Highest role that RoleBindings give in the namespace. Omitted for a group's namespace in
    which an admin of Wegent has no role of their own."""
    sources: list[Literal["own", "shared", "group", "account", "member", "other"]]
    """Where roles come from, as in `GET /api/v1/auth/me`."""
    display_name: str | None = None
    """Name of the group for people. Only admins of Wegent see it."""


class NamespaceList(Answer):
    """The namespaces of the caller."""

    items: list[ListedNamespace]
    default_namespace: str
    """Namespace of requests that name none."""

    @classmethod
    def of(
        cls,
        access: Iterable[NamespaceAccess],
        groups: Iterable[Mapping[str, Any]],
        default_namespace: str,
    ) -> Self:
        """Return the namespaces of a caller and the groups that the caller manages, by name."""
        items: dict[str, dict[str, Any]] = {
            it.name: {"name": it.name, "role": it.role, "sources": it.sources} for it in access
        }
        for body in groups:
            name = body["metadata"]["name"]
            item = items.setdefault(name, {"name": name, "sources": []})
            item["displayName"] = mapping(body.get("spec")).get("displayName")
        found = [items[name] for name in sorted(items)]
        return cls.model_validate({"items": found, "defaultNamespace": default_namespace})
