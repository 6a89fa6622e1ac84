"""Print the rate of odd sentences by folder, and fail above a bound.

A sentence without a named subject ("What the Bot is made of.") must be parsed twice. Field
descriptions are docstrings here, so that the text of ``kubectl explain`` is measured too.
"""

import argparse
import ast
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

BOUND: Final = 2.0
"""Odd sentences per 1,000 words, above which a folder fails; well-kept projects have 0 to 1.2."""
ODD: Final = re.compile(
    r"^\W*(?:what|who|whom|whoever|whatever|whichever|whether|one that|that which)\b(?!.*\?$)"
    r"|\bwhoever\b|\banew\b|\bthe affair of\b",
    re.IGNORECASE,
)
"""A relative clause without a noun at the start, unless it is a question; and three words."""
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])[\"')*]*\s+(?=[^\sa-z])")
_BLOCK_END: Final = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*|]|#+|\d+\.)\s)")
"""A blank line, or the line break before a list item, a heading or a table's row."""
_COMMENT: Final = re.compile(r"^([ \t]*)#.*(?:\n\1#.*)*|(?<=  )# .*$", re.MULTILINE)
_CODE: Final = re.compile(r"^( *)(```|~~~).*?^\1\2", re.DOTALL | re.MULTILINE)


def texts(source: str, *, markdown: bool) -> Iterator[tuple[int, str]]:
    """Yield each docstring and comment of a Python file, or a Markdown page, with its line."""
    if markdown:
        yield 1, _CODE.sub(lambda code: "\n" * code[0].count("\n"), source)
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.lineno, str(node.value.value)
    for found in _COMMENT.finditer(source):
        yield source.count("\n", 0, found.start()) + 1, re.sub(r"(?m)^\s*#+", "", found[0])


def odd_sentences(text: str, line: int = 1) -> Iterator[tuple[int, str]]:
    """Yield each odd sentence with the line of its paragraph, given the line of the text."""
    start = 0
    for end in [*(found.end() for found in _BLOCK_END.finditer(text)), len(text)]:
        for sentence in _SENTENCE_END.split(" ".join(text[start:end].split())):
            if ODD.search(sentence):
                yield line + text.count("\n", 0, start), sentence
        start = end


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the rates and the odd sentences of folders that fail; return 1 if a folder fails."""
    parser = argparse.ArgumentParser("python -m prose", description=__doc__, allow_abbrev=False)
    parser.add_argument("--list", action="store_true", help="print all odd sentences")
    everything = parser.parse_args(arguments).list
    words: Counter[str] = Counter()
    odd: defaultdict[str, list[str]] = defaultdict(list)
    listed = subprocess.run(["git", "ls-files", "*.py", "*.md"], stdout=subprocess.PIPE, check=True)  # noqa: S607
    for path in filter(Path.exists, map(Path, listed.stdout.decode().split())):
        folder = path.parts[0]
        for line, text in texts(path.read_text("utf-8"), markdown=path.suffix == ".md"):
            words[folder] += len(re.findall(r"\w+", text))
            odd[folder] += [f"{path}:{at}: {it}" for at, it in odd_sentences(text, line)]
    rates = {folder: 1000 * len(odd[folder]) / count for folder, count in words.items() if count}
    for folder, rate in sorted(rates.items()):
        print(f"{rate:5.1f} odd sentences per 1,000 words in {folder}")
    failed = {folder for folder, rate in rates.items() if rate > BOUND}
    for folder in sorted(odd if everything else failed):
        print("\n".join(odd[folder]))
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
