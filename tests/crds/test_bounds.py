"""Each bound of each schema, tried at its edge on the real API server and on pydantic.

The cases follow from the schemas: for each value in a full body and each keyword that
bounds it, a body on the right side of the bound, which both must accept, and one on
the wrong side, which both must refuse, the API server with the message that fits.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.crds.edges import Case, cases
from tests.crds.rules import TEXTS
from tests.crds.samples import full_bodies
from tests.crds.schemas import root_schema, subschemas
from tests.crds.validation import LARGE_BODIES, ApiServer, by_model
from wegent_crds.registry import KINDS

pytestmark = pytest.mark.filterwarnings(LARGE_BODIES)
PLURALS = [kind.plural for kind in KINDS]


@pytest.mark.parametrize("plural", PLURALS)
def test_the_full_bodies_have_every_field(plural: str) -> None:
    schema = root_schema(plural)["properties"]["spec"]
    found = {path for body in full_bodies(plural) for path in _paths(body["spec"], schema)}
    assert found == {path for path, _ in subschemas(schema)}


@pytest.mark.parametrize("plural", PLURALS)
async def test_every_bound_holds_on_both_sides(plural: str, api_server: ApiServer) -> None:
    tried = [_expected(case) for body in full_bodies(plural) for case in cases(plural, body)]
    assert len(tried) > 25
    verdicts = await api_server.create_all(plural, [case.body for case in tried])
    wrong = []
    for case, verdict in zip(tried, verdicts, strict=True):
        as_wanted = verdict.accepted if case.said is None else case.said in verdict.said
        by_pydantic = by_model(plural, case.body)
        if not as_wanted or by_pydantic.accepted != verdict.accepted:
            wrong.append(f"{case.what}:\n  {verdict}\n  {by_pydantic}")
    assert not wrong, "\n".join(wrong)


def _expected(case: Case) -> Case:
    """Return the case with the message of a bound that the longest prompt shares with others."""
    shared = case.what == "spec.prompt: 131072 characters" and "history" in case.body["spec"]
    return replace(case, said=TEXTS) if shared else case


def _paths(value: Any, schema: Any, path: str = "") -> Iterator[str]:
    """Yield the path of each value, in the notation of ``subschemas``."""
    yield path
    if isinstance(value, list):
        for item in value:
            yield from _paths(item, schema["items"], f"{path}[]")
    elif isinstance(value, dict):
        for name, item in value.items():
            if name in schema.get("properties", {}):
                yield from _paths(item, schema["properties"][name], f"{path}.{name}")
            elif "additionalProperties" in schema:
                yield from _paths(item, schema["additionalProperties"], f"{path}.*")
