"""Ids name Tasks and Teams, and nothing else."""

import pytest

from wegent_api.http.default_namespace import default_namespace_is
from wegent_api.openai_api.ids import TaskId, model_of, team_of
from wegent_crds.references import ObjectKey


def test_a_response_names_its_task() -> None:
    id_ = TaskId("blue", "resp-1.a")
    assert TaskId.parse(id_.response()) == id_


@pytest.mark.parametrize(
    "value",
    [
        "",
        "resp_",
        "resp_blue",
        "resp_blue_",
        "resp__x",
        "resp_blue_x_y",
        "resp_Blue_x",
        "resp_blue_../x",
        "chatcmpl_blue_x",
        "resp_blue_x/y",
    ],
)
def test_no_other_text_is_an_id(value: str) -> None:
    assert TaskId.parse(value) is None


@pytest.mark.parametrize("value", ["", "Team", "/team", "blue/", "blue/a/b", "Blue/a", "b.c/a"])
def test_a_model_is_a_namespace_and_a_team(value: str) -> None:
    assert team_of(value) is None


def test_a_model_without_a_namespace_is_in_the_default_one() -> None:
    assert team_of("blue-team") == ObjectKey("teams", "default", "blue-team")
    with default_namespace_is("blue"):
        assert team_of("team") == ObjectKey("teams", "blue", "team")
        assert team_of("red/team") == ObjectKey("teams", "red", "team")


def test_a_task_of_a_bot_has_the_bot_as_its_model() -> None:
    metadata = {"namespace": "blue", "name": "t"}
    assert model_of({"metadata": metadata, "spec": {"botRef": {"name": "b"}}}) == "blue/b"
    there = {"teamRef": {"name": "t", "namespace": "red"}}
    assert model_of({"metadata": metadata, "spec": there}) == "red/t"
