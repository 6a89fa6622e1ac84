"""Files are never left half written."""

from pathlib import Path

import pytest

from devcluster.files import write_private, write_whole


def test_interrupted_write_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state" / "port"
    write_whole(path, "20001")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, "2")
    with pytest.raises(KeyboardInterrupt):
        write_private(path, b"2")
    assert path.read_text(encoding="utf-8") == "20001"
