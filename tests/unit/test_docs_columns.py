"""The outputs of ``kubectl get`` in the documentation have the columns that it prints."""

import re
from collections.abc import Iterator

import pytest

from tests.unit.pages import PAGES, PATHS, Page
from wegent_crds.models import model_of
from wegent_crds.registry import KINDS, Kind

HEADING = re.compile(r"^(?:NAMESPACE +)?(NAME +.*\bREASON\b.*)$", re.MULTILINE)


def headings_of(kind: Kind) -> Iterator[tuple[str, ...]]:
    """Yield the heading without ``-o wide``, and with it."""
    columns = model_of(kind).printer_columns()
    for most in (0, 1):
        yield ("NAME", *(it.name.upper() for it in columns if it.priority <= most))


PRINTED = {heading for kind in KINDS for heading in headings_of(kind)}


def headings(page: Page) -> list[tuple[str, ...]]:
    text = "\n".join(page.blocks("console"))
    return [tuple(re.split(r" {2,}", found.strip())) for found in HEADING.findall(text)]


@pytest.mark.parametrize("page", PAGES, ids=PATHS)
def test_headings_are_those_of_a_kind(page: Page) -> None:
    assert [it for it in headings(page) if it not in PRINTED] == []


def test_the_documentation_shows_most_kinds() -> None:
    assert len({heading for page in PAGES for heading in headings(page)}) >= len(KINDS)
