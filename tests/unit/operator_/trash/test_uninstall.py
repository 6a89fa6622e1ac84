"""``--remove-finalizers`` when requests for kinds and objects fail in different ways."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from tests.support.stub_api import Fault, StubApi, connection_to, refusal, stub_api
from wegent_crds.registry import BY_PLURAL
from wegent_crds.well_known import TRASH_FINALIZER
from wegent_kube import KubeClient
from wegent_kube.resources import CRDS, resource_of
from wegent_operator.trash.uninstall import Uninstalled, uninstall

GHOSTS, SKILLS = (resource_of(BY_PLURAL[it]).path() for it in ("ghosts", "skills"))
SKILL = resource_of(BY_PLURAL["skills"]).path("default", "k")
Removal = Callable[[], Awaitable[Uninstalled]]


@pytest.fixture
async def stub() -> AsyncIterator[StubApi]:
    """A stub with one Skill that has the trash's finalizer."""
    async with stub_api() as served:
        served.put(SKILLS, "k")
        served.objects[SKILLS]["k"]["metadata"]["finalizers"] = [TRASH_FINALIZER]
        served.faults[SKILL, "list"] = let_go(served)
        yield served


@pytest.fixture
async def removal(stub: StubApi) -> AsyncIterator[Removal]:
    async with KubeClient(connection_to(stub)) as client:
        yield lambda: uninstall(client, pause_s=0.01)


def let_go(stub: StubApi) -> Fault:
    """Return the answer to the patch that removes the finalizer."""

    async def answer(_: web.Request) -> web.StreamResponse:
        del stub.objects[SKILLS]["k"]["metadata"]["finalizers"]
        return web.json_response(stub.objects[SKILLS]["k"])

    return answer


def first(times: int, fault: Fault, then: Fault) -> Fault:
    """Return a fault that occurs a few times, and then gives another answer."""
    left = times

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal left
        left -= 1
        return await (fault if left >= 0 else then)(request)

    return answer


async def test_a_kind_that_may_not_be_listed_is_named_and_the_others_are_let_go(
    stub: StubApi, removal: Removal
) -> None:
    stub.faults[GHOSTS, "list"] = refusal(403)
    found = await removal()
    assert found.count == 1
    assert found.left == ["Ghost: its objects can't be listed: no"]


@pytest.mark.parametrize("code", [429, 503, 504])
async def test_an_answer_that_may_pass_is_asked_for_again(
    stub: StubApi, removal: Removal, code: int
) -> None:
    stub.faults[SKILL, "list"] = first(2, refusal(code), let_go(stub))
    found = await removal()
    assert (found.count, found.left) == (1, [])


@pytest.mark.parametrize("code", [410, 429, 503])
async def test_a_list_that_may_be_read_in_a_moment_is_read_again(
    stub: StubApi, removal: Removal, code: int
) -> None:
    skills = stub.answer

    async def listed(request: web.Request) -> web.StreamResponse:
        fault = stub.faults.pop((SKILLS, "list"))
        answer = await skills(request)
        stub.faults[SKILLS, "list"] = fault
        return answer

    stub.faults[SKILLS, "list"] = first(2, refusal(code), listed)
    found = await removal()
    assert (found.count, found.left) == (1, [])


async def test_what_passes_never_is_left_in_the_end(stub: StubApi, removal: Removal) -> None:
    stub.faults[SKILL, "list"] = refusal(503)
    stub.faults[GHOSTS, "list"] = refusal(503)
    found = await removal()
    assert (found.count, len(found.left)) == (0, 2)
    assert found.left[1] == "Skill default/k: no"


async def test_a_kind_whose_version_is_not_served_is_named_and_one_that_is_gone_is_not(
    stub: StubApi, removal: Removal
) -> None:
    for plural in ("bots", "ghosts"):
        stub.faults[resource_of(BY_PLURAL[plural]).path(), "list"] = refusal(404)
    stub.faults[CRDS.path(name="bots.agent.wecode.io"), "list"] = refusal(404)
    found = await removal()
    assert found.count == 1
    assert found.left == ["Ghost: its objects can't be listed: no"]
