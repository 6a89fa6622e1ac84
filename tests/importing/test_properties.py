"""Properties of the conversion: total, repeatable, and silent about secrets."""

import io
import json
import string
from typing import Any

import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.importing.shapes import Body, converted, wegent
from wegent_import.command import converted as converted_inputs
from wegent_import.convert import Result, convert, problems_of
from wegent_import.documents import documents_of, of_value
from wegent_import.export import TABLES
from wegent_import.files import Inputs
from wegent_import.notes import Note
from wegent_import.options import Options
from wegent_import.redaction import is_placeholder
from wegent_import.report import write_notes, yaml_of
from wegent_sdk.plain import plain

KINDS = (
    *("Ghost", "Model", "Shell", "Bot", "Team", "Skill", "Task", "Template", "Workspace"),
    *("Retriever", "Device", "KnowledgeBase", "List", "TeamList", ""),
)
FIELDS = (
    *("systemPrompt", "mcpServers", "skills", "skill_refs", "preload_skills", "modelConfig", "env"),
    *("protocol", "shellType", "runtime", "supportModel", "ghostRef", "shellRef", "modelRef"),
    *("agent_config", "members", "bots", "collaborationModel", "description", "version", "tags"),
    *("prompt", "title", "teamRef", "workspaceRef", "resources", "files", "author", "spec", "name"),
    *("namespace", "url", "command", "args", "headers", "botRef", "role", "contextPassing"),
    *("accessFrom", "apiKeySecretRef", "skillRefs", "type", "provider", "model", "bind_model"),
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.binary(max_size=8),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(FIELDS), st.text(max_size=8)), inner, max_size=5),
    ),
    max_leaves=20,
)
objects = st.fixed_dictionaries(
    {
        "apiVersion": st.just("agent.wecode.io/v1"),
        "kind": st.one_of(st.sampled_from(KINDS), scalars),
        "metadata": st.one_of(
            values,
            st.fixed_dictionaries(
                {"name": st.one_of(st.text(max_size=20), scalars)},
                optional={
                    "namespace": st.text(max_size=20),
                    "labels": values,
                    "annotations": values,
                },
            ),
        ),
        "spec": st.one_of(values, st.dictionaries(st.sampled_from(FIELDS), values, max_size=8)),
    },
    optional={"status": values, "items": values},
)
ALL = Options(tasks="pending", expand_templates=True, create_namespaces=True)


def of(*bodies: Any) -> tuple[Result, list[Note]]:
    documents, notes = [], []
    for number, body in enumerate(bodies):
        read, problems = of_value(body, str(number))
        documents += read
        notes += problems
    return convert(documents, ALL), notes


@given(st.lists(st.one_of(objects, values), max_size=4))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_every_document_gives_objects_or_notes(bodies: list[Any]) -> None:
    result, notes = of(*bodies)
    for body in result.objects:
        if body["kind"] != "Namespace":
            assert not problems_of(body)
    yaml_of(result.objects)
    write_notes([*notes, *result.notes], io.StringIO())


@given(st.lists(objects, max_size=4))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_the_same_documents_give_the_same_result(bodies: list[Any]) -> None:
    first, second = of(*bodies)[0], of(*bodies)[0]
    assert first.objects == second.objects
    assert first.notes == second.notes


COLUMNS = (
    *("id", "user_id", "kind", "name", "namespace", "is_active", "json", "user_name", "email"),
    *("role", "owner_user_id", "resource_type", "resource_id", "entity_type", "entity_id"),
    *("status", "kind_id", "binary_data", "display_name"),
)
numbers = st.sampled_from(["--5", "-", "5-", "\u0663", "\u00b2", "1e9", "9" * 30, "-9", "0x1"])
rows = st.builds(
    lambda table, columns: {**columns, "table": table},
    st.sampled_from(TABLES),
    st.dictionaries(
        st.sampled_from(COLUMNS),
        st.one_of(numbers, st.sampled_from([*KINDS, "admin", "a/b"]), values),
        max_size=10,
    ),
)


@given(st.lists(rows, max_size=6))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_every_row_of_every_table_is_read(found: list[Any]) -> None:
    lines = [json.dumps(plain(row)) for row in found]
    inputs = Inputs()
    inputs.notes += inputs.rows.read("\n".join(lines), "rows.ndjson")
    assert len(inputs.rows) == len(found)
    yaml_of(converted_inputs(inputs, ALL).objects)


@given(st.text(max_size=300))
def test_every_text_is_read(text: str) -> None:
    documents, notes = documents_of(text, "text")
    convert(documents, ALL)
    assert all(note.line() for note in notes)


@given(
    st.lists(
        st.sampled_from(["[", "{", "- ", "a: ", "&a ", "*a ", "? ", "\n", "<<: ", "'", "!!set "])
    )
)
def test_every_mixture_of_yamls_marks_is_read(parts: list[str]) -> None:
    documents_of("".join(parts), "text")


def test_aliases_that_multiply_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 10)}]" for at in range(1, 12)]
    documents, notes = documents_of("\n".join(lines), "bomb.yaml")
    assert not documents
    assert "more than" in notes[0].message


def test_merges_that_multiply_are_refused() -> None:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{at}: &a{at} {{<<: [{', '.join([f'*a{at - 1}'] * 10)}]}}" for at in range(1, 12)]
    documents, notes = documents_of("\n".join(lines), "bomb.yaml")
    assert not documents
    assert "merge keys" in notes[0].message


def test_a_cycle_and_a_deep_nesting_are_refused() -> None:
    for text in ("a: &a [*a]", "[" * 100_000, "a: " + "{b: " * 3000):
        documents, notes = documents_of(text, "deep.yaml")
        assert not documents
        assert notes


def test_a_broken_document_leaves_the_others() -> None:
    good = yaml.safe_dump(wegent("Ghost", "g", {"systemPrompt": "p"}))
    documents, notes = documents_of(f"{good}\n---\na: [\n---\n{good}", "file.yaml")
    assert len(documents) == 2
    assert len(notes) == 1


# Any text of these characters, of a length that no other part of the result has by chance.
tokens = st.builds(
    str.__add__,
    st.sampled_from(string.ascii_letters),
    st.text(string.ascii_letters + string.digits + "-_", min_size=24, max_size=60),
)
# Words that people put into names of secrets, written by hand and apart from the code's lists.
CORES = (
    *(("api", "key"), ("access", "key"), ("private", "key"), ("secret", "key"), ("app", "key")),
    *(("token",), ("password",), ("passwd",), ("pass",), ("pwd",), ("secret",), ("auth",)),
    *(("pat",), ("otp",), ("bearer",), ("ak",), ("sk",), ("cookie",), ("authorization",)),
    *(("basic", "auth"), ("session", "id"), ("credentials",), ("signature",), ("passphrase",)),
    *(("client", "secret"), ("access", "token"), ("webhook",), ("jwt",), ("creds",)),
)
WORDS = ("db", "x", "mysql", "github", "my", "prod", "DB")


@st.composite
def secret_names(draw: st.DrawFn) -> str:
    """Return a name of a secret: words around a core, in one of the usual spellings."""
    words = [*draw(st.lists(st.sampled_from(WORDS), max_size=2)), *draw(st.sampled_from(CORES))]
    number = draw(st.sampled_from(["", "2"]))
    join = draw(st.sampled_from(["_", "-", ".", "camel", "Pascal", "UPPER", "Upper-"]))
    if join == "UPPER":
        return "_".join(words).upper() + number
    if join == "Upper-":
        return "-".join(it.capitalize() for it in words) + number
    if join in {"camel", "Pascal"}:
        first = words[0] if join == "camel" else words[0][0].upper() + words[0][1:]
        return first + "".join(it[0].upper() + it[1:] for it in words[1:]) + number
    return join.join(words) + number


def holders(name: str, token: str) -> list[Body]:
    """Return documents with a token in each place that can have one."""
    texts = [
        f"{name}={token}",
        f"export {name}={token} && run",
        f"Server=x;{name}={token};User Id=a",
        f"{name}: {token}",
        f"{name}: Digest {token}",
        f"tool --{name} {token} --more",
        json.dumps({"a": {name: token}}),
        json.dumps({"a": json.dumps([{"key": name, "value": token}])}),
        f"see {json.dumps({name: token})}",
        f"curl -u user:{token} https://x.example",
        f"https://x.example/a?b=1&{name}={token}#c",
        f"https://hooks.slack.com/services/T000/B000/{token}",
        f"mysql://root:a/{token}@db/x",
    ]
    leftover = {
        "nested": {"list": [{name: token}, {"name": name, "value": token}]},
        "texts": texts,
        name: token,
    }
    server = {
        "url": f"https://me:{token}@x.example/mcp?{name}={token}",
        "headers": {name: token, "X-Other": f"Bearer {token}", "X-Any": token},
        "custom": leftover,
    }
    local = {
        "command": "tool",
        "args": [
            *(f"--{name}", token, f"{name}={token}", f"--header=Bearer {token}"),
            *("--header", f"X-Any: {token}", f"-HX-Any: {token}", "-p", f"{token}1X"),
            *("-e", f"ANY={token}", "-u", f"me:{token}", *texts),
        ],
        "env": {name: token, "DSN": texts[2], "ANY": token, "A_URL": texts[-1]},
    }
    broken = {"type": "sse", "url": "${{x}}", "headers": {name: token}, "env": {name: token}}
    servers = {"a": server, "b": local, "c": broken}
    extra = {"annotations": {name: token}, "labels": {"x": f"Bearer {token}"}, name: token}
    return [
        wegent("Ghost", "g", {"systemPrompt": "p", "mcpServers": servers, **leftover}, **extra),
        wegent("Skill", "s", {"description": "d", "mcpServers": servers, "config": leftover}),
        wegent("Model", "m", {"modelConfig": {"env": {"OPENAI_MODEL": "x", name: token}}}, **extra),
        wegent("Model", "n", {"modelConfig": {"provider": "openai", "model": "x", **leftover}}),
        wegent("Model", "o", {"env": {"ANTHROPIC_MODEL": "x", f"ANTHROPIC_{name}": token}}),
        wegent("Shell", "h", {"runtime": "Chat", **leftover}),
        wegent("Bot", "b", {"ghostRef": {"name": "g"}, "shellRef": {"name": "h"}, **leftover}),
        wegent("Team", "t", {"members": [{"botRef": {"name": "b"}, **leftover}], **leftover}),
        wegent("Task", "k", {"prompt": "p", "teamRef": {"name": "t"}, **leftover}),
        wegent("Workspace", "w", {"repository": {"gitUrl": f"https://{token}@x", name: token}}),
        wegent("Retriever", "r", {"storageConfig": leftover}),
        wegent("Template", "p", {"resources": {"ghost": {"systemPrompt": "p", **leftover}}}),
    ]


@given(secret_names(), tokens)
@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=60)
def test_no_secret_is_in_an_object_or_a_note(name: str, token: str) -> None:
    result = converted(*holders(name, token), tasks="pending", expand_templates=True)
    assert len({body["kind"] for body in result.objects}) == 7
    text = yaml_of(result.objects) + json.dumps(list(result.objects))
    assert token not in text
    assert token not in "\n".join(note.line() for note in result.notes)
    assert token not in repr(result)


@given(
    st.sampled_from(["sk-", "ghp_", "glpat-", "xoxb-", "hf_"]),
    st.text(string.ascii_letters, min_size=20, max_size=30),
)
def test_a_token_of_a_known_form_is_in_no_prompt(prefix: str, rest: str) -> None:
    token = f"{prefix}{rest}"
    assume(not is_placeholder(token))
    bodies = [
        wegent("Ghost", "g", {"systemPrompt": f"Call it with {token}, please."}),
        wegent("Skill", "s", {"description": token, "prompt": f"curl -H {token}"}),
        wegent("Team", "t", {"members": [{"botRef": {"name": "b"}, "prompt": token}]}),
    ]
    result = converted(*bodies)
    assert len(result.objects) == 3
    assert token not in yaml_of(result.objects)
