"""Users can't raise the limits of their namespaces: no role of Wegent lets them change one."""

import pytest

from tests.support.kubectl import Kubectl
from wegent_crds.well_known import REQUESTS_PER_MINUTE, TOKENS_PER_DAY


@pytest.mark.parametrize("who", ["alice", "chief"])
@pytest.mark.parametrize("annotation", [REQUESTS_PER_MINUTE, TOKENS_PER_DAY])
def test_users_have_no_right_to_change_limits(
    request: pytest.FixtureRequest, who: str, annotation: str
) -> None:
    user: Kubectl = request.getfixturevalue(who)
    done = user.run("annotate", "namespace", "default", f"{annotation}=none", "--overwrite")
    assert "Forbidden" in done.stderr
