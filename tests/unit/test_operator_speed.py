"""The report of the operator beside its peers."""

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.benchmarks.__main__ import main
from tests.benchmarks.charts import bars
from tests.benchmarks.operator_speed.measure import Change, Restart, Speed
from tests.benchmarks.operator_speed.report import Report

BOUND = Speed(
    peer="raw",
    objects=2000,
    only_created_per_s=600,
    created_per_s=300,
    ready_per_s=200,
    p50_ms=40,
    p99_ms=90,
    cpu_ms_per_verdict=None,
    resident_mib=None,
    load_share=0.1,
    apiserver_cpu_ms=3,
    all_cpu_ms=6,
)
OPERATOR = replace(
    BOUND,
    peer="operator",
    only_created_per_s=None,
    ready_per_s=160,
    cpu_ms_per_verdict=2,
    all_cpu_ms=8,
    resident_mib=100,
    changes=(Change(500, 2.5, 3.5, 1.25),),
)
RESTART = Restart("operator", 10_000, 4.25, 5.5, 0, 140, 7.5, 8.5)


def report(*speeds: Speed) -> Report:
    return Report(16, "a machine", {"Kubernetes": "v1"}, list(speeds), [RESTART])


def test_ratio_is_to_the_bound_of_the_same_round_and_policies() -> None:
    bounds = [BOUND, replace(BOUND, ready_per_s=300)]
    unmutated = [
        replace(BOUND, peer="raw-no-mutating", ready_per_s=600),
        replace(OPERATOR, peer="operator-no-mutating"),
    ]
    # The two rounds of the operator are equal: a round is told by its place.
    rounds = [bounds[0], OPERATOR, *unmutated, bounds[1], replace(OPERATOR)]
    found = [it and round(it, 2) for it in map(report(*rounds).ratio, rounds)]
    assert found == [None, 0.8, None, 0.27, None, 0.53]


def test_ratio_without_a_bound_is_unknown() -> None:
    assert report(OPERATOR).ratio(OPERATOR) is None


def test_tables_have_a_column_for_each_peer() -> None:
    lines = report(BOUND, OPERATOR).markdown().splitlines()
    assert "| 2,000 objects, 16 at once | raw bound | operator |" in lines
    assert "| share of the raw bound |  | 0.80 |" in lines
    assert "| the same by CPU |  | 0.75 |" in lines
    assert "| only created, no status, /s | 600 |  |" in lines
    assert "| a Ghost goes, 500 Bots, s |  | 2.50 |" in lines
    assert "| operator | 10,000 | 4.2 | 5.5 | 0 | 140 | 8.5 | 7.5 |" in lines


def test_many_rounds_are_shown_after_their_median() -> None:
    speeds = [replace(OPERATOR, ready_per_s=value) for value in (150, 100, 120)]
    assert "| created and Ready, /s | 120 (150, 100, 120) |" in report(*speeds).markdown()


def test_files_are_written_as_json_markdown_and_charts(tmp_path: Path) -> None:
    report(BOUND, OPERATOR).write(tmp_path)
    stored = json.loads((tmp_path / "operator.json").read_text())
    assert [it["ratio_to_raw"] for it in stored["speeds"]] == [None, 0.8]
    assert [it["cpu_ratio"] for it in stored["speeds"]] == [None, 0.75]
    assert stored["restarts"][0]["writes"] == 0
    assert stored["versions"] == {"Kubernetes": "v1"}
    names = {it.name for it in tmp_path.iterdir()}
    assert names == {
        "operator.json",
        "operator.md",
        *(f"operator-{it}.svg" for it in ("changes", "cpu", "memory", "ready")),
    }
    # The bound has no program of its own, so no CPU.
    assert "raw bound" not in (tmp_path / "operator-cpu.svg").read_text()
    assert "raw bound" in (tmp_path / "operator-ready.svg").read_text()


def test_bars_are_to_scale_and_escaped() -> None:
    root = ET.fromstring(bars("a < b", {"x": {"one": 1.0, "four": 4.0}, "y": {"one": 2.0}}))
    space = "{http://www.w3.org/2000/svg}"
    drawn = root.findall(f"{space}rect")[1:]
    widths = [float(it.attrib["width"]) for it in drawn]
    assert widths[1] == pytest.approx(4 * widths[0], abs=0.2)
    assert drawn[0].attrib["fill"] == drawn[2].attrib["fill"] != drawn[1].attrib["fill"]
    assert "a < b" in [it.text for it in root.findall(f"{space}text")]


def test_bars_of_nothing_are_a_chart() -> None:
    assert ET.fromstring(bars("empty", {})).tag.endswith("svg")


def test_unknown_peer_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--peers", "raw,java"])
    assert "no such peer: java" in capsys.readouterr().err
