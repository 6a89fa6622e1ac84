"""Objects at the command line: get, apply, delete, tree, trash."""

import asyncio
import json
import re
from pathlib import Path

import pytest
import yaml

from devcluster.checkout import CHECKOUT
from tests.cli.conftest import NewUser
from tests.support.api import Api
from tests.support.cli import PROGRAM, Cli
from tests.support.terminal import CTRL_C, ESCAPES
from tests.support.waiting import eventually
from wegent_cli.tables import GAP, MIN_CELLS

pytestmark = pytest.mark.usefixtures("operator")

GHOST = "apiVersion: agent.wecode.io/v1\nkind: Ghost\n"
BOMB = "spec:\n  a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"  a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
)
"""Some 400 bytes that stand for a thousand million values."""
EXAMPLES = ("ghost", "skill", "model", "shell", "bot", "team")


@pytest.fixture
async def applied(at_home: Cli) -> Cli:
    """A user who has applied the examples of one Team."""
    folder = CHECKOUT / "examples"
    manifests = [yaml.safe_load((folder / f"{it}.yaml").read_text()) for it in EXAMPLES]
    for manifest in manifests:
        manifest["metadata"].pop("namespace", None)
    text = yaml.safe_dump_all(manifests)
    (await at_home.run("apply", "-f", "-", "--no-validate-refs", stdin=text)).ok()
    return at_home


async def test_apply_and_get(applied: Cli) -> None:
    async def ready() -> bool:
        shown = (await applied.run("get", "bots")).ok().stdout
        assert "Ready" in shown.splitlines()[1], shown
        return True

    await eventually(ready, within_s=30, what="a Bot that is Ready")
    heads, *rows = (await applied.run("get", "wegent")).ok().stdout.splitlines()
    assert heads.split()[0] == "NAME"
    assert any(row.startswith("bot/") for row in rows)
    assert any(row.startswith("team/") for row in rows)
    everywhere = (await applied.run("get", "bots", "-A")).ok().stdout
    assert everywhere.splitlines()[0].split()[:2] == ["NAMESPACE", "NAME"]
    one = (await applied.run("get", "bot/reviewer", "-o", "yaml")).ok()
    metadata = yaml.safe_load(one.stdout)["metadata"]
    assert (metadata["name"], "managedFields" in metadata) == ("reviewer", False)
    whole = (await applied.run("get", "bots", "-o", "json", "--show-managed-fields")).ok()
    assert all(it["metadata"]["managedFields"] for it in json.loads(whole.stdout)["items"])
    names = (await applied.run("get", "bots", "-o", "name")).ok().stdout
    assert names == "bot.agent.wecode.io/reviewer\n"
    listed = (await applied.run("get", "bots", "-o", "json")).ok().json
    assert listed["kind"] == "List"
    assert [it["kind"] for it in listed["items"]] == ["Bot"]


async def test_a_terminal_of_80_columns(applied: Cli) -> None:
    """No line is longer, of any command, and the name of an object is never cut."""
    commands = [
        ("get", "wegent"),
        ("get", "models"),
        ("whoami",),
        ("config", "list"),
        ("doctor",),
        ("trash", "list"),
        ("tree", "team/reviewers"),
        ("--help",),
        ("run", "--help"),
        ("login", "--help"),
    ]
    for command in commands:
        async with applied.terminal(*command, columns=80) as terminal:
            assert await terminal.end() in {0, 1}, terminal.text
            longest = max(terminal.lines, key=len)
            assert len(longest) <= 80, (command, longest)
    async with applied.terminal("get", "models") as terminal:
        await terminal.end()
        assert "gpt-4" in terminal.text
    async with applied.terminal("get", "wegent", "-A", columns=80) as terminal:
        assert await terminal.end() == 0, terminal.text
        heads = [line for line in terminal.lines if line.startswith("NAMESPACE")]
        names = heads[0].index(heads[0].split()[2])
        cut = max(len(head.split()) - 2 for head in heads) * (MIN_CELLS + len(GAP)) - len(GAP)
        # Others' objects are among them, whose names may leave no room.
        assert max(map(len, terminal.lines)) <= max(80, names + cut), terminal.text


async def test_plain_output(applied: Cli) -> None:
    """NO_COLOR, --no-color and TERM=dumb: no escape sequence, no line of a box."""
    colored = applied.with_()
    async with colored.terminal("tree", "team/reviewers") as terminal:
        await terminal.end()
        assert "\x1b[3" in terminal.raw
    for cli, options in (
        (applied.with_(NO_COLOR="1"), ()),
        (applied.with_(TERM="dumb"), ()),
        (applied, ("--no-color",)),
    ):
        for command in (("tree", "team/reviewers"), ("get", "wegent"), ("--help",), ("doctor",)):
            given = (*command, *options) if command != ("--help",) else command
            async with cli.terminal(*given) as terminal:
                await terminal.end()
                assert not ESCAPES.search(terminal.raw), terminal.raw
                assert not re.search(r"[\u2500-\u257f]", terminal.raw), terminal.text


async def test_tree_finds_the_root_cause(applied: Cli) -> None:
    (await applied.run("delete", "ghost/code-assistant")).ok()

    async def probe() -> str:
        result = await applied.run("tree", "team/reviewers")
        assert result.exit_code == 1
        assert "Ghost" in result.stderr, result.stdout + result.stderr
        return result.stdout

    shown = await eventually(probe, within_s=30, what="the root cause")
    assert re.search(r"Ghost \S+/code-assistant: NotFound\n +root cause: ", shown)
    assert shown.count("root cause:") == 1
    node = (await applied.run("tree", "team", "reviewers", "-o", "json")).json
    assert node["kind"] == "Team"
    assert node["references"][0]["references"][0]["rootCause"] is True
    restored = await applied.run("trash", "restore", "ghost/code-assistant")
    assert restored.ok().stdout == "ghost.agent.wecode.io/code-assistant restored\n"

    async def well() -> bool:
        result = await applied.run("tree", "team/reviewers")
        assert result.exit_code == 0, result.stdout
        assert "Nothing is wrong." in result.stderr
        return True

    await eventually(well, within_s=30, what="a graph without a fault")


async def test_delete_and_trash(applied: Cli) -> None:
    result = await applied.run("delete", "skill/review-a-diff", "skill/none")
    assert result.exit_code == 4
    assert result.stdout == "skill.agent.wecode.io/review-a-diff deleted\n"
    assert "1 of 2 objects were not deleted" in result.stderr

    async def listed() -> str:
        shown = (await applied.run("trash", "list")).ok().stdout
        assert "skill/review-a-diff" in shown
        return shown

    await eventually(listed, within_s=30, what="the Tombstone")
    assert (await applied.run("trash", "restore", "bot/none")).exit_code == 4
    (await applied.run("trash", "restore", "skill/review-a-diff")).ok()
    (await applied.run("get", "skill/review-a-diff")).ok()


async def test_apply_says_what_is_wrong(at_home: Cli, tmp_path: Path) -> None:
    bot = {
        "apiVersion": "agent.wecode.io/v1",
        "kind": "Bot",
        "metadata": {"name": "b"},
        "spec": {"ghostRef": {"name": "none"}, "shellRef": {"name": "none"}},
    }
    ghost = {
        "apiVersion": "agent.wecode.io/v1",
        "kind": "Ghost",
        "metadata": {"name": "g"},
        "spec": {"systemPrompt": "You help."},
    }
    folder = tmp_path / "manifests"
    folder.mkdir()
    (folder / "bot.yaml").write_text(yaml.safe_dump(bot))
    (folder / "ghost.yaml").write_text(yaml.safe_dump(ghost))
    (folder / "notes.txt").write_text("not a manifest")
    result = await at_home.run("apply", "-f", folder)
    assert result.exit_code == 1
    assert result.stdout == "ghost/g created\n"
    assert "error: bot/b: " in result.stderr
    assert "use --no-validate-refs" in result.stderr
    assert "error: 1 of 2 objects were not applied" in result.stderr
    again = (await at_home.run("apply", "-f", folder, "--no-validate-refs")).ok()
    assert again.stdout.splitlines() == ["ghost/g unchanged", "bot/b created"]
    dry = (await at_home.run("apply", "-f", folder / "ghost.yaml", "--dry-run")).ok()
    assert dry.stdout == "ghost/g unchanged (dry run)\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "line 2, column 1: this is not valid YAML"),
        ("a: 1\n", "an object without apiVersion and kind"),
        ("", "the files have no objects"),
        (f"{GHOST}metadata: {{}}\n", "metadata.name of a Ghost is missing"),
        (f"{GHOST}metadata: x\n", "metadata.name of a Ghost is missing"),
        (f"{GHOST}metadata: {{name: 1}}\n", "metadata.name of a Ghost is missing"),
        (f"{GHOST}metadata: {{name: g}}\nspec: &s {{a: *s}}\n", "nested more than 48 levels deep"),
        (f"{GHOST}metadata: {{name: g}}\n{BOMB}", "more than 200000 values"),
        (f"{GHOST}metadata: &m {{name: g}}\nspec: {{<<: *m}}\n", "merge keys"),
        ("a: !!timestamp x\n", "this is not valid YAML"),
    ],
)
async def test_files_that_are_refused(at_home: Cli, text: str, words: str) -> None:
    result = await at_home.run("apply", "-f", "-", stdin=text)
    assert result.exit_code == 2
    assert words in result.stderr


async def test_ctrl_c_within_apply(at_home: Cli, home: str, api: Api) -> None:
    """While it reads, nothing is applied."""
    async with at_home.terminal("apply", "-f", "-") as terminal:
        terminal.type("apiVersion: agent.wecode.io/v1\nkind: Ghost\n")
        await asyncio.sleep(0.7)
        terminal.type(CTRL_C)
        assert await terminal.end() == 130
        assert "Traceback" not in terminal.text
    assert await api.list("ghosts", home) == []


async def test_no_rights(new_user: NewUser) -> None:
    one, other = await new_user(), await new_user()
    namespace = f"wegent-{other.variables['TEST_USER']}"
    ghost = "apiVersion: agent.wecode.io/v1\nkind: Ghost\nmetadata: {name: g}\n"
    ghost += "spec: {systemPrompt: Hi}\n"
    commands = [("get", "bots"), ("delete", "bot/x"), ("tree", "bot/x"), ("apply", "-f", "-")]
    for command in commands:
        result = await one.run(*command, "-n", namespace, stdin=ghost)
        assert result.exit_code == 5, (command, result.stderr)
        assert "error: " in result.stderr
    name = one.variables["TEST_USER"]
    (await other.run("members", "set", name, "viewer", "-n", namespace)).ok()
    (await one.run("get", "bots", "-n", namespace)).ok()
    assert (await one.run("apply", "-f", "-", "-n", namespace, stdin=ghost)).exit_code == 5
    listed = (await other.run("members", "list", "-n", namespace)).ok().stdout
    assert re.search(rf"{name} +viewer +no", listed)
    (await one.run("members", "remove", name, "-n", namespace)).ok()
    assert (await one.run("get", "bots", "-n", namespace)).exit_code == 5


async def test_unknown_kinds_and_names(at_home: Cli) -> None:
    result = await at_home.run("get", "botss")
    assert result.exit_code == 2
    assert "did you mean `bots`?" in result.stderr
    result = await at_home.run("get", "bot", "none")
    assert result.exit_code == 4
    assert result.stderr.startswith("error: ")


async def test_a_key_is_never_an_argument(applied: Cli) -> None:
    result = await applied.run("key", "set", "gpt-4", stdin="sk-a-secret-of-mine\n")
    assert "sk-a-secret" not in result.ok().stdout + result.stderr
    assert "api.openai.com" in result.stderr
    async with applied.terminal("key", "set", "gpt-4") as terminal:
        await terminal.expect("API key of gpt-4: ")
        await asyncio.sleep(0.2)
        terminal.type("sk-another-secret\n")
        assert await terminal.end() == 0
        assert "sk-another" not in terminal.raw
    denied = await applied.run("model", "test", "gpt-4")
    assert denied.exit_code in {1, 7}  # no runner in this file


async def test_output_to_a_closed_pipe(applied: Cli) -> None:
    process = await asyncio.create_subprocess_shell(
        f"{PROGRAM} get wegent -o json | head -c 1",
        env=applied.env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert out == b"{"
    assert err == b""
