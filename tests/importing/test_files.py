"""Reading of files, folders and packages."""

import io
import zipfile
from pathlib import Path

import pytest
import yaml

from tests.importing.shapes import ghost, model, shell
from wegent_import.files import Inputs, ReadError
from wegent_import.packages import (
    MAX_FILE_BYTES,
    PackageError,
    front_matter,
    of_zip,
    package_of_zip,
)

SKILL = b"---\ndescription: Draws\n---\n# Draw\n"


def zipped(**files: bytes) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "/"), data)
    return raw.getvalue()


def read(*paths: Path) -> Inputs:
    inputs = Inputs()
    inputs.read([str(path) for path in paths])
    return inputs


def test_a_folder_with_documents_and_skills(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(yaml.safe_dump_all([ghost(), shell()]))
    (tmp_path / "a.json").write_text('{"apiVersion": "agent.wecode.io/v1", "kind": "Ghost"}')
    (tmp_path / "skills" / "draw" / "more").mkdir(parents=True)
    (tmp_path / "skills" / "draw" / "SKILL.md").write_bytes(SKILL)
    (tmp_path / "skills" / "draw" / "more" / "data.yaml").write_text("not: a document")
    (tmp_path / "skills" / "draw" / ".hidden").write_text("x")
    (tmp_path / "pack.zip").write_bytes(zipped(**{"SKILL.md": SKILL, "x.md": b"text"}))
    (tmp_path / "README.md").write_text("kind: nothing")
    inputs = read(tmp_path)
    assert [it.document for it in inputs.notes] == ["skills/draw/.hidden"]
    assert [(it.kind, it.name) for it in inputs.documents] == [
        *(("Skill", "draw"), ("Ghost", ""), ("Ghost", "reviewer_ghost"), ("Shell", "ClaudeCode")),
        ("Skill", "pack"),
    ]
    assert list(inputs.documents[0].files) == ["more/data.yaml"]
    assert list(inputs.documents[-1].files) == ["x.md"]


def test_one_file_of_a_skill(tmp_path: Path) -> None:
    (tmp_path / "SKILL.md").write_bytes(SKILL)
    (document,) = read(tmp_path / "SKILL.md").documents
    assert document.spec == {"description": "Draws", "prompt": "# Draw\n"}


def test_lists_and_answers_of_the_api_are_expanded(tmp_path: Path) -> None:
    items = [{key: it for key, it in model().items() if key not in {"kind", "apiVersion"}}]
    typed = {"apiVersion": "agent.wecode.io/v1", "kind": "ModelList", "items": items}
    plain = {"apiVersion": "v1", "kind": "List", "items": [ghost()]}
    path = tmp_path / "list.yaml"
    path.write_text(yaml.safe_dump_all([typed, plain, [shell()]]))
    assert [it.kind for it in read(path).documents] == ["Model", "Ghost", "Shell"]


def test_objects_of_other_groups_are_noted(tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    path.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    inputs = read(path)
    assert not inputs.documents
    assert [note.kind for note in inputs.notes] == ["skipped"]


def test_a_missing_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="No such file"):
        read(tmp_path / "none.yaml")


def test_a_package_in_a_folder_of_the_zip() -> None:
    raw = zipped(draw__SKILL_md=b"", **{"draw/SKILL.md": SKILL, "draw/a.md": b"t", "b.md": b"t"})
    package = package_of_zip(raw)
    assert set(package.left_out) == {"b.md"}
    assert set(package.files) == {"SKILL.md", "a.md", "SKILL_md"}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"no zip",
        zipped(**{"README.md": b"x"}),
        zipped(**{f"{at}.md": b"x" for at in range(1001)}),
        zipped(**{f"{at}.md": b"\0" * MAX_FILE_BYTES for at in range(34)}),
    ],
)
def test_a_zip_that_is_no_package_is_refused(raw: bytes) -> None:
    with pytest.raises(PackageError):
        package_of_zip(raw)


def test_files_that_a_package_cant_have_are_noted() -> None:
    raw = zipped(**{"SKILL.md": SKILL, "../x.md": b"x", "/etc/x.md": b"x", "a/.git": b"x"})
    documents, notes = of_zip("draw", raw, "draw.zip")
    assert not documents[0].files
    assert {it.field for it in notes} == {"../x.md", "/etc/x.md", "a/.git"}
    assert {it.kind for it in notes} == {"skipped"}


def test_a_file_of_a_skill_that_is_too_large_is_noted_as_such(tmp_path: Path) -> None:
    large = b"x" * (MAX_FILE_BYTES + 1)
    (tmp_path / "draw").mkdir()
    (tmp_path / "draw" / "SKILL.md").write_bytes(SKILL)
    (tmp_path / "draw" / "large.md").write_bytes(large)
    (tmp_path / "pack.zip").write_bytes(zipped(**{"SKILL.md": SKILL, "large.md": large}))
    inputs = read(tmp_path)
    assert [(it.field, it.message) for it in inputs.notes] == [
        ("large.md", "is larger than 1 MiB"),
        ("large.md", "is larger than 1 MiB"),
    ]
    assert [it.files for it in inputs.documents] == [{}, {}]


def test_a_mounted_config_map(tmp_path: Path) -> None:
    """Each of its files is a link to a file behind a link to a folder."""
    data = tmp_path / "..2026_11_30"
    data.mkdir()
    (data / "a.yaml").write_text(yaml.safe_dump(ghost()))
    (tmp_path / "..data").symlink_to(data.name)
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    inputs = read(tmp_path)
    assert [it.kind for it in inputs.documents] == ["Ghost"]
    assert not inputs.notes


def test_what_a_folder_leaves_out_is_noted(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "out.yaml").write_text(yaml.safe_dump(ghost()))
    (folder / "out.yaml").symlink_to("../out.yaml")
    (folder / "none.yaml").symlink_to("nothing")
    (folder / "sub" / "back").symlink_to("..")
    (folder / ".hidden.yaml").write_text("x")
    inputs = read(folder)
    assert not inputs.documents
    assert {it.document for it in inputs.notes} == {
        *(".hidden.yaml", "none.yaml", "out.yaml", "sub/back")
    }
    assert {it.kind for it in inputs.notes} == {"skipped"}


def test_a_folder_with_too_many_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wegent_import.files.MAX_FILES", 3)
    for at in range(4):
        (tmp_path / f"{at}.yaml").write_text(yaml.safe_dump(ghost()))
    with pytest.raises(ReadError, match="more than 3 files"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("text", "fields", "content"),
    [
        ("---\nname: a\nversion: 1.0\n---\nBody", {"name": "a", "version": 1.0}, "Body"),
        ("No fields", {}, "No fields"),
        ("---\nnever closed", {}, "---\nnever closed"),
        ("---\na: [\n---\nBody", {}, "Body"),
        ("---\r\na: b\r\n---\r\n\r\nBody", {"a": "b"}, "Body"),
    ],
)
def test_front_matter(text: str, fields: dict[str, object], content: str) -> None:
    assert front_matter(text) == (fields, content)
