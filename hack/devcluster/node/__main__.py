"""``python -m devcluster.node``: can this machine run pods, and what is missing if not?

With ``--install``, Debian packages that are missing are installed first.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from devcluster.errors import ClusterError
from devcluster.kind import engine_answers
from devcluster.node import requirements
from devcluster.node.packages import install, missing_packages


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the missing requirements; return 0 if pods can run."""
    parser = argparse.ArgumentParser(
        prog="python -m devcluster.node", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("--install", action="store_true", help="Debian packages that are missing")
    options = parser.parse_args(arguments)
    if engine_answers():
        print("Pods run in kind: a Docker engine answers.")
        return 0
    try:
        if options.install:
            install(missing_packages())
    except ClusterError as error:
        print(error)
        return 1
    with tempfile.TemporaryDirectory(prefix="wegent-node-") as directory:
        missing = requirements.missing(Path(directory))
    print(
        "No pods can be run here. Missing requirements:"
        if missing
        else "Pods run on a node of our own."
    )
    for line in missing:
        print(f"  {line}")
    return int(bool(missing))


if __name__ == "__main__":
    sys.exit(main())
