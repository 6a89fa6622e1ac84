"""Watches over the SDK: cut, silent, too old."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from devcluster.controlplane import ControlPlane
from tests.api.users import User
from tests.sdk.conftest import Person
from tests.support.api import Api
from tests.support.identity import token_for
from tests.support.kubectl import Kubectl
from tests.support.relay import Link, kubeconfig_over, link_to
from tests.support.waiting import eventually
from wegent_crds import Ghost
from wegent_sdk import Forbidden, WatchEvent

pytestmark = pytest.mark.usefixtures("operator")


@pytest.fixture(params=["rest", "kubernetes"])
async def link(
    request: pytest.FixtureRequest, proxy_url: str, control_plane: ControlPlane
) -> AsyncIterator[Link]:
    """A connection to the proxy or to the API server that can be cut."""
    target = proxy_url if request.param == "rest" else control_plane.server
    async with link_to(target) as link:
        link.rest = request.param == "rest"  # type: ignore[attr-defined]
        yield link


@pytest.fixture
def person(
    sort: Any,
    link: Any,
    opened: Callable[[Any], Person],
    editor: User,
    kubeconfig: Path,
    control_plane: ControlPlane,
    kubectl: Kubectl,
    namespace: str,
    tmp_path: Path,
) -> Person:
    """A client over that connection."""
    del kubeconfig  # its ServiceAccount is needed
    if link.rest:
        return opened(sort(str(URL(link.url).with_scheme("http")), token=editor.client.token))
    token = token_for(kubectl, namespace, "person")
    path = kubeconfig_over(link, control_plane, tmp_path / "linked", token)
    return opened(sort.from_kubeconfig(path))


def shown(events: list[WatchEvent[Ghost]]) -> list[tuple[str, str, str]]:
    return [
        (it.type, str(it.object.metadata.name), str(it.object.spec.system_prompt)) for it in events
    ]


async def test_changes_come_in_their_order_over_cuts(
    person: Person, link: Link, namespace: str, api: Api
) -> None:
    await api.create("ghosts", namespace, "a", {"systemPrompt": "0"})
    await api.settled("ghosts", namespace, "a")
    cuts: list[str] = []

    def on_cut(error: Exception, wait_s: float) -> None:
        del wait_s
        cuts.append(str(error))

    expected = 1 + 8
    events: list[WatchEvent[Ghost]] = []
    reading = asyncio.create_task(
        person.take(lambda c: c.watch(Ghost, namespace, on_cut=on_cut), 40, events)
    )
    await eventually(lambda: events, within_s=30, what="the first event")
    await asyncio.sleep(0.5)  # the version of the list follows the objects
    for number in range(1, expected):
        await asyncio.sleep(0.15)
        if number % 2:
            link.cut()
        await api.merge("ghosts", namespace, "a", {"spec": {"systemPrompt": str(number)}})
    await api.create("ghosts", namespace, "end", {"systemPrompt": "end"})
    await asyncio.sleep(1)
    for number in range(40):  # ends the iterator
        await api.merge("ghosts", namespace, "end", {"spec": {"systemPrompt": f"end {number}"}})
    seen = shown(await reading)
    prompts = [prompt for _, name, prompt in seen if name == "a"]
    changes = [it for at, it in enumerate(prompts) if not at or prompts[at - 1] != it]
    assert changes == [str(number) for number in range(expected)]
    assert [type_ for type_, _, _ in seen].count("ADDED") == 2
    assert cuts


async def test_what_happens_during_a_gap_is_told_afterwards(
    person: Person, link: Link, namespace: str, api: Api
) -> None:
    for name in ("kept", "changed", "deleted"):
        await api.create("ghosts", namespace, name, {"systemPrompt": "0"})
        await api.settled("ghosts", namespace, name)
    gap = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_cut(error: Exception, wait_s: float) -> None:
        del error, wait_s
        loop.call_soon_threadsafe(gap.set)

    events: list[WatchEvent[Ghost]] = []
    reading = asyncio.create_task(
        person.take(lambda c: c.watch(Ghost, namespace, on_cut=on_cut), 7, events)
    )
    await eventually(lambda: len(events) == 3, within_s=30, what="the existing objects")
    await asyncio.sleep(0.5)  # the version of the list follows the objects
    await link.close()
    await asyncio.wait_for(gap.wait(), 20)
    await api.merge("ghosts", namespace, "changed", {"spec": {"systemPrompt": "1"}})
    await api.settled("ghosts", namespace, "changed")
    await api.delete("ghosts", namespace, "deleted")
    await api.create("ghosts", namespace, "new", {"systemPrompt": "0"})
    await link.open()
    seen = shown(await reading)
    assert {it[1] for it in seen[:3]} == {"kept", "changed", "deleted"}
    after = {(type_, name) for type_, name, _ in seen[3:]}
    assert "kept" not in {name for _, name in after}
    assert ("MODIFIED", "changed") in after


async def test_a_watch_that_is_not_allowed(me: Person, direct: Person) -> None:
    for person in (me, direct):
        with pytest.raises(Forbidden):
            await person.take(lambda c: c.watch(Ghost, "kube-system"), 1)
