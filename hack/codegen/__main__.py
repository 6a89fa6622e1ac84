"""``python -m codegen [--check]``."""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from codegen import chart, cli, crds, docs, gitops, kustomize, policies, rbac, rights
from codegen.files import Generated, differences, write
from devcluster.checkout import CHECKOUT, require_own_environment
from devcluster.errors import ClusterError

GENERATORS: Final[tuple[Callable[[], Iterable[Generated]], ...]] = (
    crds.generate,
    policies.generate,
    rbac.generate,
    kustomize.generate,
    gitops.generate,
    chart.generate,
    docs.generate,
    cli.generate,
    rights.generate,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the generated files, or check them; return the program's exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m codegen", description=__doc__, allow_abbrev=False
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; show a diff and exit 1 if anything differs",
    )
    parser.add_argument("--root", type=Path, default=CHECKOUT, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    try:
        require_own_environment()
    except ClusterError as error:
        print(f"codegen: {error}", file=sys.stderr)
        return 1
    wanted = [file for generate in GENERATORS for file in generate()]
    if not options.check:
        for path in write(options.root, wanted):
            print(f"wrote {path}")
        return 0
    diff = "".join(differences(options.root, wanted))
    if diff:
        print(diff, end="")
        print("generated files differ: run `make generate`", file=sys.stderr)
    return int(bool(diff))


if __name__ == "__main__":
    sys.exit(main())
