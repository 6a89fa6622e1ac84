"""The report of the benchmarks' parts: printed, and kept as Markdown, JSON and SVG."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.benchmarks.tables import Tables


@pytest.fixture
def told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Tables:
    del capsys  # so that a test reads also the output of this fixture
    told = Tables("proxy", tmp_path, before="a machine")
    told.begin(("requests", "at once", "ratio"), ("", "d", ".2f"))
    told.charts["ratio"] = ("Ratio", {"GET": {"proxy": 0.5}})
    told.row("GET", 1600, 0.851)
    return told


def test_what_is_printed_is_what_is_kept(
    told: Tables, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told.note("Two proxies answer more.")
    printed = capsys.readouterr().out
    kept = (tmp_path / "proxy.md").read_text()
    for text in ("| requests | at once | ratio |\n", "| GET | 1600 | 0.85 |\n", "\nTwo proxies"):
        assert text in printed
        assert text in kept
    assert kept.startswith("Before: a machine. After: ")
    assert "Kubernetes v" in kept


def test_json_has_the_values_as_they_were_measured(told: Tables, tmp_path: Path) -> None:
    del told
    content = json.loads((tmp_path / "proxy.json").read_text())
    assert content["tables"] == [[{"requests": "GET", "at once": 1600, "ratio": 0.851}]]
    assert content["machine"]["before"] == "a machine"
    assert content["versions"]["etcd"]


def test_each_chart_is_a_file(told: Tables, tmp_path: Path) -> None:
    del told
    root = ET.fromstring((tmp_path / "proxy-ratio.svg").read_text())
    assert {it.text for it in root.iter("{http://www.w3.org/2000/svg}text")} >= {"GET", "0.5"}


def test_a_row_has_a_cell_for_each_column(told: Tables) -> None:
    with pytest.raises(ValueError, match="zip"):
        told.row("GET", 1)
