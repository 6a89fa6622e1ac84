"""The links of the OpenAPI document, followed by schemathesis on a real proxy.

A created object is read, changed, replaced and deleted in any order, and is gone after that.
"""

import re
from pathlib import Path

import pytest

from tests.api.conftest import ProxyFactory
from tests.api.document.schemathesis_run import report_of
from tests.api.users import User
from tests.support.operator import OperatorProcess
from wegent_crds.registry import KINDS

EXAMPLES = 60
"""Sequences of requests, of up to six steps each."""
LINKS = 6
"""Links to follow at least, of eight: to read, change, replace and delete two kinds of objects."""
HOOKS = Path(__file__).with_name("schemathesis_hooks.py")
KINDS_ROUTES = "^/api/v1/kinds/(ghosts|shells)(/{name})?$"


async def test_every_kind_links_to_its_objects(user: User) -> None:
    document = (await user.client.get("/openapi.json")).json["paths"]
    for kind in (kind for kind in KINDS if kind.user_facing):
        answers = document[f"/api/v1/kinds/{kind.plural}"]["post"]["responses"]
        one = document[f"/api/v1/kinds/{kind.plural}/{{name}}"]
        linked = {link["operationId"] for link in answers["201"]["links"].values()}
        assert linked == {operation["operationId"] for operation in one.values()}


@pytest.mark.timeout(600)  # several hundred requests, on a machine that other tests share
async def test_sequences_of_requests(
    start_proxy: ProxyFactory, operator: OperatorProcess, user: User, tmp_path: Path
) -> None:
    """The operator must run, for it lets deleted objects go."""
    assert operator.running()
    proxy = start_proxy()
    report = await report_of(
        proxy.url, str(user.client.token), tmp_path,
        "--phases", "stateful",
        "--max-examples", str(EXAMPLES),
        "--include-path-regex", KINDS_ROUTES,
        checks=("use_after_free", "ensure_resource_availability"),
        hooks=HOOKS,
    )  # fmt: skip
    covered = re.search(r"API Links:\s+(\d+) covered", report)
    assert covered, report
    assert int(covered[1]) >= LINKS, report
