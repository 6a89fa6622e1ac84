"""The operator and its peers in turn, each on a control plane of its own, in one run."""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from devcluster.checkout import CHECKOUT
from devcluster.progress import say
from tests.benchmarks.operator_speed import measure
from tests.benchmarks.operator_speed.programs import build
from tests.benchmarks.operator_speed.report import Report


@dataclass(frozen=True)
class Sizes:
    """The sizes of the measurements.

    Attributes:
        objects: Objects that each peer judges.
        at_once: Requests of the load at once.
        rounds: Times that the peers have their turn.
        changes: Referrers of the Ghosts that are deleted and created again.
        settled: Objects at a restart; the operator alone.
    """

    objects: int = 2000
    at_once: int = 16
    rounds: int = 1
    changes: tuple[int, ...] = (1, 10, 100, 500, 1000)
    settled: tuple[int, ...] = (10_000,)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this part."""
    default = Sizes()
    group = parser.add_argument_group("the operator beside its peers")
    group.add_argument(
        "--peers",
        type=_peers,
        default=measure.DEFAULT_PEERS,
        help=f"of {', '.join(measure.PEERS)} ({','.join(measure.DEFAULT_PEERS)})",
    )
    group.add_argument(
        "--count", type=int, default=default.objects, help="objects for each (%(default)s)"
    )
    group.add_argument(
        "--at-once", type=int, default=default.at_once, help="requests (%(default)s)"
    )
    group.add_argument("--rounds", type=int, default=default.rounds, help="(%(default)s)")
    group.add_argument(
        "--changes",
        type=_numbers,
        default=default.changes,
        help=f"referrers of a Ghost that goes and returns ({','.join(map(str, default.changes))})",
    )
    group.add_argument(
        "--settled",
        type=_numbers,
        default=default.settled,
        help=f"objects at restarts, such as 10000,20000 ({','.join(map(str, default.settled))})",
    )
    group.add_argument(
        "--output", type=Path, default=CHECKOUT / ".dev" / "bench", help="directory (.dev/bench)"
    )


def sizes_of(options: argparse.Namespace) -> Sizes:
    """Return the sizes that the options name."""
    return Sizes(options.count, options.at_once, options.rounds, options.changes, options.settled)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(",") if number)


def _peers(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := set(names) - measure.PEERS.keys():
        raise argparse.ArgumentTypeError(f"no such peer: {', '.join(sorted(unknown))}")
    return names


def run(sizes: Sizes, peers: Sequence[str], output: Path) -> Report:
    """Measure all, and write the report after each measurement."""
    built = build()
    report = Report(sizes.at_once)
    for number in range(sizes.rounds):
        for name in peers:
            say(f"round {number + 1} of {sizes.rounds}: {measure.PEERS[name]}")
            with (
                tempfile.TemporaryDirectory() as directory,
                measure.place(name, built, sizes.at_once, Path(directory)) as place,
            ):
                speed = measure.speed(name, place, sizes.objects, sizes.changes)
                report.speeds.append(speed)
            report.write(output)
    if sizes.settled:
        for name in (it for it in peers if not it.startswith(measure.RAW)):
            with (
                tempfile.TemporaryDirectory() as directory,
                measure.place(name, built, sizes.at_once, Path(directory), audit=True) as place,
            ):
                for restart in measure.restarts(name, place, sizes.settled):
                    report.restarts.append(restart)
                    report.write(output)
    return report
