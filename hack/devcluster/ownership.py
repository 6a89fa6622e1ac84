"""Detection of state directories that were copied from another checkout.

A checkout may be copied together with its state. The copied files then name ports and clusters of
the original, which commands in the copy must leave alone. A record in the directory names the
directory's inode and file system: a copy has another inode, a moved directory keeps both. A
snapshot of a file system keeps the inodes, and is another file system at another path.
"""

import json
from pathlib import Path
from typing import Final

from devcluster.errors import ForeignState
from devcluster.files import write_whole

RECORD: Final = "home.json"


def claim(directory: Path) -> None:
    """Record that ``directory``, which is made if need be, belongs where it is."""
    directory.mkdir(parents=True, exist_ok=True)
    found = directory.stat()
    home = {"path": str(directory.absolute()), "device": found.st_dev, "inode": found.st_ino}
    write_whole(directory / RECORD, json.dumps(home))


def copied_from(directory: Path) -> Path | None:
    """Return the path of the original if ``directory`` is a copy, else None.

    A directory restored from a backup has another inode too, and does not count as a copy.

    Raises:
        ForeignState: it is the original itself, reached by a link from another checkout.
    """
    if not was_moved(directory):
        return None
    path, device, inode = _recorded(directory)
    original = Path(path)
    if original.exists() and original.samefile(directory):
        raise ForeignState(
            f"{directory.absolute()} leads to {original}, which another checkout works with. Work"
            f" there, or remove the link"
        )
    found = directory.stat()
    return None if (found.st_dev, found.st_ino) == (device, inode) else original


def was_moved(directory: Path) -> bool:
    """Return whether ``directory`` was elsewhere when it was claimed."""
    path, *_ = _recorded(directory)
    return path not in {"", str(directory.absolute())}


def refusal(directory: Path, original: Path, why: str = "") -> ForeignState:
    """Return the error for a command that would act on the original of a copy."""
    return ForeignState(
        f"{directory} was copied from {original}{why}. `make clean` here deletes the copy and"
        f" leaves the original alone; `make up` then makes a cluster of this checkout's own"
    )


def _recorded(directory: Path) -> tuple[str, int, int]:
    """Return path, device and inode from when it was claimed; no path if it never was."""
    try:
        home = json.loads((directory / RECORD).read_text(encoding="utf-8"))
        return home["path"], home["device"], home["inode"]
    except (OSError, ValueError, TypeError, KeyError):
        return "", 0, 0
