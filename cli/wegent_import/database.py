"""A database of Wegent: its rows as documents, Accounts and roles in namespaces."""

import base64
import binascii
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from wegent_crds.kinds.account import EMAIL
from wegent_crds.reading import mapping
from wegent_crds.registry import API_VERSION
from wegent_import import annotations as known
from wegent_import.convert import problems_of
from wegent_import.documents import DEFAULT_NAMESPACE, Document
from wegent_import.export import Rows, json_of, number_of
from wegent_import.names import account_name
from wegent_import.notes import Note, NoteKind
from wegent_import.packages import PackageError, package_of_zip, with_package
from wegent_sdk.plain import scalar_text

ROLES: Final[Mapping[str, str]] = {
    "owner": "admin",
    "maintainer": "admin",
    "developer": "editor",
    "reporter": "viewer",
    "restrictedanalyst": "viewer",
}
_RANK: Final = ("viewer", "editor", "admin")
_EMAIL: Final = re.compile(EMAIL)


@dataclass(frozen=True, slots=True)
class Imported:
    """Documents of a database, and the objects of its users and groups."""

    documents: tuple[Document, ...]
    accounts: tuple[dict[str, Any], ...]
    groups: tuple[dict[str, Any], ...]
    """One for each group. The operator makes the group's namespace."""
    notes: tuple[Note, ...]


def imported(
    rows: Rows, mapped: Callable[[str], str], accounts_namespace: str = "wegent-accounts"
) -> Imported:
    """Return what the rows of a database stand for.

    ``mapped`` returns the namespace here for one of Wegent's.
    """
    return _Database(rows, mapped, accounts_namespace).run()


class _Database:
    def __init__(self, rows: Rows, mapped: Callable[[str], str], place: str) -> None:
        self._rows = rows
        self._mapped = mapped
        self._place = place
        self._notes: list[Note] = []
        self._users: dict[int, str] = {}

    def run(self) -> Imported:
        users = self._rows.of("users")
        for row in users:
            number, name = number_of(row, "id"), scalar_text(row.get("user_name"))
            if number is not None and name:
                self._users[number] = account_name(name)
        groups = {
            number: scalar_text(row.get("name"))
            for row in self._rows.of("namespace")
            if (number := number_of(row, "id")) is not None and _is_active(row)
        }
        accounts = [it for row in users if (it := self._account(row)) is not None]
        made = self._groups(groups)
        documents = [*self._documents("kinds"), *self._documents("tasks")]
        return Imported(
            tuple(documents),
            tuple(accounts),
            tuple(made),
            tuple(self._notes),
        )

    def _documents(self, table: str) -> Iterator[Document]:
        packages = {number_of(row, "kind_id"): row for row in self._rows.of("skill_binaries")}
        deleted = 0
        for row in self._rows.of(table):
            if not _is_active(row):
                deleted += 1
                continue
            document = self._document(row, table)
            package = packages.get(number_of(row, "id")) if table == "kinds" else None
            if package is not None and document.kind == "Skill":
                document = self._with_package(document, package)
            yield document
        if deleted:
            message = f"{deleted} deleted rows of the table {table} stay deleted"
            self._notes.append(Note(table, "is_active", NoteKind.CHANGED, message))

    def _document(self, row: Mapping[str, Any], table: str) -> Document:
        """Return the document of a row. Its columns win over the JSON in it."""
        body = dict(json_of(row, "json"))
        metadata = dict(mapping(body.get("metadata")))
        for column in ("name", "namespace"):
            if scalar_text(row.get(column)):
                metadata[column] = row[column]
        user = number_of(row, "user_id")
        if user is not None:
            metadata["user_id"] = user
        body |= {
            "apiVersion": API_VERSION,
            "kind": scalar_text(row.get("kind")) or body.get("kind"),
            "metadata": metadata,
        }
        owner = self._users.get(user) if user else None
        source = f"{table}[id={number_of(row, 'id')}]"
        document = Document(source, body, owner)
        if user and owner is None and self._users and document.namespace == DEFAULT_NAMESPACE:
            message = f"the export has no user {user}, so the object is in a shared namespace"
            self._notes.append(Note(document.label, "user_id", NoteKind.LOST, message))
        return document

    def _with_package(self, document: Document, row: Mapping[str, Any]) -> Document:
        try:
            raw = base64.b64decode("".join(scalar_text(row.get("binary_data")).split()))
            package = package_of_zip(raw)
        except (ValueError, binascii.Error, PackageError) as error:
            message = f"the package can't be read: {error}"
            self._notes.append(Note(document.label, "skill_binaries", NoteKind.LOST, message))
            return document
        self._notes += package.notes(document.label)
        return with_package(document, package)

    def _groups(self, groups: Mapping[int, str]) -> list[dict[str, Any]]:
        """Return the Group of each group, with the members of the groups above it."""
        direct: dict[str, dict[int, str]] = defaultdict(dict)
        labels: dict[str, tuple[str, str]] = {}
        for row in self._rows.of("namespace"):
            group, owner = scalar_text(row.get("name")), number_of(row, "owner_user_id")
            if group in groups.values():
                label = f"namespace[id={number_of(row, 'id')}] Group {group[:100]}"
                labels[group] = label, scalar_text(row.get("display_name"))
                if owner in self._users:
                    direct[group][owner] = "admin"
        for row in self._rows.of("resource_members"):
            self._member(row, groups, direct)
        found = []
        for group, (label, shown) in sorted(labels.items()):
            roles: dict[int, str] = {}
            parts = group.split("/")
            for depth in range(1, len(parts) + 1):
                for user, role in direct.get("/".join(parts[:depth]), {}).items():
                    roles[user] = _higher(roles.get(user), role)
            members = {self._users[user]: role for user, role in sorted(roles.items())}
            body = self._group(group, label, shown, members)
            if body is not None:
                found.append(body)
        return found

    def _group(
        self, group: str, label: str, shown: str, members: Mapping[str, str]
    ) -> dict[str, Any] | None:
        name = self._mapped(group)
        spec: dict[str, Any] = {
            "members": [{"username": it, "role": role} for it, role in sorted(members.items())]
        }
        if shown:
            spec["displayName"] = shown
        return self._made("Group", name, spec, label, ("name", group))

    def _made(
        self, kind: str, name: str, spec: Mapping[str, Any], label: str, origin: tuple[str, str]
    ) -> dict[str, Any] | None:
        """Return an object of the accounts namespace; None, with notes, if it is not valid.

        ``origin`` is the column with the original name, and that name.
        """
        metadata: dict[str, Any] = {"name": name, "namespace": self._place}
        column, original = origin
        if name != original or kind == "Group":
            metadata["annotations"] = {known.NAME: original}
        if name != original:
            self._notes.append(Note(label, column, NoteKind.RENAMED, f"is now {name}"))
        body = {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}
        problems = problems_of(body)
        for field, message in problems:
            self._notes.append(Note(label, field, NoteKind.INVALID, message))
        return None if problems else body

    def _member(
        self,
        row: Mapping[str, Any],
        groups: Mapping[int, str],
        direct: dict[str, dict[int, str]],
    ) -> None:
        label = f"resource_members[id={number_of(row, 'id')}]"
        status = scalar_text(row.get("status")).lower()
        if status not in {"", "approved"}:
            return
        if scalar_text(row.get("resource_type")).lower() != "namespace":
            message = "a share of one object has no counterpart; use accessFrom, or a group"
            self._notes.append(Note(label, "resource_type", NoteKind.SKIPPED, message))
            return
        group = groups.get(number_of(row, "resource_id") or 0)
        if (scalar_text(row.get("entity_type")) or "user") != "user":
            message = "only users are members here; add the members of the group one by one"
            self._notes.append(Note(label, "entity_type", NoteKind.SKIPPED, message))
            return
        user = number_of(row, "entity_id") or number_of(row, "user_id")
        role = ROLES.get(scalar_text(row.get("role")).lower())
        if group is None or user not in self._users or role is None:
            message = "the group, the user or the role is not in the export"
            self._notes.append(Note(label, "", NoteKind.SKIPPED, message))
            return
        direct[group][user] = _higher(direct[group].get(user), role)

    def _account(self, row: Mapping[str, Any]) -> dict[str, Any] | None:
        number, original = number_of(row, "id"), scalar_text(row.get("user_name"))
        label = f"users[id={number}] Account {original[:100]}"
        if number is None or not original:
            self._notes.append(Note(label, "", NoteKind.INVALID, "has no id or no user_name"))
            return None
        name = account_name(original)
        spec: dict[str, Any] = {"email": self._email(row, name, label)}
        if scalar_text(row.get("role")).lower() == "admin":
            spec["role"] = "admin"
        if not _is_active(row):
            spec["suspended"] = True
        body = self._made("Account", name, spec, label, ("user_name", original))
        if body is None:
            return None
        message = "an admin sets a password: the old one stays in Wegent"
        self._notes.append(Note(label, "password_hash", NoteKind.TODO, message))
        return body

    def _email(self, row: Mapping[str, Any], name: str, label: str) -> str:
        email = scalar_text(row.get("email")).strip()
        if len(email) <= 254 and _EMAIL.fullmatch(email):
            return email
        made_up = f"{name}@users.invalid"  # RFC 2606: no such domain exists
        self._notes.append(Note(label, "email", NoteKind.TODO, f"is {made_up}; set the address"))
        return made_up


def _is_active(row: Mapping[str, Any]) -> bool:
    return scalar_text(row.get("is_active")).lower() not in {"0", "false"}


def _higher(one: str | None, other: str) -> str:
    return other if one is None else max(one, other, key=_RANK.index)
