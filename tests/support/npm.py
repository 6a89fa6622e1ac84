"""Programs for node with packages from npm, installed outside of the checkout."""

import hashlib
import os
import shutil
import subprocess
import uuid
from pathlib import Path

INSTALL_WITHIN_S = 120


def installed(source: Path) -> Path:
    """Return a copy of a folder with its packages installed, by its ``package-lock.json``.

    A copy is made once for each content, and kept with the other programs that tests download.
    """
    files = sorted(it for it in source.iterdir() if it.is_file())
    content = hashlib.sha256(b"".join(it.name.encode() + it.read_bytes() for it in files))
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wegent" / "npm"
    target = cache / content.hexdigest()[:16]
    if not target.exists():
        making = cache / f"{target.name}.{uuid.uuid4().hex}"
        making.mkdir(parents=True)
        for it in files:
            shutil.copy(it, making)
        subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=making,
            check=True,
            capture_output=True,
            timeout=INSTALL_WITHIN_S,
        )
        try:
            making.rename(target)
        except OSError:  # another worker was faster
            shutil.rmtree(making)
    return target
