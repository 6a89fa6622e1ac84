"""A database: rows of JSON as ``mysql`` writes them."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.importing.shapes import bot, ghost, model, shell, told, wegent
from tests.importing.test_files import SKILL, zipped
from wegent_crds.models import model_of
from wegent_crds.registry import ACCOUNT
from wegent_import import annotations as known
from wegent_import.command import converted
from wegent_import.convert import Result
from wegent_import.files import Inputs
from wegent_import.notes import NoteKind
from wegent_import.options import Options

Row = dict[str, Any]
PAGE = Path(__file__).parents[2] / "docs/coming-from-wegent.md"


def kind(number: int, user: int, body: Row, table: str = "kinds", **columns: Any) -> Row:
    metadata = body["metadata"]
    return {
        "table": table,
        "id": number,
        "user_id": user,
        "kind": body["kind"],
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "is_active": 1,
        "json": body,
        **columns,
    }


def user(number: int, name: str, **columns: Any) -> Row:
    fields = {"user_name": name, "email": f"{name}@example.com", "role": "user", "is_active": 1}
    return {"table": "users", "id": number, **fields, **columns}


def group(number: int, name: str, owner: int, **columns: Any) -> Row:
    fields = {"name": name, "owner_user_id": owner, "is_active": 1}
    return {"table": "namespace", "id": number, **fields, **columns}


def member(number: int, group_: int, user_: int, role: str, **columns: Any) -> Row:
    fields = {"resource_type": "Namespace", "resource_id": group_, "entity_type": "user"}
    row = {"table": "resource_members", "id": number, **fields, "entity_id": str(user_)}
    return {**row, "role": role, "status": "approved", **columns}


def imported(*rows: Row, **options: Any) -> Result:
    inputs = Inputs()
    text = "\n".join(json.dumps(row) for row in rows)
    inputs.notes += inputs.rows.read(text, "export.ndjson")
    return converted(inputs, Options(**options))


def of_kind(result: Result, kind_: str) -> list[Row]:
    return [body for body in result.objects if body["kind"] == kind_]


def place(body: Row) -> tuple[str, str]:
    return body["metadata"]["namespace"], body["metadata"]["name"]


def test_users_become_accounts_without_passwords() -> None:
    result = imported(
        user(1, "Admin", role="admin", password_hash="$2b$12$secret"),
        user(2, "bob", is_active=0, email="not an address"),
    )
    admin, bob = of_kind(result, "Account")
    assert admin["metadata"]["name"] == "admin"
    assert admin["metadata"]["annotations"] == {known.NAME: "Admin"}
    assert admin["spec"] == {"email": "Admin@example.com", "role": "admin"}
    assert bob["spec"] == {"email": "bob@users.invalid", "suspended": True}
    assert "secret" not in json.dumps([note.body() for note in result.notes])
    for body in (admin, bob):
        model_of(ACCOUNT).model_validate(body)


def test_groups_become_namespaces_with_roles() -> None:
    rows = [
        *(user(1, "ann"), user(2, "bob"), user(3, "eve")),
        *(
            group(10, "platform", 1, display_name="Platform"),
            group(11, "platform/web", 2),
            group(12, "old", 3, is_active=0),
        ),
        member(20, 10, 2, "Reporter"),
        member(21, 11, 3, "Developer"),
        member(22, 10, 3, "Maintainer", status="pending"),
        member(23, 12, 2, "Owner"),
    ]
    result = imported(*rows, create_namespaces=True)
    platform, web = of_kind(result, "Group")
    assert place(platform) == ("wegent-accounts", "platform")
    assert platform["spec"] == {
        "displayName": "Platform",
        "members": [
            {"username": "ann", "role": "admin"},
            {"username": "bob", "role": "viewer"},
        ],
    }
    # A group below another one inherits its members, as in Wegent; the higher role wins.
    assert web["metadata"]["annotations"] == {known.NAME: "platform/web"}
    assert {it["username"]: it["role"] for it in web["spec"]["members"]} == {
        "ann": "admin",
        "bob": "admin",
        "eve": "editor",
    }
    assert not of_kind(result, "Namespace")  # the operator makes those of groups


def test_a_group_cant_have_a_reserved_namespace() -> None:
    rows = [user(1, "ann"), group(1, "wegent-bob", 1), group(2, "default", 1)]
    result = imported(*rows)
    assert not of_kind(result, "Group")
    assert len(told(result, NoteKind.INVALID)) == 2
    assert len(of_kind(imported(*rows, namespaces={"default": "all"}), "Group")) == 1


def test_personal_objects_stay_personal_and_public_ones_are_shared() -> None:
    result = imported(
        *(user(1, "ann"), user(2, "bob")),
        kind(1, 0, shell()),
        kind(2, 1, ghost()),
        kind(3, 2, ghost(systemPrompt="Bob's")),
        kind(4, 1, bot(modelRef=None)),
    )
    assert {place(it) for it in of_kind(result, "Ghost")} == {
        ("wegent-ann", "reviewer-ghost"),
        ("wegent-bob", "reviewer-ghost"),
    }
    (found,) = of_kind(result, "Bot")
    assert place(found) == ("wegent-ann", "reviewer-bot")
    assert found["spec"]["ghostRef"]["namespace"] == "wegent-ann"
    assert found["spec"]["shellRef"] == {"name": "claudecode", "namespace": "default"}
    # The operator makes the namespaces of users.
    assert not of_kind(
        imported(user(1, "ann"), kind(1, 1, ghost()), create_namespaces=True), "Namespace"
    )


def test_columns_win_over_the_json() -> None:
    stale = ghost("old name") | {"kind": "Team"}
    row = kind(1, 0, stale, kind="Ghost", name="new_name", namespace="tools")
    (body,) = of_kind(imported(row), "Ghost")
    assert place(body) == ("tools", "new-name")
    assert body["metadata"]["annotations"][known.USER_ID] == "0"


def test_the_highest_id_wins() -> None:
    rows = [kind(9, 0, ghost(systemPrompt="new")), kind(3, 0, ghost(systemPrompt="old"))]
    result = imported(*rows)
    assert of_kind(result, "Ghost")[0]["spec"]["systemPrompt"] == "new"
    assert len(told(result, NoteKind.SKIPPED)) == 1


def test_deleted_rows_stay_deleted() -> None:
    result = imported(kind(1, 0, ghost(), is_active=0), kind(2, 0, shell()))
    assert [it["kind"] for it in result.objects] == ["Shell"]


def test_json_may_be_a_text_as_mariadb_writes_it() -> None:
    assert of_kind(imported(kind(1, 0, ghost()) | {"json": json.dumps(ghost())}), "Ghost")


def test_a_skill_gets_the_files_of_its_package() -> None:
    raw = base64.encodebytes(zipped(**{"SKILL.md": SKILL, "a.md": b"text"})).decode()
    package = {"table": "skill_binaries", "id": 1, "kind_id": 7, "binary_data": raw}
    row = kind(7, 0, wegent("Skill", "draw", {"description": "From the row"}))
    (body,) = of_kind(imported(row, package), "Skill")
    assert body["spec"] == {
        "description": "From the row",
        "content": "# Draw\n",
        "files": {"a.md": "text"},
    }
    broken = {**package, "binary_data": "bm8gemlw"}
    result = imported(row, broken)
    assert of_kind(result, "Skill")
    assert told(result, NoteKind.LOST) == ["skill_binaries"]


def test_tasks_of_their_own_table() -> None:
    task = wegent("Task", "task-1", {"prompt": "p", "title": "t", "teamRef": {"name": "t"}})
    row = kind(1, 0, task, table="tasks")
    assert of_kind(imported(row, tasks="pending"), "Task")
    assert not of_kind(imported(row), "Task")


def test_shares_and_lines_that_are_no_rows_are_noted() -> None:
    share = member(1, 5, 1, "Reporter", resource_type="Team")
    result = imported(user(1, "ann"), share)
    assert told(result, NoteKind.SKIPPED) == ["resource_type"]
    inputs = Inputs()
    notes = inputs.rows.read('{"table": "users"\n[1]\n{"table": "secrets"}\n', "x")
    assert [note.kind for note in notes] == [NoteKind.INVALID] * 3


def test_a_model_of_a_user_keeps_its_key_in_the_users_namespace() -> None:
    result = imported(user(1, "ann"), kind(1, 1, model()))
    assert [(it.namespace, it.name) for it in result.secrets] == [
        ("wegent-ann", "claude-sonnet-key")
    ]


@pytest.mark.parametrize(
    "row",
    [
        kind(1, 1, ghost()),
        kind(1, 1, ghost(), table="tasks"),
        user(1, "ann"),
        group(1, "platform", 1, display_name="Platform"),
        member(1, 1, 1, "Reporter"),
        {"table": "skill_binaries", "id": 1, "kind_id": 1, "binary_data": ""},
    ],
    ids=lambda row: row["table"],
)
def test_the_documented_commands_export_each_column_that_is_read(row: Row) -> None:
    """The first command for a table is that for a current Wegent."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    command = next(it for it in lines if it.startswith(f"rows \"'{row['table']}',"))
    assert command.endswith(f' FROM {row["table"]}"')
    exported = {"table", *re.findall(r"'(\w+)', ", command.partition(",")[2])}
    assert set(row) <= exported
