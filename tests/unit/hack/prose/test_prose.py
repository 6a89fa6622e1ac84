"""The language check finds odd sentences, and `make lint` fails above its bound."""

import subprocess
from pathlib import Path

import pytest

from prose import __main__ as prose

FINE = "Prompt of the Ghost. The operator writes it."
RULE = """\
# {}
spec:
  - name: x  # {}
    message: >-
      spec: must be
      {}
    reason: Invalid
"""
MODULE = '''"""First line.

{}
"""

LIMIT = 1  # {}
"""{}"""
# {}
# and what follows on the next line is the same sentence
'''


@pytest.mark.parametrize(
    "odd",
    [
        "What the Bot is made of.",
        "Who wrote it.",
        "Whose token it is.",
        "Where the Accounts live.",
        "How a cluster is.",
        "Whether it holds.",
        "A name. Whoever may read it can change it.",
        "- what selectors select by",
        "## What is generated",
        "One that failed is tried again.",
        "It is read by whoever asks.",
        "The lease runs anew.",
        "TLS is the affair of the ingress.",
        "How quickly it scales, as Kubernetes has it.",
        "The name is no label.",
        "The finalizer is added unless it is there.",
    ],
)
def test_an_odd_sentence_is_found(odd: str) -> None:
    assert list(prose.odd_sentences(f"{FINE}\n\n{odd}")) == [
        (3, odd.removeprefix("A name. ")),
    ]


@pytest.mark.parametrize(
    "plain",
    [
        FINE,
        "What happens when the API server restarts?",
        "The name says\nwhat it is, and\nwho wrote it.",
        "Whatsoever. E.g. what the API server does.",
        "It is no longer there, and there is no other.",
        "How-to guides lead to one goal each.",
        "How large may an object be?",
    ],
)
def test_a_plain_sentence_passes(plain: str) -> None:
    assert not list(prose.odd_sentences(plain))


@pytest.mark.parametrize(
    ("place", "line"),
    [(0, 3), (1, 6), (2, 7), (3, 8)],
    ids=["docstring", "inline", "attribute", "comment"],
)
def test_docstrings_and_comments_are_read(place: int, line: int) -> None:
    source = MODULE.format(*("What it is." if at == place else FINE for at in range(4)))
    found = [
        odd for at, text in prose.texts(source, ".py") for odd in prose.odd_sentences(text, at)
    ]
    assert [at for at, _ in found] == [line]


@pytest.mark.parametrize(("place", "line"), [(0, 1), (1, 3)], ids=["above", "inline"])
@pytest.mark.parametrize("suffix", [".yaml", ".sh", ""])
def test_comments_of_other_files_are_read(suffix: str, place: int, line: int) -> None:
    source = RULE.format(*("What it is." if at == place else FINE for at in range(3)))
    found = [
        odd for at, text in prose.texts(source, suffix) for odd in prose.odd_sentences(text, at)
    ]
    assert [at for at, _ in found] == [line]


def test_descriptions_of_make_targets_are_read() -> None:
    [(line, text)] = prose.texts("up: env ## What it starts\n\t@true\n", "")
    assert list(prose.odd_sentences(text, line)) == [(1, "What it starts")]


def test_code_in_markdown_is_not_read() -> None:
    page = "Text.\n\n```yaml\n# What a Bot is\n```\n\nWho wrote it.\n"
    [(line, text)] = prose.texts(page, ".md")
    assert list(prose.odd_sentences(text, line)) == [(7, "Who wrote it.")]


PYTHON = '''"""What the module is for, in a docstring."""

LIMIT = "the body is longer than those that are taken"  # {}
RULE = "self.all(it, it.name != 'x' && size(it.what) > 1)"
fail(f"{what} was refused; "
    f"ask whoever set {it} up")
'''
TEMPLATE = """\
{{- /* what a comment says is not read here */}}
{{- fail "host: what the certificate is for" }}
  summary: Nobody can log in; kubectl works.
  expr: what * is / no + message
"""


@pytest.mark.parametrize(
    ("suffix", "source", "found"),
    [
        (".py", PYTHON, [5, 3]),
        (".yaml", TEMPLATE, [2, 3]),
        (".yaml", RULE.format(FINE, FINE, "what the rule wants"), [4]),
        (".txt", "Wegent is installed.\n\nRun what you like.\n", [3]),
    ],
)
def test_messages_are_read(suffix: str, source: str, found: list[int]) -> None:
    assert [
        at
        for line, text in prose.messages(source, suffix)
        for at, _ in prose.odd_sentences(text, line, prose.ODD_IN_A_MESSAGE)
    ] == found


@pytest.mark.parametrize(("words", "status"), [(400, 1), (600, 0)])
@pytest.mark.parametrize("folder", ["crds", "docs/adr"])
def test_a_clean_folder_fails_above_the_bound(
    folder: str,
    words: int,
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    page = tmp_path / folder / "page.md"
    page.parent.mkdir(parents=True)
    (tmp_path / "docs").mkdir(exist_ok=True)
    (tmp_path / "docs" / "index.md").write_text("word " * 10_000)
    page.write_text(f"Who wrote it.\n\n{'word ' * words}\n")
    subprocess.run(["git", "init", "--quiet"], check=True)
    subprocess.run(["git", "add", "."], check=True)
    assert prose.main([]) == status
    assert (f"{folder}/page.md:1: Who wrote it." in capsys.readouterr().out) == bool(status)
