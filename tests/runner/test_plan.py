"""The runner acts on objects that the operator has permitted as they are now."""

from typing import Any

import pytest

from tests.runner.one_task import pending
from wegent_kube import ApiError
from wegent_runner.plan.loader import PlanLoader
from wegent_runner.plan.plan import NotSettled


def body(name: str, namespace: str = "ns", **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": name,
            "resourceVersion": "1",
            "generation": 2,
        },
        "spec": spec,
        "status": {
            "conditions": [{"type": "Ready", "status": "True", "observedGeneration": 2}],
        },
    }


class Objects:
    """An API server of some objects, by the end of their paths."""

    def __init__(self) -> None:
        self.bodies = {
            "ns/teams/t": body("t", bots=[{"name": "b"}]),
            "ns/bots/b": body(
                "b", ghostRef={"name": "g"}, shellRef={"name": "s"}, modelRef={"name": "m"}
            ),
            "ns/ghosts/g": body("g", systemPrompt="You help.", skillRefs=[{"name": "k"}]),
            "ns/skills/k": body("k", description="Reviews"),
            "ns/shells/s": body("s", type="Chat"),
            "ns/models/m": body(
                "m", provider="openai", model="gpt", fallbackRefs=[{"name": "n", "namespace": "of"}]
            ),
            "of/models/n": body("n", "of", provider="openai", model="gpt"),
        }

    async def request(self, _: str, path: str, **__: Any) -> Any:
        place = path.partition("/namespaces/")[2]
        if place not in self.bodies:
            raise ApiError(404, {"reason": "NotFound", "message": f"{place} not found"})
        return self.bodies[place]


def loader(objects: Objects) -> PlanLoader:
    client: Any = objects
    return PlanLoader(client, frozenset({"of"}))


TASK = pending(teamRef={"name": "t"})


async def test_objects_that_are_ready_as_they_are_make_a_plan() -> None:
    plan = await loader(Objects()).plan(TASK)
    assert plan is not None
    assert [model.name for model in plan.bot.models] == ["ns/m", "of/n"]


@pytest.mark.parametrize("place", sorted(Objects().bodies))
@pytest.mark.parametrize(
    "status",
    [
        {},
        {"conditions": [{"type": "Ready", "status": "True", "observedGeneration": 1}]},
        {"conditions": [{"type": "Ready", "status": "False", "observedGeneration": 2}]},
        {"conditions": [{"type": "Ready", "status": "True"}]},
    ],
    ids=["new", "changed", "refused", "unknown"],
)
async def test_a_reference_is_not_used_before_the_operators_verdict(
    place: str, status: dict[str, Any]
) -> None:
    """A user points a Bot at another namespace's Model; the Task is still Ready."""
    objects = Objects()
    objects.bodies[place]["status"] = status
    with pytest.raises(NotSettled, match="is not Ready as it is now"):
        await loader(objects).plan(TASK)


async def test_a_task_that_changed_is_not_run_before_the_verdict() -> None:
    changed = {**TASK, "metadata": {**TASK["metadata"], "generation": 2}}
    with pytest.raises(NotSettled):
        await loader(Objects()).plan(changed)


async def test_a_missing_object_is_looked_for_again() -> None:
    objects = Objects()
    del objects.bodies["of/models/n"]
    with pytest.raises(NotSettled, match="not found"):
        await loader(objects).plan(TASK)


async def test_a_shell_of_another_type_is_left_to_another_runner() -> None:
    objects = Objects()
    objects.bodies["ns/shells/s"]["spec"]["type"] = "ClaudeCode"
    assert await loader(objects).plan(TASK) is None
