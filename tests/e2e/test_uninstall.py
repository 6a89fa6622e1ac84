"""``helm uninstall`` leaves users' objects, and no object that can't be deleted."""

import functools

import pytest

from devcluster.checkout import CHECKOUT
from tests.e2e.pods import Pods
from tests.e2e.release import Release
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(400)
GHOST = CHECKOUT / "examples" / "ghost.yaml"


async def test_what_users_made_stays_and_can_be_deleted(release: Release) -> None:
    kubectl = release.kubectl
    kubectl.run("apply", "-f", GHOST).ok()
    release.uninstall()
    for pods in (release.api, release.operator):
        # A draining proxy may take its grace period.
        gone = functools.partial(_nothing, pods)
        await eventually(gone, within_s=60, what="the end of all Pods")
    kept = kubectl.run("get", "-f", GHOST, "-o", "json").ok().json
    assert not kept["metadata"].get("finalizers")
    kubectl.run("delete", "-f", GHOST, "--timeout=20s").ok()


def test_what_was_left_is_taken_up_again(release: Release) -> None:
    """The fixture has installed the release again, onto the kept kinds and namespaces."""
    release.rest().call("GET", "/readyz").expect(200)
    assert release.admin().call("GET", "auth/me").expect(200).json["role"] == "admin"


def _nothing(pods: Pods) -> bool:
    assert not pods.all(), pods.states()
    return True
