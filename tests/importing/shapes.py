"""Documents in Wegent's form, written for the tests: each shape that files and databases have."""

from typing import Any

from wegent_import.convert import Result, convert
from wegent_import.documents import Document, of_value
from wegent_import.notes import NoteKind
from wegent_import.options import Options
from wegent_import.packages import skill_document

Body = dict[str, Any]

MODEL_KEY = "sk-live-0123456789abcdefghij"
HEADER_TOKEN = "Bearer t0ken-of-the-weather-server"
VARIABLE_TOKEN = "ghp_0123456789abcdefghijABCDEFGHIJ012345"
SECRETS = (MODEL_KEY, HEADER_TOKEN, VARIABLE_TOKEN, "hunter2-of-the-proxy")


def wegent(kind: str, name: str, spec: Body, **metadata: Any) -> Body:
    """Return an object in Wegent's form."""
    return {
        "apiVersion": "agent.wecode.io/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "default", **metadata},
        "spec": spec,
        "status": {"state": "Available"},
    }


def documents(*bodies: Body) -> list[Document]:
    """Return bodies as documents, as they come from a file."""
    found = []
    for number, body in enumerate(bodies):
        read, notes = of_value(body, f"test.yaml[{number}]")
        assert not notes, notes
        found += read
    return found


def converted(*bodies: Body, **options: Any) -> Result:
    """Return the result of an import of bodies."""
    return convert(documents(*bodies), Options(**options))


def only(result: Result) -> Body:
    """Return the one object of a result."""
    assert len(result.objects) == 1, [note.line() for note in result.notes]
    return result.objects[0]


def spec_of(*bodies: Body, **options: Any) -> Body:
    """Return the spec of the last of the objects of an import."""
    result = converted(*bodies, **options)
    assert result.objects, [note.line() for note in result.notes]
    spec: Body = result.objects[-1]["spec"]
    return spec


def told(result: Result, kind: NoteKind) -> list[str]:
    """Return the fields that have a note of a kind."""
    return [note.field for note in result.notes if note.kind is kind]


def shell(name: str = "ClaudeCode", **spec: Any) -> Body:
    return wegent("Shell", name, {"shellType": "ClaudeCode", "supportModel": [], **spec})


def ghost(name: str = "reviewer_ghost", **spec: Any) -> Body:
    return wegent("Ghost", name, {"systemPrompt": "You review code.", **spec})


def model(name: str = "Claude Sonnet", **env: Any) -> Body:
    variables = {
        "ANTHROPIC_MODEL": "claude-sonnet-4",
        "ANTHROPIC_AUTH_TOKEN": MODEL_KEY,
        "ANTHROPIC_BASE_URL": "https://llm.example.com/anthropic",
        **env,
    }
    return wegent("Model", name, {"modelConfig": {"env": variables}})


def bot(name: str = "reviewer_bot", **spec: Any) -> Body:
    return wegent(
        "Bot",
        name,
        {
            "ghostRef": {"name": "reviewer_ghost", "namespace": "default"},
            "shellRef": {"name": "ClaudeCode"},
            "modelRef": {"name": "Claude Sonnet"},
            **spec,
        },
    )


def team(name: str = "Review Team!", **spec: Any) -> Body:
    return wegent(
        "Team",
        name,
        {
            "members": [{"botRef": {"name": "reviewer_bot"}, "role": "leader", "prompt": ""}],
            "collaborationModel": "solo",
            "bind_mode": ["chat"],
            "workflow": {"mode": "solo"},
            **spec,
        },
        displayName="Review",
        user_id=7,
    )


def tools() -> Body:
    """MCP servers of all transports, with secrets in all places."""
    return {
        "git hub": {
            "command": "docker",
            "args": ["run", "-i", "-e", f"GITHUB_TOKEN={VARIABLE_TOKEN}", "tools:1"],
            "env": {"GITHUB_PERSONAL_ACCESS_TOKEN": VARIABLE_TOKEN, "READ_ONLY": True},
        },
        "weather": {
            "transport": "streamable_http",
            "url": "https://weather.example.com/mcp",
            "headers": {"Authorization": HEADER_TOKEN, "X-Region": "eu"},
            "timeout": 900,
        },
        "relative": {"type": "sse", "url": "${{backend_url}}/mcp/sse"},
    }


def whole_set() -> list[Body]:
    """Objects of all kinds that refer to each other, with referrers first."""
    return [
        wegent(
            "Task",
            "review-1",
            {
                "title": "Review",
                "prompt": "Review the change.",
                "teamRef": {"name": "Review Team!", "namespace": "default"},
                "workspaceRef": {"name": "project", "namespace": "default"},
            },
        )
        | {"status": {"state": "Available", "status": "PENDING", "progress": 0}},
        wegent(
            "Workspace",
            "project",
            {
                "repository": {
                    "gitUrl": "https://me:hunter2-of-the-proxy@git.example.com/a/b.git",
                    "gitRepo": "a/b",
                    "branchName": "main",
                    "gitDomain": "git.example.com",
                }
            },
        ),
        team(),
        bot(),
        ghost(
            skills=["Read_Diffs"],
            skill_refs={"Read_Diffs": {"skill_id": 4, "namespace": "tools/shared"}},
            mcpServers=tools(),
        ),
        shell(),
        model(HTTPS_PROXY_PASSWORD="hunter2-of-the-proxy"),
        wegent("Skill", "Read_Diffs", {"description": "Reads diffs", "version": 1.2})
        | {"metadata": {"name": "Read_Diffs", "namespace": "tools/shared"}},
    ]


def skill(files: dict[str, bytes], name: str = "charts") -> Document:
    return skill_document(name, files, f"{name}/SKILL.md")
