"""Horizontal bars as SVG. A library of plots would be the largest package of the environment."""

from collections.abc import Mapping
from xml.etree import ElementTree as ET

WIDTH = 760
LABELS = 250
VALUES = 70
"""Width for the number at the end of a bar."""
BAR = 20
GAP = 5
HEAD = 36
COLOURS = ("#4c78a8", "#f58518", "#54a24b", "#b279a2", "#9d755d", "#e45756")


def bars(title: str, groups: Mapping[str, Mapping[str, float]]) -> str:
    """Return a chart with a bar for each name of each group, all to one scale from 0.

    Args:
        title: Title with the unit.
        groups: Values by name, by group. Equal names have the same colour.
    """
    names = list(dict.fromkeys(name for group in groups.values() for name in group))
    longest = max((value for group in groups.values() for value in group.values()), default=0)
    scale = (WIDTH - LABELS - VALUES) / longest if longest else 0
    rows = sum(len(group) for group in groups.values())
    height = HEAD + rows * (BAR + GAP) + len(groups) * (BAR + GAP)
    root = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {WIDTH} {height}",
            "font-family": "sans-serif",
            "font-size": "13",
        },
    )
    ET.SubElement(root, "rect", {"width": str(WIDTH), "height": str(height), "fill": "white"})
    _text(root, 10, 22, title, {"font-weight": "bold"})
    top = HEAD
    for group, values in groups.items():
        _text(root, 10, top + BAR * 0.75, group, {"font-style": "italic"})
        top += BAR + GAP
        for name, value in values.items():
            _text(root, LABELS - 8, top + BAR * 0.75, name, {"text-anchor": "end"})
            bar = {
                "x": str(LABELS),
                "y": str(top),
                "width": f"{value * scale:.1f}",
                "height": str(BAR),
                "fill": COLOURS[names.index(name) % len(COLOURS)],
            }
            ET.SubElement(root, "rect", bar)
            _text(root, LABELS + value * scale + 6, top + BAR * 0.75, f"{value:.3g}")
            top += BAR + GAP
    return ET.tostring(root, encoding="unicode") + "\n"


def _text(
    root: ET.Element, x: float, y: float, text: str, more: Mapping[str, str] | None = None
) -> None:
    element = ET.SubElement(root, "text", {"x": f"{x:.1f}", "y": f"{y:.1f}", **(more or {})})
    element.text = text
