"""Print the rate of odd sentences by folder, and fail above a bound.

A sentence without a named subject ("What the Bot is made of.") must be parsed twice. Docstrings,
comments and Markdown are one count: field descriptions are docstrings here, so that the text of
``kubectl explain`` is measured too. Messages are another: string literals of the programs, the
texts of the chart's templates, and the messages of admission policies. The decisions have a count
of their own, because pages of users would outweigh them.

Vale has no rate for a folder, and its package downloads a program from GitHub: docs/adr/0035.
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
"""Odd sentences per 1,000 words, above which a count fails; well-kept projects have 0 to 1.2."""
ODD: Final = re.compile(
    r"^\W*(?:what|who|whom|whose|whoever|whatever|whichever|whether|where|how(?!-)|one that"
    r"|that which)\b(?!.*\?$)"
    r"|\bwhoever\b|\banew\b|\bthe affair of\b|\ball the same\b|\bmends?\b|\blets? go of\b"
    r"|\bas (?:\S+ ){1,3}ha(?:s|ve) it\b|(?<!there )\b(?:is|are) no (?!longer|more|less|other)"
    r"|\b(?:is|are) there(?=[.,;:)]|$)",
    re.IGNORECASE,
)
"""A relative clause without a noun at the start, unless it is a question; and odd phrases."""
ODD_IN_A_MESSAGE: Final = re.compile(
    rf"{ODD.pattern}|\bwhat\b(?!.*\?$)|\b(?:for|by|of|to|ask) who\b|\bno such\b"
    r"|\b(?:no|some|every)body\b|\bth(?:at|ose) (?:is|are) taken\b|'s place\b"
    r"|\bcomes? back\b|\bgo(?:es)? on\b",
    re.IGNORECASE,
)
"""A message is short, and names its subject even within a sentence, unless it asks."""
FILES: Final = (
    *("*.py", "*.md", "*.sh", "Makefile", "Dockerfile", ".ci/run", "hack/fetch-openapi-generator"),
    *("charts/*.txt", "charts/*.tpl"),
    *(
        f"{folder}/*.yaml"
        for folder in ("charts", "config", "examples", "gitops", "hack", "kustomize")
    ),
)
"""``crds/*.yaml`` are generated from docstrings, which are measured."""
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])[\"')*]*\s+(?=[^\sa-z])")
_BLOCK_END: Final = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*|]|#+|\d+\.)\s)")
"""A blank line, or the line break before a list item, a heading or a table's row."""
_COMMENT: Final = re.compile(r"^([ \t]*)#.*(?:\n\1#.*)*|(?<=  )# .*$|(?<= )## .*$", re.MULTILINE)
_CODE: Final = re.compile(r"^( *)(```|~~~).*?^\1\2", re.DOTALL | re.MULTILINE)
_WORDS: Final = re.compile(r"(?:[A-Za-z'-]+[,:;.]? ){4}[A-Za-z'-]+")
"""Five words in a row, which a message has, and an expression or a pattern doesn't."""
_IN_TEMPLATE: Final = re.compile(
    r'(?:fail|printf) "([^"]+)"|^( *)(?:message|summary|runbook): (?:>-\n((?:\2 +.*\n)+)|(.+))',
    re.MULTILINE,
)
"""Messages of a template of the chart, and of an admission policy."""


def texts(source: str, suffix: str) -> Iterator[tuple[int, str]]:
    """Yield a Markdown page, or each docstring and comment of another file, with its line."""
    if suffix == ".md":
        yield 1, _CODE.sub(lambda code: "\n" * code[0].count("\n"), source)
        return
    for node in ast.walk(ast.parse(source if suffix == ".py" else "")):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.lineno, str(node.value.value)
    for found in _COMMENT.finditer(source):
        yield source.count("\n", 0, found.start()) + 1, re.sub(r"(?m)^\s*#+", "", found[0])


def messages(source: str, suffix: str) -> Iterator[tuple[int, str]]:
    """Yield each message of a Python file, a template, a policy or a plain text, with its line."""
    if suffix == ".txt":
        yield 1, source
    elif suffix == ".py":
        yield from _literals(ast.parse(source))
    else:
        for found in _IN_TEMPLATE.finditer(source):
            text = found[1] or found[3] or found[4]
            yield source.count("\n", 0, found.start()) + 1, text


def _literals(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield each string of five words that is not a docstring; a value in it becomes ``X``."""
    pending: list[ast.AST] = [tree]
    while pending:
        match pending.pop():
            case ast.Expr(value=ast.Constant()):
                continue
            case ast.Constant(value=str(text)) as node:
                parts = [text]
            case ast.JoinedStr(values=values) as node:
                parts = [str(it.value) if isinstance(it, ast.Constant) else "X" for it in values]
            case node:
                pending += ast.iter_child_nodes(node)
                continue
        text = "".join(parts)
        if _WORDS.search(text):
            yield node.lineno, text


def odd_sentences(
    text: str, line: int = 1, odd: re.Pattern[str] = ODD
) -> Iterator[tuple[int, str]]:
    """Yield each odd sentence with the line of its paragraph, given the line of the text."""
    start = 0
    for end in [*(found.end() for found in _BLOCK_END.finditer(text)), len(text)]:
        for sentence in _SENTENCE_END.split(" ".join(text[start:end].split())):
            if odd.search(sentence):
                yield line + text.count("\n", 0, start), sentence
        start = end


def found_in(path: Path) -> Iterator[tuple[str, int, str, re.Pattern[str]]]:
    """Yield each text of a file: the count that it belongs to, its line, itself and the pattern."""
    source, folder = path.read_text("utf-8"), path.parts[0]
    count = "docs/adr" if path.is_relative_to("docs/adr") else folder
    if path.suffix != ".txt":
        for line, text in texts(source, path.suffix):
            yield count, line, text, ODD
    if path.suffix != ".md" and folder != "tests":
        for line, text in messages(source, path.suffix):
            yield f"messages of {folder}", line, text, ODD_IN_A_MESSAGE


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the rates and the odd sentences of counts that fail; return 1 if a count fails."""
    parser = argparse.ArgumentParser("python -m prose", description=__doc__, allow_abbrev=False)
    parser.add_argument("--list", action="store_true", help="print all odd sentences")
    everything = parser.parse_args(arguments).list
    words: Counter[str] = Counter()
    odd: defaultdict[str, list[str]] = defaultdict(list)
    listed = subprocess.run(["git", "ls-files", *FILES], stdout=subprocess.PIPE, check=True)  # noqa: S607
    for path in filter(Path.exists, map(Path, listed.stdout.decode().split())):
        for count, line, text, pattern in found_in(path):
            words[count] += len(re.findall(r"\w+", text))
            odd[count] += [f"{path}:{at}: {it}" for at, it in odd_sentences(text, line, pattern)]
    rates = {count: 1000 * len(odd[count]) / total for count, total in words.items() if total}
    for count, rate in sorted(rates.items()):
        print(f"{rate:5.1f} odd sentences per 1,000 words in {count}")
    failed = {count for count, rate in rates.items() if rate > BOUND}
    for count in sorted(odd if everything else failed):
        print("\n".join(odd[count]))
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
