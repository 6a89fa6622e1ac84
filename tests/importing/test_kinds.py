"""The mapping of each kind's fields."""

from typing import Any

import pytest

from tests.importing.shapes import (
    bot,
    converted,
    ghost,
    model,
    only,
    shell,
    skill,
    spec_of,
    team,
    told,
    wegent,
    whole_set,
)
from wegent_import import annotations as known
from wegent_import.convert import convert
from wegent_import.notes import NoteKind
from wegent_import.options import Options


def test_references_get_the_names_of_their_referents() -> None:
    result = converted(*reversed(whole_set()), tasks="pending")
    by_kind = {body["kind"]: body for body in result.objects}
    assert by_kind["Team"]["spec"]["bots"] == [
        {"name": "reviewer-bot", "namespace": "default", "role": "leader"}
    ]
    assert by_kind["Bot"]["spec"] == {
        "ghostRef": {"name": "reviewer-ghost", "namespace": "default"},
        "shellRef": {"name": "claudecode", "namespace": "default"},
        "modelRef": {"name": "claude-sonnet", "namespace": "default"},
    }
    assert by_kind["Task"]["spec"]["teamRef"]["name"] == by_kind["Team"]["metadata"]["name"]
    skill_ref = by_kind["Ghost"]["spec"]["skillRefs"]
    place = by_kind["Skill"]["metadata"]
    assert skill_ref == [{"name": place["name"], "namespace": place["namespace"]}]


def test_objects_stand_after_their_referents() -> None:
    kinds = [body["kind"] for body in converted(*whole_set(), tasks="pending").objects]
    assert kinds == ["Skill", "Ghost", "Model", "Shell", "Bot", "Team", "Task"]


def test_a_reference_that_crosses_is_permitted() -> None:
    by_kind = {it["kind"]: it for it in converted(*whole_set()).objects}
    assert by_kind["Skill"]["spec"]["accessFrom"] == {
        "namespaceSelectors": [{"matchLabels": {"kubernetes.io/metadata.name": "default"}}]
    }
    assert "accessFrom" not in by_kind["Shell"]["spec"]


def test_many_namespaces_are_let_in_by_few_selectors() -> None:
    bots = [bot() | {"metadata": {"name": "b", "namespace": f"team-{at}"}} for at in range(40)]
    by_kind = {it["kind"]: it for it in converted(shell(), *bots).objects}
    selectors = by_kind["Shell"]["spec"]["accessFrom"]["namespaceSelectors"]
    values = [it["matchExpressions"][0]["values"] for it in selectors]
    assert [len(it) for it in values] == [16, 16, 8]
    assert {name for it in values for name in it} == {f"team-{at}" for at in range(40)}


def test_originals_are_kept_in_annotations() -> None:
    result = converted(team())
    metadata = only(result)["metadata"]
    assert metadata["annotations"] == {
        known.NAME: "Review Team!",
        known.DISPLAY_NAME: "Review",
        known.USER_ID: "7",
        known.SPEC: '{"bind_mode": ["chat"], "workflow": {"mode": "solo"}}',
    }
    assert "status" not in only(result)
    assert "metadata.name" in told(result, NoteKind.RENAMED)
    assert set(told(result, NoteKind.KEPT)) == {
        *("metadata.displayName", "metadata.user_id", "spec.bind_mode", "spec.workflow"),
    }


def test_labels_that_kubernetes_refuses_are_kept_apart() -> None:
    labels = {"type": "local_engine", "sort order": "1", "note": "a b", "n": 3}
    metadata = only(converted(wegent("Shell", "s", {"runtime": "Chat"}, labels=labels)))["metadata"]
    assert metadata["labels"] == {"type": "local_engine", "n": "3"}
    assert metadata["annotations"][known.LABELS] == '{"sort order": "1", "note": "a b"}'


def test_protected_annotations_are_not_copied() -> None:
    own = {"agent.wecode.io/created-by": "root", "example.com/team": "a"}
    body = ghost()
    body["metadata"]["annotations"] = own
    found = only(converted(body))["metadata"]["annotations"]
    assert found["example.com/team"] == "a"
    assert not [key for key in found if key.startswith("agent.wecode.io/")]


def test_names_that_become_one_stay_two_objects() -> None:
    result = converted(ghost("my_ghost"), ghost("My-Ghost"), bot(ghostRef={"name": "My-Ghost"}))
    names = [it["metadata"]["name"] for it in result.objects if it["kind"] == "Ghost"]
    assert names[0] == "my-ghost"
    assert names[1].startswith("my-ghost-")
    assert result.objects[-1]["spec"]["ghostRef"]["name"] == names[1]


def test_the_last_document_of_a_name_counts() -> None:
    result = converted(ghost(systemPrompt="One"), ghost(systemPrompt="Two"))
    assert only(result)["spec"]["systemPrompt"] == "Two"
    assert len(told(result, NoteKind.SKIPPED)) == 1
    assert not told(converted(ghost(), ghost()), NoteKind.SKIPPED)


@pytest.mark.parametrize(
    ("spec", "type_", "providers"),
    [
        ({"shellType": "ClaudeCode", "supportModel": []}, "ClaudeCode", None),
        (
            {"runtime": "Agno", "supportModel": ["openai", "claude"]},
            "Agno",
            ["openai", "anthropic"],
        ),
        ({"runtime": "claude_code", "support_model": ["gemini"]}, "ClaudeCode", ["gemini"]),
        ({"shellType": "custom", "baseShellRef": "Chat"}, "Chat", None),
        ({"type": "Dify", "supportedProviders": ["dify"]}, "Dify", ["dify"]),
    ],
)
def test_shells(spec: dict[str, Any], type_: str, providers: list[str] | None) -> None:
    found = spec_of(wegent("Shell", "s", spec))
    assert (found["type"], found.get("supportedProviders")) == (type_, providers)


def test_an_unknown_shell_is_left_out_and_its_bot_says_so() -> None:
    result = converted(wegent("Shell", "ClaudeCode", {"shellType": "Mystery"}), bot())
    assert [it["kind"] for it in result.objects] == ["Bot"]
    assert told(result, NoteKind.INVALID) == ["spec.type"]
    assert "spec.shellRef" in told(result, NoteKind.TODO)


@pytest.mark.parametrize("reference", [None, {}, {"name": ""}, {"name": "", "namespace": ""}, ""])
def test_an_empty_reference_to_a_model_is_none(reference: object) -> None:
    assert "modelRef" not in spec_of(bot(modelRef=reference))


def test_a_bot_without_a_model_gets_the_default_if_there_is_one() -> None:
    spec = spec_of(bot(modelRef=None), default_model=("models", "main"))
    assert spec["modelRef"] == {"name": "main", "namespace": "models"}
    assert spec_of(bot(), default_model=("models", "main"))["modelRef"]["name"] == "claude-sonnet"


def test_bind_model_is_a_reference() -> None:
    binding = {"bind_model": "My Model", "bind_model_type": "public", "temperature": 1}
    body = only(converted(bot(modelRef=None, agent_config=binding)))
    assert body["spec"]["modelRef"] == {"name": "my-model", "namespace": "default"}
    assert body["metadata"]["annotations"][known.SPEC] == '{"agent_config": {"temperature": 1}}'


def test_a_model_that_stands_for_another_one_is_replaced_by_it() -> None:
    stand_in = wegent(
        "Model",
        "Claude Sonnet",
        {"modelConfig": {"bind_model": "Shared", "bind_model_namespace": "models"}},
    )
    result = converted(stand_in, bot())
    assert only(result)["spec"]["modelRef"] == {"name": "shared", "namespace": "models"}
    empty = wegent("Model", "Claude Sonnet", {"modelConfig": {}, "isCustomConfig": False})
    assert "modelRef" not in only(converted(empty, bot()))["spec"]


@pytest.mark.parametrize(
    ("model_", "mode"),
    [
        ("solo", "solo"),
        ("pipeline ", "pipeline"),
        ("route", "route"),
        ("coordinate", "coordinate"),
        ("collaborate", "collaborate"),
        ("sequential", "pipeline"),
        ({"name": "sequential"}, "pipeline"),
        ({"name": "sequential", "config": {"steps": []}}, "pipeline"),
        ("Single", "solo"),
        ("swarm", "solo"),
        (None, "solo"),
    ],
)
def test_modes_of_teams(model_: object, mode: str) -> None:
    assert spec_of(team(collaborationModel=model_))["collaborationMode"] == mode


def test_a_mode_that_is_not_known_is_noted() -> None:
    assert told(converted(team(collaborationModel="swarm")), NoteKind.LOST) == [
        "spec.collaborationModel"
    ]


def member(name: str, **fields: Any) -> dict[str, Any]:
    return {"botRef": {"name": name, "namespace": "default"}, **fields}


def test_stages_of_a_pipeline() -> None:
    members = [
        member("a", requireConfirmation=True, contextPassing="original_and_previous"),
        member("b", contextPassing="original_user", prompt="Check it."),
        member("c", contextPassing="none"),
    ]
    bots = spec_of(team(members=members, collaborationModel="pipeline"))["bots"]
    # Wegent has the field at the stage that gives, and this project at the one that takes.
    assert [it.get("contextPassing") for it in bots] == [None, "all", "original"]
    assert [it.get("requireConfirmation") for it in bots] == [True, None, None]


def test_nothing_is_passed_only_to_a_bot_with_a_prompt() -> None:
    members = [member("a", contextPassing="none"), member("b", contextPassing="none"), member("c")]
    members[1]["prompt"] = "Write a poem."
    result = converted(team(members=members, collaborationModel="pipeline"))
    bots = only(result)["spec"]["bots"]
    assert [it.get("contextPassing") for it in bots] == [None, "none", None]
    assert told(result, NoteKind.LOST) == ["spec.members[2].contextPassing"]


def test_stages_mean_nothing_outside_a_pipeline() -> None:
    members = [member("a", requireConfirmation=True, contextPassing="previous_bot"), member("b")]
    bots = spec_of(team(members=members, collaborationModel="coordinate"))["bots"]
    assert all(set(it) == {"name", "namespace"} for it in bots)


def test_members_that_a_team_cant_have_are_noted() -> None:
    members = [
        member("a", role="leader"),
        member("b", role="leader"),
        member("a", role="member"),
        member("c", role="critic") | {"name": "the critic"},
        {"role": "member"},
    ]
    result = converted(team(members=members))
    bots = only(result)["spec"]["bots"]
    assert [it["name"] for it in bots] == ["a", "b", "c"]
    assert [it.get("role") for it in bots] == ["leader", None, None]
    assert told(result, NoteKind.LOST) == [
        "spec.members[1].role",
        "spec.members[2]",
        "spec.members[3].role",
        "spec.members[4]",
    ]
    assert "the critic" in only(result)["metadata"]["annotations"][known.SPEC]


def test_a_skill_of_a_package() -> None:
    text = (
        "---\nname: other\ndescription: Draws charts\nversion: 2.0\ntags: [draw, 7]\n"
        "displayName: Charts\nbindShells: [Chat]\n---\n\n# Charts\n"
    )
    files = {"SKILL.md": text.encode(), "a/b.md": b"text", "logo.png": b"\x89PNG\0", "x y.md": b"t"}
    result = convert([skill(files)], Options())
    body = only(result)
    assert body["metadata"]["name"] == "charts"
    assert body["spec"] == {
        "description": "Draws charts",
        "content": "# Charts\n",
        "version": "2.0",
        "tags": ["draw", "7"],
        "files": {"a/b.md": "text"},
    }
    assert told(result, NoteKind.LOST) == ["files.logo.png", "files.x y.md"]


def test_a_skill_without_a_description_is_described_by_its_name() -> None:
    assert spec_of(wegent("Skill", "Draw", {"prompt": "# Draw"}))["description"] == "Draw"


def test_files_beyond_the_limit_are_noted() -> None:
    files = {"SKILL.md": b"---\ndescription: d\n---\n" + b"x" * 60_000}
    files |= {f"{name}.md": b"y" * 60_000 for name in "abc"}
    result = convert([skill(files)], Options())
    assert list(only(result)["spec"]["files"]) == ["a.md"]
    assert told(result, NoteKind.LOST) == ["files.b.md", "files.c.md"]


def test_a_pending_task_keeps_its_repository_without_the_login() -> None:
    result = converted(*whole_set(), tasks="pending")
    task = result.objects[-1]
    assert task["spec"]["prompt"] == "Review the change."
    assert task["spec"]["title"] == "Review"
    assert '"https://git.example.com/a/b.git"' in task["metadata"]["annotations"][known.REPOSITORY]


@pytest.mark.parametrize(
    "status",
    [
        {"status": "RUNNING"},
        {"status": "COMPLETED", "result": {"value": "done"}},
        {"status": "PENDING", "completedAt": "2025-01-01T00:00:00"},
        {"phase": "Failed"},
        {"status": "CANCELLED"},
        {"status": "DELETE"},
    ],
)
def test_a_task_that_has_begun_is_never_imported(status: dict[str, Any]) -> None:
    body = wegent("Task", "t", {"prompt": "p", "teamRef": {"name": "t"}}) | {"status": status}
    result = converted(body, tasks="pending")
    assert not result.objects
    assert told(result, NoteKind.SKIPPED) == [""]


def test_tasks_are_left_out_unless_an_option_asks_for_them() -> None:
    body = wegent("Task", "t", {"prompt": "p", "teamRef": {"name": "t"}})
    assert not converted(body).objects
    assert converted(body, tasks="pending").objects


@pytest.mark.parametrize("kind", ["Workspace", "Retriever", "Device", "KnowledgeBase", "Other"])
def test_other_kinds_have_one_line_each(kind: str) -> None:
    result = converted(wegent(kind, "x", {"any": {"password": "p"}}))
    assert not result.objects
    assert [note.kind for note in result.notes] == [NoteKind.SKIPPED]


@pytest.mark.parametrize("category", ["tts", "stt", "embedding", "rerank", "video", "image"])
def test_models_of_other_things_than_texts_are_skipped(category: str) -> None:
    body = model()
    body["spec"]["modelType"] = category
    assert told(converted(body), NoteKind.SKIPPED) == [""]


TEMPLATE = wegent(
    "Template",
    "standup",
    {
        "displayName": "Standup",
        "resources": {
            "ghost": {"systemPrompt": "You summarize."},
            "bot": {"shellName": "Chat"},
            "team": {"collaborationModel": "pipeline"},
            "queue": {"visibility": "private"},
        },
    },
)


def test_a_template_names_skills_in_lists_of_references() -> None:
    resources = {
        "ghost": {
            "systemPrompt": "You keep a wiki.",
            "skillRefs": [{"name": "wiki", "user_id": 0}],
            "preloadSkillRefs": [{"name": "wiki"}, {"name": "Style_Guide", "namespace": "docs"}],
        },
        "bot": {"shellName": "Chat"},
    }
    result = converted(wegent("Template", "w", {"resources": resources}), expand_templates=True)
    ghosts = [body for body in result.objects if body["kind"] == "Ghost"]
    assert ghosts[0]["spec"]["skillRefs"] == [
        {"name": "wiki", "namespace": "default"},
        {"name": "style-guide", "namespace": "docs"},
    ]
    assert not told(result, NoteKind.KEPT)


def test_a_template_is_expanded_on_demand() -> None:
    assert told(converted(TEMPLATE), NoteKind.SKIPPED) == [""]
    result = converted(TEMPLATE, expand_templates=True)
    found = {body["kind"]: body for body in result.objects}
    assert found["Team"]["spec"]["bots"][0]["name"] == "standup-bot"
    assert found["Bot"]["spec"]["ghostRef"]["name"] == "standup-ghost"
    assert found["Bot"]["spec"]["shellRef"] == {"name": "chat", "namespace": "default"}
    assert "queue" in found["Team"]["metadata"]["annotations"][known.SPEC]
    assert not told(result, NoteKind.SKIPPED)


def test_namespaces_are_mapped_and_created() -> None:
    result = converted(*whole_set(), namespaces={"default": "agents"}, create_namespaces=True)
    namespaces = [it["metadata"]["name"] for it in result.objects if it["kind"] == "Namespace"]
    places = {it["metadata"]["namespace"] for it in result.objects if it["kind"] != "Namespace"}
    assert set(namespaces) == places
    assert "agents" in places
    assert "default" not in places


def test_system_namespaces_take_nothing() -> None:
    body = ghost() | {"metadata": {"name": "g", "namespace": "kube-system"}}
    assert told(converted(body), NoteKind.INVALID) == ["metadata.namespace"]
    assert converted(body, namespaces={"kube-system": "agents"}).objects


def test_an_empty_prompt_is_replaced_by_a_neutral_one() -> None:
    assert spec_of(ghost(systemPrompt=""))["systemPrompt"] == "You are a helpful assistant."


def test_an_object_in_the_own_form_stays_as_it_is() -> None:
    own = {
        "bots": [{"name": "a", "namespace": "default", "role": "leader"}],
        "collaborationMode": "pipeline",
        "description": "d",
    }
    assert spec_of(wegent("Team", "t", own)) == own
