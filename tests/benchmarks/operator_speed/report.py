"""The measurements as Markdown, JSON and SVG."""

import json
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.benchmarks.charts import bars
from tests.benchmarks.machine import machine, versions
from tests.benchmarks.operator_speed.measure import NO_MUTATING, PEERS, RAW, Restart, Speed
from tests.benchmarks.operator_speed.programs import go_versions

PACKAGES = ("kopf", "aiohttp", "uvloop", "pydantic-core")
"""Packages that the operator's speed depends on, where they are installed."""
MANY = 3
"""Rounds from which a cell shows their median."""

Values = Sequence[float | None]


def installed_versions() -> dict[str, str]:
    """Return the versions that the figures depend on."""
    return {**versions(PACKAGES), **go_versions()}


@dataclass
class Report:
    """All measurements of one run."""

    at_once: int
    before: str = field(default_factory=machine)
    versions: Mapping[str, str] = field(default_factory=installed_versions)
    speeds: list[Speed] = field(default_factory=list)
    restarts: list[Restart] = field(default_factory=list)

    def write(self, directory: Path) -> None:
        """Write ``operator.json``, ``operator.md`` and the charts ``operator-*.svg``."""
        directory.mkdir(parents=True, exist_ok=True)
        content = {
            "machine": {"before": self.before, "after": machine()},
            "versions": self.versions,
            "at_once": self.at_once,
            "speeds": [
                {**asdict(it), "ratio_to_raw": self.ratio(it), "cpu_ratio": self.cpu_ratio(it)}
                for it in self.speeds
            ],
            "restarts": [asdict(it) for it in self.restarts],
        }
        files = {
            "operator.json": json.dumps(content, indent=2) + "\n",
            "operator.md": self.markdown(),
            **self.charts(),
        }
        for name, text in files.items():
            (directory / name).write_text(text, encoding="utf-8")

    def ratio(self, speed: Speed) -> float | None:
        """Return a peer's speed as a share of the bound of the same round and policies."""
        bound = self._bound(speed)
        return speed.ready_per_s / bound.ready_per_s if bound else None

    def cpu_ratio(self, speed: Speed) -> float | None:
        """Return the CPU of the bound as a share of that with a peer, all programs together.

        Speeds have this ratio on a machine whose cores are all busy.
        """
        bound = self._bound(speed)
        return bound.all_cpu_ms / speed.all_cpu_ms if bound else None

    def _bound(self, speed: Speed) -> Speed | None:
        name = RAW + (NO_MUTATING if speed.peer.endswith(NO_MUTATING) else "")
        bounds = [it for it in self.speeds if it.peer == name]
        rounds = [it for it in self.speeds if it.peer == speed.peer]
        number = next(index for index, it in enumerate(rounds) if it is speed)
        return None if speed.peer == name or number >= len(bounds) else bounds[number]

    def markdown(self) -> str:
        """Return the tables, with the machine and the versions."""
        lines = [
            f"Before: {self.before}. After: {machine()}.",
            "",
            ", ".join(f"{name} {version}" for name, version in self.versions.items()),
            *self._speeds(),
            *self._restarts(),
        ]
        return "\n".join(lines) + "\n"

    def charts(self) -> dict[str, str]:
        """Return the charts of the medians, by the file's name."""
        rounds = self._rounds()

        def medians(value: Callable[[Speed], float | None]) -> dict[str, float]:
            found = {name: _known(map(value, speeds)) for name, speeds in rounds.items()}
            return {PEERS[name]: statistics.median(it) for name, it in found.items() if it}

        sizes = next((it.changes for it in self.speeds if it.changes), ())
        changes = {
            f"{size.referrers:,} Bots": medians(_of_change(number, "gone_s"))
            for number, size in enumerate(sizes)
        }
        charts = {
            "ready": ("Created and Ready, objects/s", {"": medians(lambda it: it.ready_per_s)}),
            "cpu": ("CPU a verdict, ms", {"": medians(lambda it: it.cpu_ms_per_verdict)}),
            "memory": ("Resident, MiB", {"": medians(lambda it: it.resident_mib)}),
            "changes": ("A Ghost goes, until all its Bots are not Ready, s", changes),
        }
        return {f"operator-{name}.svg": bars(*chart) for name, chart in charts.items()}

    def _rounds(self) -> dict[str, list[Speed]]:
        found: dict[str, list[Speed]] = {}
        for speed in self.speeds:
            found.setdefault(speed.peer, []).append(speed)
        return found

    def _speeds(self) -> Iterator[str]:
        if not self.speeds:
            return
        rounds = self._rounds()
        yield ""
        yield (
            f"| {self.speeds[0].objects:,} objects, {self.at_once} at once | "
            + " | ".join(PEERS[name] for name in rounds)
            + " |"
        )
        yield "| --- |" + " ---: |" * len(rounds)
        rows: list[tuple[str, Callable[[Speed], float | None], str]] = [
            ("created and Ready, /s", lambda it: it.ready_per_s, ".0f"),
            ("share of the raw bound", self.ratio, ".2f"),
            ("the same by CPU", self.cpu_ratio, ".2f"),
            ("CPU a verdict, ms", lambda it: it.cpu_ms_per_verdict, ".2f"),
            ("resident, MiB", lambda it: it.resident_mib, ".0f"),
            ("creation to verdict, ms (p50)", lambda it: it.p50_ms, ".0f"),
            ("creation to verdict, ms (p99)", lambda it: it.p99_ms, ".0f"),
            ("created meanwhile, /s", lambda it: it.created_per_s, ".0f"),
            ("only created, no status, /s", lambda it: it.only_created_per_s, ".0f"),
            ("CPU of kube-apiserver an object, ms", lambda it: it.apiserver_cpu_ms, ".2f"),
            ("CPU of all programs an object, ms", lambda it: it.all_cpu_ms, ".2f"),
            ("cores that the load used", lambda it: it.load_share, ".2f"),
        ]
        for title, value, form in rows:
            yield _row(title, [[value(it) for it in speeds] for speeds in rounds.values()], form)
        sizes = next((it.changes for it in self.speeds if it.changes), ())
        for number, size in enumerate(sizes):
            for title, name in (
                (f"a Ghost goes, {size.referrers:,} Bots, s", "gone_s"),
                ("- it returns, s", "returned_s"),
                ("- CPU a verdict, ms", "cpu_ms_per_verdict"),
            ):
                value = _of_change(number, name)
                columns = [list(map(value, speeds)) for speeds in rounds.values()]
                yield _row(title, columns, ".2f")

    def _restarts(self) -> Iterator[str]:
        if not self.restarts:
            return
        yield ""
        yield (
            "| restart | settled objects | watching after, s | CPU, s | writes | resident, MiB"
            " | a fresh verdict, ms | the same without them |"
        )
        yield "| --- |" + " ---: |" * 7
        for it in self.restarts:
            yield (
                f"| {PEERS[it.peer]} | {it.objects:,} | {it.watching_s:.1f} | {it.cpu_s:.1f}"
                f" | {it.writes} | {it.resident_mib:.0f} | {it.fresh_ms:.1f}"
                f" | {it.fresh_before_ms:.1f} |"
            )


def _of_change(number: int, name: str) -> Callable[[Speed], float | None]:
    """Return the reader of a field of one of the changes."""
    return lambda it: getattr(it.changes[number], name) if it.changes else None


def _row(title: str, columns: Sequence[Values], form: str) -> str:
    return f"| {title} | " + " | ".join(_cell(it, form) for it in columns) + " |"


def _cell(values: Values, form: str) -> str:
    """Return the values of the rounds, after their median if there are many."""
    known = _known(values)
    text = ", ".join(format(value, form) for value in known)
    return text if len(known) < MANY else f"{format(statistics.median(known), form)} ({text})"


def _known(values: Iterator[float | None] | Values) -> list[float]:
    return [value for value in values if value is not None]
