"""Watches that end because a right is removed, and begin again when it is back."""

import asyncio

from tests.operator_.watch.visibility.steps import (
    BACK_WITHIN_S,
    REFS,
    ends_in_time,
    ready,
    refused,
    without_rights,
)
from tests.support.api import Api, condition
from tests.support.operator import OperatorProcess
from tests.support.waiting import eventually
from wegent_kube import get_or_none
from wegent_kube.resources import EVENTS, ROLE_BINDINGS, SERVICE_ACCOUNTS


async def test_nothing_is_said_of_references_to_what_may_not_be_read_and_all_of_it_afterwards(
    admin: Api, space: str, operator_of_its_own: OperatorProcess
) -> None:
    operator = operator_of_its_own
    await admin.create("ghosts", space, "g", {"systemPrompt": "You help."})
    async with without_rights(admin, "ghosts", "rolebindings"):
        operator.launch()
        await refused(operator, "ghosts", "403")
        await refused(operator, "rolebindings", "403")
        await admin.create("bots", space, "b", REFS)
        await admin.create("skills", space, "k", {"description": "Knows."})
        await admin.settled("skills", space, "k")
        bot = await admin.get("bots", space, "b")
        assert bot is not None
        assert condition(bot, "Ready")["reason"] == "Pending", "the Ghost is there"
        assert operator.get("/healthz")[0] == 200

        async def told() -> bool:
            events = await admin.client.request("GET", EVENTS.path(space))
            of_bot = [it for it in events["items"] if it["involvedObject"]["name"] == "b"]
            assert [it["reason"] for it in of_bot] == ["KindRefused"], of_bot
            assert "ghosts (403" in of_bot[0]["message"]
            return True

        await eventually(told, within_s=30, what="the Bot to have an Event that says why")
    await ready(operator)
    await admin.settled("bots", space, "b")
    ends_in_time(operator)


async def test_a_right_that_goes_for_a_while_loses_nothing_that_happened_meanwhile(
    admin: Api, space: str, operator_of_its_own: OperatorProcess
) -> None:
    operator = OperatorProcess(
        operator_of_its_own.kubeconfig,
        operator_of_its_own.log,
        watch_timeout_s="2",  # a watch that is under way is not cut off with its right
    )
    await asyncio.to_thread(operator.start)
    try:
        await admin.create("ghosts", space, "g", {"systemPrompt": "You help."})
        await admin.create("bots", space, "b", REFS)
        await admin.settled("bots", space, "b")
        async with without_rights(admin, "ghosts"):
            await refused(operator, "ghosts", "403")
            await admin.create("ghosts", space, "new", {"systemPrompt": "You help."})
            await admin.create("bots", space, "c", {**REFS, "ghostRef": {"name": "new"}})
            await admin.merge("models", space, "m", {"spec": {"model": "gpt-5"}})
            await admin.settled("models", space, "m")
            await admin.settled("bots", space, "b")
            bot = await admin.get("bots", space, "c")
            assert bot is not None
            assert condition(bot, "Ready")["reason"] == "Pending", "the Ghost is there"
        await ready(operator)
        await admin.settled("bots", space, "c")
        await admin.settled("ghosts", space, "new")
    finally:
        assert operator.stop() == 0, operator.tail()


async def test_no_access_is_withdrawn_while_accounts_may_not_be_read(
    admin: Api, space: str, operator_of_its_own: OperatorProcess
) -> None:
    operator, name = operator_of_its_own, f"u{space}"
    await asyncio.to_thread(operator.start)
    await admin.create("accounts", "wegent-accounts", name, {"email": "developer@example.org"})
    await admin.settled("accounts", "wegent-accounts", name)
    path = SERVICE_ACCOUNTS.path("wegent-accounts", name)
    before = await admin.client.request("GET", path)
    assert operator.stop() == 0
    async with without_rights(admin, "accounts"):
        operator.launch()
        await refused(operator, "accounts", "403")
        await admin.create("skills", space, "k", {"description": "Knows."})
        await admin.settled("skills", space, "k")
        after = await admin.client.request("GET", path)
        assert after["metadata"]["uid"] == before["metadata"]["uid"]
        assert "deletionTimestamp" not in after["metadata"]
    await ready(operator)
    assert (await admin.client.request("GET", path))["metadata"]["uid"] == before["metadata"]["uid"]
    ends_in_time(operator)


async def test_a_suspension_waits_for_no_list_of_bindings_or_namespaces(
    admin: Api, space: str, operator_of_its_own: OperatorProcess
) -> None:
    operator, name = operator_of_its_own, f"u{space}"
    binding = ROLE_BINDINGS.path(space, f"wegent-account-{name}-editor")
    await asyncio.to_thread(operator.start)
    spec = {
        "email": "developer@example.org",
        "namespaces": [{"name": space, "role": "editor"}],
    }
    await admin.create("accounts", "wegent-accounts", name, spec)
    await admin.settled("accounts", "wegent-accounts", name)
    assert operator.stop() == 0
    async with without_rights(admin, "namespaces", "rolebindings", "clusterrolebindings"):
        operator.launch()
        await refused(operator, "rolebindings", "403")
        await admin.merge("accounts", "wegent-accounts", name, {"spec": {"suspended": True}})
        await admin.settled("accounts", "wegent-accounts", name, "Suspended")
        assert await admin.find(SERVICE_ACCOUNTS, "wegent-accounts", name) is None
        await admin.client.request("GET", binding)
    await ready(operator)

    async def gone() -> bool:
        return await get_or_none(admin.client.request("GET", binding)) is None

    await eventually(gone, within_s=BACK_WITHIN_S, what="the binding to be gone")
    ends_in_time(operator)
