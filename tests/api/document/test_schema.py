"""The promises of the OpenAPI document, tried by schemathesis on a real proxy."""

import re
from pathlib import Path

import pytest

from tests.api.conftest import ProxyFactory
from tests.api.document.schemathesis_run import report_of
from tests.api.users import User
from tests.support.operator import OperatorProcess

TRANSCRIPT = "/api/v1/kinds/tasks/{name}/transcript"
"""Left out, since it is rightly answered 503 without a runner."""
PASSWORD_CHANGE = "/api/v1/auth/password"
"""Left out, since it would end the login that all other requests use."""

LIKE_GHOSTS = re.compile(
    r"(create|get|list|replace|change|delete)(Model|Shell|Skill)(s|References|Referrers)?"
)
"""Left out, since one function makes the routes of all kinds, and only their names differ."""


@pytest.mark.timeout(1800)  # thousands of requests, on a machine that other tests share
async def test_no_5xx_and_no_status_that_is_not_documented(
    start_proxy: ProxyFactory, operator: OperatorProcess, user: User, tmp_path: Path
) -> None:
    """The operator must run: without it, a new user's login is rightly answered 503."""
    assert operator.running()
    proxy = start_proxy(hashes_waiting="1000", logins_per_user_per_minute="1000")
    report = await report_of(
        proxy.url, str(user.client.token), tmp_path,
        "--phases", "examples,coverage,fuzzing",
        "--max-examples", "5",
        "--exclude-path", PASSWORD_CHANGE,
        "--exclude-path", TRANSCRIPT,
        "--exclude-operation-id-regex", f"^({LIKE_GHOSTS.pattern})$",
    )  # fmt: skip
    tried = re.search(r"Tested: (\d+)", report)
    assert tried, report
    document = (await user.client.get("/openapi.json")).json["paths"]
    wanted = [
        operation["operationId"]
        for path, methods in document.items()
        for operation in methods.values()
        if path not in {PASSWORD_CHANGE, TRANSCRIPT}
        and not LIKE_GHOSTS.fullmatch(operation["operationId"])
    ]
    assert int(tried[1]) == len(wanted), wanted
