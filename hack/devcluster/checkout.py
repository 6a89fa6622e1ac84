"""The checkout that this code is part of, and whether the environment that runs it is its own.

A copied `.venv` still runs the code of the checkout that it was copied from: everything
that writes or deletes below :data:`CHECKOUT` would then do so in that other checkout.
"""

import sys
from pathlib import Path
from typing import Final

from devcluster.errors import ClusterError

CHECKOUT: Final = Path(__file__).resolve().parents[2]
MARK: Final = Path("hack") / "devcluster"
"""By its presence a directory is known as a checkout."""


def require_own_environment() -> None:
    """Refuse to run from the environment of another checkout.

    Raises:
        ClusterError: the environment lies in another checkout than the code.
    """
    if sys.prefix == sys.base_prefix:
        return
    environment = Path(sys.prefix).absolute()
    home = environment.parent.resolve()
    if home != CHECKOUT and (home / MARK).is_dir():
        raise ClusterError(
            f"the Python environment {environment} belongs to another checkout: it would run the"
            f" code of {CHECKOUT}, and change that. `make env` in {home} makes it again"
        )
