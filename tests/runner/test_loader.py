"""A plan is made of objects that its Task may use when it is made, whatever the verdict was."""

from copy import deepcopy
from typing import Any

import pytest

from wegent_kube import ApiError
from wegent_runner.plan.loader import PlanLoader
from wegent_runner.plan.plan import NotSettled, Plan
from wegent_runner.runs.used import hash_of

ACCESS = {"namespaceSelectors": [{"matchLabels": {"team": "us"}}]}
SPECS: dict[tuple[str, str], dict[str, Any]] = {
    ("teams", "t"): {"bots": [{"name": "b"}]},
    ("bots", "b"): {
        "ghostRef": {"name": "g"},
        "modelRef": {"name": "m"},
        "shellRef": {"name": "s"},
    },
    ("ghosts", "g"): {"systemPrompt": "You help.", "skillRefs": [{"name": "k"}]},
    ("skills", "k"): {"description": "Reviews", "mcpServers": {"a": {"command": "x"}}},
    ("shells", "s"): {"type": "Chat"},
    ("models", "m"): {"provider": "openai", "model": "gpt", "fallbackRefs": [{"name": "f"}]},
    ("models", "f"): {"provider": "openai", "model": "gpt-mini"},
}


def settled(namespace: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """Return an object with a verdict of the operator, which permits all of its references."""
    ready = {"type": "Ready", "status": "True", "reason": "Ready", "observedGeneration": 1}
    return {
        "metadata": {
            "namespace": namespace,
            "name": name,
            "uid": name,
            "resourceVersion": "1",
            "generation": 1,
        },
        "spec": spec,
        "status": {"observedGeneration": 1, "conditions": [ready]},
    }


class Cluster:
    """The objects of two namespaces; ``theirs`` has a copy of each of ours."""

    def __init__(self) -> None:
        self.labels: dict[str, str] = {}
        self.read: list[str] = []
        self.objects = {
            (namespace, *key): settled(namespace, key[1], deepcopy(spec))
            for namespace in ("ours", "theirs")
            for key, spec in SPECS.items()
        }

    def spec(self, namespace: str, plural: str, name: str) -> dict[str, Any]:
        spec: dict[str, Any] = self.objects[namespace, plural, name]["spec"]
        return spec

    async def request(self, method: str, path: str) -> dict[str, Any]:
        assert method == "GET"
        if path == "/api/v1/namespaces/ours":
            return {"metadata": {"name": "ours", "labels": self.labels}}
        namespace, plural, name = path.split("/")[-3:]
        self.read.append(f"{plural}/{name}")
        if (found := self.objects.get((namespace, plural, name))) is None:
            raise ApiError(404, {"reason": "NotFound"})
        return found

    async def plan(self, *shared: str, **spec: Any) -> Plan | None:
        client: Any = self
        task = {"prompt": "Hi", **(spec or {"teamRef": {"name": "t"}})}
        loader = PlanLoader(client, frozenset(shared))
        return await loader.plan(settled("ours", "task", task))


def task_to_team(cluster: Cluster) -> dict[str, Any]:
    del cluster
    return {"teamRef": {"name": "t", "namespace": "theirs"}}


def task_to_bot(cluster: Cluster) -> dict[str, Any]:
    del cluster
    return {"botRef": {"name": "b", "namespace": "theirs"}}


def team_to_bot(cluster: Cluster) -> dict[str, Any]:
    cluster.spec("ours", "teams", "t")["bots"][0]["namespace"] = "theirs"
    return {}


def bot_to_ghost(cluster: Cluster) -> dict[str, Any]:
    cluster.spec("ours", "bots", "b")["ghostRef"]["namespace"] = "theirs"
    return {}


def ghost_to_skill(cluster: Cluster) -> dict[str, Any]:
    cluster.spec("ours", "ghosts", "g")["skillRefs"][0]["namespace"] = "theirs"
    return {}


def bot_to_shell(cluster: Cluster) -> dict[str, Any]:
    cluster.spec("ours", "bots", "b")["shellRef"]["namespace"] = "theirs"
    return {}


def bot_to_model(cluster: Cluster) -> dict[str, Any]:
    cluster.spec("ours", "bots", "b")["modelRef"]["namespace"] = "theirs"
    return {}


def model_to_fallback(cluster: Cluster) -> dict[str, Any]:
    cluster.spec("ours", "models", "m")["fallbackRefs"][0]["namespace"] = "theirs"
    return {}


def task_to_model(cluster: Cluster) -> dict[str, Any]:
    del cluster
    return {"teamRef": {"name": "t"}, "modelRef": {"name": "m", "namespace": "theirs"}}


def team_to_model(cluster: Cluster) -> dict[str, Any]:
    member = cluster.spec("ours", "teams", "t")["bots"][0]
    member["modelRef"] = {"name": "m", "namespace": "theirs"}
    return {}


EDGES = {
    task_to_team: ("teams", "t"),
    task_to_bot: ("bots", "b"),
    team_to_bot: ("bots", "b"),
    bot_to_ghost: ("ghosts", "g"),
    ghost_to_skill: ("skills", "k"),
    bot_to_shell: ("shells", "s"),
    bot_to_model: ("models", "m"),
    task_to_model: ("models", "m"),
    team_to_model: ("models", "m"),
    model_to_fallback: ("models", "f"),
}


@pytest.mark.parametrize(("edge", "referent"), EDGES.items())
async def test_a_referent_of_another_namespace_must_let_the_referrer_in(
    edge: Any, referent: tuple[str, str]
) -> None:
    cluster = Cluster()
    spec = edge(cluster)
    assert await cluster.plan(**spec) is None
    assert await cluster.plan("theirs", **spec) is not None, "the namespace is shared"
    cluster.spec("theirs", *referent)["accessFrom"] = ACCESS
    assert await cluster.plan(**spec) is None, "the label is missing"
    cluster.labels["team"] = "us"
    assert await cluster.plan(**spec) is not None


async def test_the_permission_is_the_referrers_and_not_the_tasks() -> None:
    """Their Team is ours to use; what it refers to in its own namespace needs no permission."""
    cluster = Cluster()
    cluster.labels["team"] = "us"
    cluster.spec("theirs", "teams", "t")["accessFrom"] = ACCESS
    plan = await cluster.plan(teamRef={"name": "t", "namespace": "theirs"})
    assert plan is not None
    assert [model.name for model in plan.bot.models] == ["theirs/m", "theirs/f"]


async def test_a_plan_has_the_ghosts_skills_and_their_servers() -> None:
    plan = await Cluster().plan()
    assert plan is not None
    assert [skill.name for skill in plan.bot.skills] == ["k"]
    assert [server.name for server in plan.bot.mcp_servers] == ["a"]


async def test_a_plan_of_ones_own_objects_needs_no_permission() -> None:
    assert await Cluster().plan() is not None


async def test_a_task_of_another_kind_of_runner_costs_no_read_beyond_the_shell() -> None:
    cluster = Cluster()
    cluster.spec("ours", "shells", "s")["type"] = "ClaudeCode"
    assert await cluster.plan() is None
    assert cluster.read == ["teams/t", "bots/b", "shells/s"]


def name_models(cluster: Cluster, *places: str) -> dict[str, Any]:
    """Let the places name a Model of their own, and no other; return the spec of the Task."""
    for namespace in ("ours", "theirs"):
        for name in ("of-task", "of-team", "of-bot"):
            spec = {"provider": "openai", "model": "gpt"}
            cluster.objects[namespace, "models", name] = settled(namespace, name, spec)
        del cluster.spec(namespace, "bots", "b")["modelRef"]
        holders = {
            "of-team": cluster.spec(namespace, "teams", "t")["bots"][0],
            "of-bot": cluster.spec(namespace, "bots", "b"),
        }
        for place in set(places) & holders.keys():
            holders[place]["modelRef"] = {"name": place}
    return {"modelRef": {"name": "of-task"}} if "of-task" in places else {}


@pytest.mark.parametrize(
    ("places", "called"),
    [
        (("of-task", "of-team", "of-bot"), "of-task"),
        (("of-task", "of-bot"), "of-task"),
        (("of-team", "of-bot"), "of-team"),
        (("of-bot",), "of-bot"),
        (("of-team",), "of-team"),
        (("of-task",), "of-task"),
    ],
)
async def test_the_tasks_model_comes_before_the_teams_and_that_before_the_bots(
    places: tuple[str, ...], called: str
) -> None:
    cluster = Cluster()
    spec = name_models(cluster, *places)
    plan = await cluster.plan(teamRef={"name": "t"}, **spec)
    assert plan is not None
    assert [model.name for model in plan.bot.models] == [f"ours/{called}"]


async def test_a_bot_of_a_task_without_a_team_calls_the_tasks_model() -> None:
    cluster = Cluster()
    plan = await cluster.plan(botRef={"name": "b"}, **name_models(cluster, "of-task"))
    assert plan is not None
    assert [model.name for model in plan.bot.models] == ["ours/of-task"]


async def test_without_a_model_there_is_no_plan() -> None:
    cluster = Cluster()
    with pytest.raises(NotSettled, match="Bot ours/b has no Model"):
        await cluster.plan(teamRef={"name": "t"}, **name_models(cluster))


@pytest.mark.parametrize(
    ("places", "is_planned"),
    [
        (("of-task",), True),
        (("of-task", "of-bot"), False),
        (("of-task", "of-team"), False),
        (("of-bot",), True),
    ],
)
async def test_a_model_of_another_namespaces_object_is_not_replaced(
    places: tuple[str, ...], *, is_planned: bool
) -> None:
    """Users of their Bot could otherwise have its prompts sent to a server of their own."""
    cluster = Cluster()
    cluster.labels["team"] = "us"
    spec = name_models(cluster, *places)
    cluster.spec("theirs", "teams", "t")["accessFrom"] = ACCESS
    team = {"name": "t", "namespace": "theirs"}
    assert (await cluster.plan(teamRef=team, **spec) is not None) is is_planned
    shared = await cluster.plan("theirs", teamRef=team, **spec)
    assert (shared is not None) is is_planned, "users may have no right to read it"


async def test_a_team_does_not_replace_the_model_of_a_bot_elsewhere() -> None:
    cluster = Cluster()
    cluster.labels["team"] = "us"
    cluster.spec("theirs", "bots", "b")["accessFrom"] = ACCESS
    member = cluster.spec("ours", "teams", "t")["bots"][0]
    member |= {"namespace": "theirs", "modelRef": {"name": "m"}}
    assert await cluster.plan() is None
    assert await cluster.plan("theirs") is None, "users may have no right to read it"
    del cluster.spec("theirs", "bots", "b")["modelRef"]
    plan = await cluster.plan()
    assert plan is not None
    assert plan.bot.models[0].name == "ours/m"


async def test_a_plan_names_the_version_of_each_object_that_the_run_uses() -> None:
    cluster = Cluster()
    cluster.objects["ours", "ghosts", "g"]["metadata"]["uid"] = "ghost-uid"
    plan = await cluster.plan()
    assert plan is not None
    assert [(it.version.kind, it.version.name) for it in plan.used] == [
        ("Team", "t"),
        ("Bot", "b"),
        ("Ghost", "g"),
        ("Model", "m"),
        ("Shell", "s"),
        ("Skill", "k"),
    ], "without the Model to fall back to, which may not be called"
    ghost = plan.used[2].version
    assert (ghost.namespace, ghost.uid, ghost.generation) == ("ours", "ghost-uid", 1)
    assert ghost.hash == hash_of(SPECS["ghosts", "g"])
    assert plan.used[2].spec == SPECS["ghosts", "g"]
    assert plan.ran[2] == {
        "kind": "Ghost",
        "namespace": "ours",
        "name": "g",
        "generation": 1,
        "hash": ghost.hash[:12],
    }
    fallback = plan.bot.models[1].used
    assert fallback is not None
    assert (fallback.version.kind, fallback.version.name) == ("Model", "f")


async def test_a_plan_names_the_objects_of_all_members_once() -> None:
    cluster = Cluster()
    other = settled("ours", "b2", deepcopy(SPECS["bots", "b"]) | {"ghostRef": {"name": "g2"}})
    cluster.objects["ours", "bots", "b2"] = other
    cluster.objects["ours", "ghosts", "g2"] = settled("ours", "g2", {"systemPrompt": "You too."})
    team = cluster.spec("ours", "teams", "t")
    team |= {"bots": [{"name": "b"}, {"name": "b2"}], "collaborationMode": "pipeline"}
    plan = await cluster.plan()
    assert plan is not None
    assert [it.version.name for it in plan.used] == ["t", "b", "b2", "g", "g2", "m", "s", "k"]
