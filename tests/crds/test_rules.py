"""Each rule refuses and accepts the right bodies, on the real API server and in pydantic."""

import pytest

from tests.crds.rules import CEL_RULES, OTHER_RULES, RuleCase
from tests.crds.samples import body
from tests.crds.schemas import root_schema, subschemas
from tests.crds.validation import ApiServer, by_model
from wegent_crds.registry import KINDS


def test_every_cel_rule_is_tried() -> None:
    declared = {
        rule["message"]
        for kind in KINDS
        for path, schema in subschemas(root_schema(kind.plural))
        for rule in schema.get("x-kubernetes-validations", [])
        # Rules over a status and over changes are tested in test_task_life.
        if not path.startswith(".status") and "oldSelf" not in rule["rule"]
    }
    assert {case.message for case in CEL_RULES} == declared


@pytest.mark.parametrize("case", CEL_RULES, ids=lambda case: f"{case.plural}-{case.message[:40]}")
async def test_a_rule_says_the_same_on_both_sides(case: RuleCase, api_server: ApiServer) -> None:
    refused = await api_server.create(case.plural, case.refused_body)
    assert not refused.accepted
    assert case.message in refused.said
    assert case.message in by_model(case.plural, case.refused_body).said

    passing = await api_server.create(case.plural, case.passing_body)
    assert passing.accepted, passing.said
    by_pydantic = by_model(case.plural, case.passing_body)
    assert by_pydantic.accepted, by_pydantic.said


@pytest.mark.parametrize("case", OTHER_RULES, ids=lambda case: f"{case.plural}-{case.refused}")
async def test_a_pattern_or_list_type_validates_the_same_on_both_sides(
    case: RuleCase, api_server: ApiServer
) -> None:
    refused = await api_server.create(case.plural, case.refused_body)
    assert not refused.accepted
    assert case.message in refused.said
    assert not by_model(case.plural, case.refused_body).accepted

    passing = await api_server.create(case.plural, case.passing_body)
    assert passing.accepted, passing.said
    by_pydantic = by_model(case.plural, case.passing_body)
    assert by_pydantic.accepted, by_pydantic.said


@pytest.mark.parametrize("name", ["accounts", "a" * 51])
async def test_an_accounts_name_is_refused_where_it_stands(
    name: str, api_server: ApiServer
) -> None:
    verdict = await api_server.create("accounts", body("accounts", name=name))
    assert "metadata.name: Invalid value" in verdict.said
