"""``examples/``: one object a kind, right as they stand, and whole as a set."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from codegen.files import ROOT
from tests.crds.judge import by_model
from tests.support.kubectl import Kubectl
from wegent_crds.kinds import KINDS, TOMBSTONE
from wegent_crds.references import ObjectKey, references_of

FOLDER = ROOT / "examples"
FILES = sorted(FOLDER.glob("*.yaml"))
MADE_BY_USERS = [kind for kind in KINDS if kind != TOMBSTONE]
ACCOUNTS = "wegent-accounts"


def _load(file: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return loaded


def test_there_is_one_of_each_kind_that_users_make() -> None:
    assert [file.stem for file in FILES] == sorted(kind.singular for kind in MADE_BY_USERS)


@pytest.mark.parametrize("kind", MADE_BY_USERS, ids=lambda kind: kind.singular)
def test_each_is_right_and_refers_to_what_is_there(kind: Any) -> None:
    manifest = _load(FOLDER / f"{kind.singular}.yaml")
    assert manifest["metadata"]["namespace"] == ("default" if kind.served else ACCOUNTS)
    verdict = by_model(kind.plural, manifest)
    assert verdict.accepted, verdict.said
    there = {
        ObjectKey(other.plural, example["metadata"]["namespace"], example["metadata"]["name"])
        for other in MADE_BY_USERS
        for example in [_load(FOLDER / f"{other.singular}.yaml")]
    }
    referred_to = {
        reference.target
        for reference in references_of(kind, manifest["metadata"]["namespace"], manifest)
    }
    assert referred_to <= there
    assert referred_to or not kind.references


def test_they_apply_in_any_order(schema_kubectl: Kubectl) -> None:
    schema_kubectl.run("create", "namespace", ACCOUNTS).ok()
    # Three orders stand for all: each file comes before each other in one of them.
    for order in (FILES, FILES[::-1], sorted(FILES, key=lambda file: file.stem[::-1])):
        files = [argument for file in order for argument in ("-f", file)]
        schema_kubectl.run("apply", *files).ok()
        shown = schema_kubectl.run("get", "wegent", "-A", "-o", "name").ok().stdout
        for file in order:
            assert f"{file.stem}.agent.wecode.io/" in shown
        schema_kubectl.run("delete", "--wait", *files).ok()
