"""Whose a state directory is: its own, or a copy of another checkout's.

A checkout may be copied together with its state. The copied records then name processes,
ports and clusters of the original, which commands in the copy must leave alone. A record in
the directory names the directory's inode: a copy has another one, a moved directory keeps
it.
"""

import json
from pathlib import Path
from typing import Final, NamedTuple, Self

from devcluster.errors import ForeignState

RECORD: Final = "home.json"


class Home(NamedTuple):
    """Where a state directory was when it was last claimed."""

    path: str
    device: int
    inode: int

    @classmethod
    def of(cls, directory: Path) -> Self:
        """Return where ``directory`` is now; raise FileNotFoundError where nothing is."""
        found = directory.stat()
        return cls(str(directory.absolute()), found.st_dev, found.st_ino)


def claim(directory: Path) -> None:
    """Record that ``directory``, which is made if need be, belongs where it is."""
    directory.mkdir(parents=True, exist_ok=True)
    part = directory / f"{RECORD}.part"
    part.write_text(json.dumps(Home.of(directory)._asdict()), encoding="utf-8")
    part.replace(directory / RECORD)


def copied_from(directory: Path) -> Path | None:
    """Return the path of the original if ``directory`` is a copy, else None.

    A directory that came back from a backup has another inode too, and is no copy.

    Raises:
        ForeignState: it is the original itself, reached by a link from another checkout.
    """
    recorded = _recorded(directory)
    if recorded is None:
        return None
    now, original = Home.of(directory), Path(recorded.path)
    # A file system's device number may be another one after a reboot.
    if recorded.inode != now.inode or (recorded.device != now.device and recorded.path != now.path):
        return original if recorded.path != now.path else None
    if recorded.path != now.path and original.exists() and original.samefile(directory):
        raise ForeignState(
            f"{now.path} leads to {original}, which another checkout works with. Work there, or"
            f" remove the link"
        )
    return None


def was_moved(directory: Path) -> bool:
    """Tell whether ``directory`` was elsewhere when it was claimed."""
    recorded = _recorded(directory)
    return recorded is not None and recorded.path != str(directory.absolute())


def refusal(directory: Path, original: Path, why: str = "") -> ForeignState:
    """Return the error for a command that would act on the original of a copy."""
    return ForeignState(
        f"{directory} was copied from {original}{why}. `make clean` here deletes the copy and"
        f" leaves the original alone; `make up` then makes a cluster of this checkout's own"
    )


def _recorded(directory: Path) -> Home | None:
    try:
        return Home(**json.loads((directory / RECORD).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
