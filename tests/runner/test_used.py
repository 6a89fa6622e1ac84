"""The hash of a definition is the one that users compute, and the status stays bounded."""

import json
from typing import Any

import pytest

from tests.runner.jq import NEEDS_JQ, hash_by_jq
from wegent_crds.kinds.task_status import RAN_MAX_OBJECTS, TaskStatus
from wegent_runner.runs.used import (
    UsedObject,
    canonical,
    hash_of,
    in_order,
    short_entries,
    used_object,
)

SPECS: dict[str, dict[str, Any]] = {
    "keys in any order": {"b": 1, "a": {"d": [2, {"z": None, "y": True}], "c": "x"}},
    "text of any script": {"systemPrompt": 'Ünïcode 你好 😀 \u2028 <&> / \\ " \t\r\n\u0001'},
    "keys beyond ASCII": {"é": 1, "z": 2, "😀": 3, "\uffff": 4},
    "numbers": {"temperature": 0.7, "topP": 0.1, "maxTokens": 4096, "big": 123456789012},
    "empty": {},
}


@NEEDS_JQ
@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_jq_and_sha256sum_give_the_same_hash(spec: dict[str, Any]) -> None:
    body = json.dumps({"kind": "Ghost", "spec": spec}, indent=4)
    assert hash_by_jq(body) == hash_of(spec)


def test_the_form_is_one_line_with_sorted_keys() -> None:
    assert canonical({"b": "é", "a": [1, 2]}) == '{"a":[1,2],"b":"é"}\n'


def test_a_text_that_is_not_unicode_has_a_hash() -> None:
    assert hash_of({"a": "\ud800"}) == hash_of({"a": "\ufffd"})


def test_the_status_takes_the_entries_and_leaves_out_those_beyond_its_bound() -> None:
    used = [
        used_object(
            "ghosts",
            {
                "metadata": {"namespace": "ns", "name": f"g{i}", "uid": "u", "generation": 3},
                "spec": {"systemPrompt": str(i)},
            },
        )
        for i in range(RAN_MAX_OBJECTS + 1)
    ]
    entries = short_entries(it.version for it in used)
    assert len(entries) == RAN_MAX_OBJECTS
    assert TaskStatus.model_validate({"ran": entries}).body()["ran"] == entries
    assert used[0].version.hash.startswith(entries[0]["hash"])


def test_the_objects_are_in_one_order_and_each_version_once() -> None:
    def used(plural: str, name: str, text: str = "") -> UsedObject:
        metadata = {"namespace": "ns", "name": name, "uid": "u", "generation": 1}
        return used_object(plural, {"metadata": metadata, "spec": {"text": text}})

    objects = [
        used("skills", "a"),
        used("shells", "s"),
        used("models", "m"),
        used("bots", "b"),
        used("ghosts", "g", "now"),
        used("ghosts", "g", "then"),
        used("bots", "a"),
        used("teams", "t"),
        used("models", "m"),
    ]
    kinds = [(it.version.kind, it.version.name) for it in in_order(objects)]
    assert kinds == [
        ("Team", "t"),
        ("Bot", "a"),
        ("Bot", "b"),
        ("Ghost", "g"),
        ("Ghost", "g"),
        ("Model", "m"),
        ("Shell", "s"),
        ("Skill", "a"),
    ]
