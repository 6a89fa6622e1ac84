"""The kinds as users of kubectl see them: names, defaults, columns, explanations."""

import json
from typing import Any

import pytest

from tests.crds.conftest import NAMESPACE
from tests.crds.samples import body
from tests.support.kubectl import Kubectl
from wegent_crds.conditions import ConditionType
from wegent_crds.registry import KINDS, Kind
from wegent_crds.schema.status import NEVER, PENDING_MESSAGE

NAMES = f"{NAMESPACE}-kubectl"
PLURALS = [kind.plural for kind in KINDS]


@pytest.fixture(scope="module")
def objects(schema_kubectl: Kubectl) -> None:
    """One object of each kind, in a namespace for these tests."""
    schema_kubectl.run("create", "namespace", NAMES).ok()
    for plural in PLURALS:
        schema_kubectl.run("create", "-n", NAMES, "-f", "-", stdin=body(plural)).ok()


def _names(resources: list[Any]) -> list[str]:
    return [
        name
        for resource in resources
        for name in (
            resource["name"],
            resource["singularName"],
            *resource.get("shortNames", ()),
        )
        if name and "/" not in resource["name"]
    ]


def test_every_crd_is_established_and_structural(schema_kubectl: Kubectl) -> None:
    found = schema_kubectl.run("get", "crd", "-o", "json").ok().json["items"]
    assert {crd["metadata"]["name"] for crd in found} == {kind.crd_name for kind in KINDS}
    for crd in found:
        conditions = {item["type"]: item["status"] for item in crd["status"]["conditions"]}
        assert conditions["Established"] == "True"
        assert conditions["NamesAccepted"] == "True"
        assert "NonStructuralSchema" not in conditions
        assert crd["status"]["storedVersions"] == ["v1"]


def test_no_name_is_one_of_kubernetes_own(schema_kubectl: Kubectl) -> None:
    groups = schema_kubectl.run("get", "--raw", "/apis").ok().json["groups"]
    paths = ["/api/v1", *(f"/apis/{group['preferredVersion']['groupVersion']}" for group in groups)]
    own: list[str] = []
    others: set[str] = set()
    for path in paths:
        resources = schema_kubectl.run("get", "--raw", path).ok().json["resources"]
        if "agent.wecode.io" in path:
            own += _names(resources)
        else:
            others |= set(_names(resources))
    assert {"po", "deploy", "pods", "deployment"} <= others
    assert len(own) == len(set(own)) >= 3 * len(KINDS)
    assert not set(own) & others


@pytest.mark.usefixtures("objects")
@pytest.mark.parametrize("kind", KINDS, ids=PLURALS)
def test_a_new_object_says_that_nothing_has_looked_at_it(
    kind: Kind, schema_kubectl: Kubectl
) -> None:
    found = schema_kubectl.run("get", kind.short_names[0], "sample", "-n", NAMES, "-o", "json").ok()
    conditions = {item["type"]: item for item in found.json["status"]["conditions"]}
    for type_ in (ConditionType.RESOLVED_REFS, ConditionType.READY):
        assert conditions[type_] == {
            "type": type_,
            "status": "Unknown",
            "reason": "Pending",
            "message": PENDING_MESSAGE,
            "lastTransitionTime": NEVER,
        }


@pytest.mark.usefixtures("objects")
def test_a_status_without_conditions_has_the_default_ones(schema_kubectl: Kubectl) -> None:
    patch = json.dumps({"status": {"observedGeneration": 1}})
    schema_kubectl.run(
        "patch", "gh", "sample", "-n", NAMES, "--subresource=status", "--type=merge", "-p", patch
    ).ok()
    status = (
        schema_kubectl.run("get", "gh", "sample", "-n", NAMES, "-o", "json").ok().json["status"]
    )
    assert status["observedGeneration"] == 1
    assert [item["reason"] for item in status["conditions"]] == ["Pending", "Pending"]


@pytest.mark.usefixtures("objects")
def test_one_command_shows_all_kinds_and_why_they_are_not_ready(schema_kubectl: Kubectl) -> None:
    shown = schema_kubectl.run("get", "wegent", "-A", "-o", "wide").ok().stdout
    for kind in (kind for kind in KINDS if not kind.user_facing):
        assert f"{kind.singular}.agent.wecode.io/" not in shown, "editors may not list it"
    for kind in (kind for kind in KINDS if kind.user_facing):
        row = next(
            row
            for row in shown.splitlines()
            if row.startswith(NAMES) and f"{kind.singular}.agent.wecode.io/" in row
        )
        assert row.endswith(PENDING_MESSAGE)
    for heading in (row.split() for row in shown.splitlines() if row.startswith("NAMESPACE")):
        assert heading[-4:] == ["READY", "REASON", "AGE", "MESSAGE"]


@pytest.mark.usefixtures("objects")
def test_columns_show_what_a_person_looks_for(schema_kubectl: Kubectl) -> None:
    team = {"bots": [{"name": "a"}, {"name": "b", "role": "leader"}]}
    schema_kubectl.run("create", "-n", NAMES, "-f", "-", stdin=body("teams", team, "led")).ok()
    for resource, heading, row in (
        ("bots/sample", "NAME GHOST MODEL SHELL SERVED READY", "sample ghost shell Unknown"),
        ("models/sample", "NAME PROVIDER MODEL BASE URL KEY READY", "sample openai gpt-4 Unknown"),
        ("teams/led", "NAME MODE LEADER DESCRIPTION SERVED READY", "led solo b Unknown"),
        ("tasks/sample", "NAME PHASE TEAM/BOT TITLE", "sample Pending bot"),
        ("accounts/sample", "NAME ROLE EMAIL SUSPENDED", "sample user ada@example.com false"),
        ("groups/sample", "NAME DISPLAY READY REASON", "sample Unknown Pending"),
    ):
        get = ("get", resource, "-n", NAMES, "-o", "wide")
        shown = schema_kubectl.run(*get).ok().stdout.splitlines()
        assert " ".join(shown[0].split()).startswith(heading)
        assert " ".join(shown[1].split()).startswith(row)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("ghost", "Ghost is the character of a Bot"),
        ("ghost.spec", "the instructions that precede every conversation with the LLM"),
        ("ghost.spec.mcpServers.url", "http:// or https:// without a user or a password"),
        ("team.spec.bots.role", "ENUM:\n    leader\n    member"),
        ("bot.spec.accessFrom.namespaceSelectors", "whose labels match one of these"),
        ("task.status.phase", "Completed, Failed and Cancelled are final"),
        ("account.spec.suspended", "access is withdrawn"),
    ],
)
def test_kubectl_explains_the_fields(path: str, said: str, schema_kubectl: Kubectl) -> None:
    explained = schema_kubectl.run("explain", path).ok().stdout
    assert " ".join(said.split()) in " ".join(explained.split())
    assert "<no description>" not in explained
