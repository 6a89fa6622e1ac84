"""The documentation as GitHub renders it: headings, links, code, tables."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from devcluster.checkout import CHECKOUT

FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^(#{1,6}) (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path
    text: str

    @classmethod
    def read(cls, path: str) -> "Page":
        """Return the page at a path below the repository's root."""
        return cls(Path(path), (CHECKOUT / path).read_text(encoding="utf-8"))

    @cached_property
    def prose(self) -> str:
        """The text without fenced code and comments."""
        return COMMENT.sub("", FENCED.sub("", self.text))

    @property
    def headings(self) -> list[str]:
        """Each heading's text, without its level."""
        return [title for _, title in HEADING.findall(self.prose)]

    @property
    def anchors(self) -> set[str]:
        """The valid fragments of links to the page."""
        return {slug(heading) for heading in self.headings}

    @property
    def links(self) -> list[str]:
        """The targets of the page's links."""
        return LINK.findall(INLINE.sub("", self.prose))

    @property
    def inline(self) -> list[str]:
        """Each piece of code within the text."""
        return INLINE.findall(self.prose)

    @property
    def code(self) -> list[str]:
        """Each piece of code, fenced or inline."""
        return [block for _, block in FENCED.findall(self.text)] + self.inline

    def blocks(self, language: str) -> list[str]:
        """Return the fenced blocks in a language."""
        return [block for found, block in FENCED.findall(self.text) if found == language]

    def section(self, heading: str) -> str:
        """Return the text below a heading, up to the next one of its level or above."""
        match = re.search(rf"^(#+) {re.escape(heading)}$", self.text, re.MULTILINE)
        assert match is not None, f"{self.path} has no heading {heading!r}"
        rest = self.text[match.end() :]
        end = re.search(rf"^#{{1,{len(match[1])}}} ", FENCED.sub(_blank, rest), re.MULTILINE)
        return rest[: end.start()] if end else rest


def _blank(match: re.Match[str]) -> str:
    """Return the same number of characters, without headings."""
    return re.sub(r"[^\n]", " ", match[0])


def slug(heading: str) -> str:
    """Return a heading's anchor, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def rows(text: str) -> Iterator[list[str]]:
    """Yield the cells of each row of the tables in a text, headers left out."""
    table = False
    for line in text.splitlines():
        if not line.startswith("|"):
            table = False
        elif set(line) <= set("|- "):
            table = True
        elif table:
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


PATHS = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "CODE_OF_CONDUCT.md",
    "SECURITY.md",
    "charts/wegent/README.md",
    *(
        str(path.relative_to(CHECKOUT))
        for folder in ("docs", "examples")
        for path in sorted((CHECKOUT / folder).rglob("*.md"))
    ),
]
PAGES = [Page.read(path) for path in PATHS]
