"""Names of tools, as LLM APIs take them."""

import re

from hypothesis import given
from hypothesis import strategies as st

from wegent_runner.agents.mcp.names import VALID, names_of


def test_a_valid_name_that_one_server_has_stays() -> None:
    assert names_of([("a", "search"), ("b", "read-file_2")]) == ["search", "read-file_2"]


def test_a_name_of_two_servers_gets_the_server_before_it() -> None:
    assert names_of([("a", "search"), ("b.c", "search")]) == ["a_search", "b_c_search"]


def test_the_runners_own_names_are_not_given() -> None:
    assert names_of([("a", "load_skill")], {"load_skill"}) == ["a_load_skill"]


def test_invalid_and_long_names_are_made_valid_and_stay_apart() -> None:
    tools = [("a", "x.y"), ("a", "x/y"), ("a", "x y"), ("a", "é" * 70), ("a", "ê" * 70)]
    names = names_of(tools)
    assert names[0] == "a_x_y"
    assert len(set(names)) == len(tools)
    assert all(VALID.fullmatch(name) for name in names)
    assert re.fullmatch(r"a_x_y_[0-9a-f]{8}", names[1])
    assert names_of(tools) == names, "the names depend on nothing else"


def test_a_made_name_does_not_take_one_that_a_tool_has() -> None:
    names = names_of([("a", "b.c"), ("z", "a_b_c")])
    assert names[1] == "a_b_c"
    assert names[0] != names[1]


TEXTS = st.text(min_size=1, max_size=80)


@given(st.lists(st.tuples(TEXTS, TEXTS), unique=True, max_size=20), st.sets(TEXTS, max_size=3))
def test_all_names_are_valid_and_different(tools: list[tuple[str, str]], own: set[str]) -> None:
    names = names_of(tools, own)
    assert len(set(names)) == len(tools)
    assert all(VALID.fullmatch(name) and name not in own for name in names)
