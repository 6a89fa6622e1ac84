"""The operator's work is proportional to the changes, and a restart causes no writes."""

import asyncio
from pathlib import Path

from tests.support.api import VERDICT_WITHIN_S, Api, condition
from tests.support.audit import AuditLog
from tests.support.operator import OperatorProcess
from tests.support.waiting import eventually
from tests.support.wegent import OPERATOR_USER

GHOSTS, BOTS_EACH = 50, 10
AT_ONCE = 32


async def many(api: Api, plural: str, namespace: str, specs: dict[str, dict[str, object]]) -> None:
    """Create objects side by side."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def create(name: str, spec: dict[str, object]) -> None:
        async with gate:
            await api.create(plural, namespace, name, spec)

    await asyncio.gather(*(create(name, spec) for name, spec in specs.items()))


async def all_say(api: Api, plural: str, namespace: str, reason: str, count: int) -> None:
    """Wait until so many objects of a kind say ``reason``."""

    async def probe() -> bool:
        reasons = [condition(item, "Ready")["reason"] for item in await api.list(plural, namespace)]
        assert reasons.count(reason) == count, f"{reasons.count(reason)} of {len(reasons)}"
        return True

    await eventually(probe, within_s=6 * VERDICT_WITHIN_S, what=f"{count} {plural} {reason}")


async def make_fleet(api: Api, namespace: str) -> None:
    """50 Ghosts, 500 Bots over them, a Team for the Bots of each Ghost."""
    await api.create("models", namespace, "m", {"provider": "openai", "model": "gpt-4"})
    await api.create("shells", namespace, "s", {"type": "Chat"})
    ghosts = range(GHOSTS)
    await many(api, "ghosts", namespace, {f"g{n}": {"systemPrompt": "You help."} for n in ghosts})
    bots: dict[str, dict[str, object]] = {
        f"b{n}-{each}": {
            "ghostRef": {"name": f"g{n}"},
            "modelRef": {"name": "m"},
            "shellRef": {"name": "s"},
        }
        for n in ghosts
        for each in range(BOTS_EACH)
    }
    await many(api, "bots", namespace, bots)
    teams: dict[str, dict[str, object]] = {
        f"t{n}": {"bots": [{"name": f"b{n}-{each}"} for each in range(BOTS_EACH)]} for n in ghosts
    }
    await many(api, "teams", namespace, teams)
    await all_say(api, "teams", namespace, "Ready", GHOSTS)
    await all_say(api, "bots", namespace, "Ready", GHOSTS * BOTS_EACH)


async def test_a_fleet(
    api: Api, namespace: str, operator: OperatorProcess, audit: AuditLog
) -> None:
    def status_writes() -> list[str]:
        return sorted(
            f"{write.resource}/{write.name}"
            for write in audit.writes(user=OPERATOR_USER, namespace=namespace)
            if write.subresource == "status" and write.resource != "tombstones"
        )

    await make_fleet(api, namespace)
    made = status_writes()
    assert len(set(made)) == 2 + GHOSTS + GHOSTS * BOTS_EACH + GHOSTS

    await api.delete("ghosts", namespace, "g7")
    await all_say(api, "bots", namespace, "RefNotFound", BOTS_EACH)
    await all_say(api, "teams", namespace, "RefNotReady", 1)
    after = status_writes()
    for write in made:
        after.remove(write)
    assert after == sorted([f"bots/b7-{each}" for each in range(BOTS_EACH)] + ["teams/t7"])

    assert operator.stop() == 0
    before_restart = len(status_writes())
    operator.start()
    evaluated: int = await eventually(
        lambda: _evaluated(operator), within_s=VERDICT_WITHIN_S, what="everything evaluated again"
    )
    assert evaluated >= len(set(made))
    # A change made now is evaluated after all that the restart brought: the queue is a queue.
    await api.create("ghosts", namespace, "g7", {"systemPrompt": "You are back."})
    await all_say(api, "teams", namespace, "Ready", GHOSTS)
    await all_say(api, "bots", namespace, "Ready", GHOSTS * BOTS_EACH)
    written = status_writes()[:]
    assert len(written) == before_restart + 1 + BOTS_EACH + 1, "g7, its Bots and their Team"


def _evaluated(operator: OperatorProcess) -> int:
    """Return the number of verdicts that the operator has computed, once its queue is empty."""
    _, page = operator.get("/metrics")
    values = dict(line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#"))
    if float(values["wegent_operator_queue_depth"]) > 0:
        return 0
    return int(float(values["wegent_operator_reconciles_total"]))


async def test_killed_in_the_middle_of_work_nothing_is_lost(
    api: Api, namespace: str, operator: OperatorProcess
) -> None:
    await api.create("models", namespace, "m", {"provider": "openai", "model": "gpt-4"})
    await api.create("shells", namespace, "s", {"type": "Chat"})
    bots: dict[str, dict[str, object]] = {
        f"b{n}": {
            "ghostRef": {"name": "g"},
            "modelRef": {"name": "m"},
            "shellRef": {"name": "s"},
        }
        for n in range(100)
    }
    await many(api, "bots", namespace, bots)
    await api.create("ghosts", namespace, "g", {"systemPrompt": "You help."})
    operator.kill()
    await api.ask_to_delete("shells", namespace, "s")
    operator.start()
    await api.gone("shells", namespace, "s")
    await all_say(api, "bots", namespace, "RefNotFound", 100)
    await api.create("shells", namespace, "s", {"type": "Chat"})
    await all_say(api, "bots", namespace, "Ready", 100)


async def test_replaced_while_its_referrers_are_being_evaluated(
    api: Api, namespace: str, operator: OperatorProcess, operator_kubeconfig: Path
) -> None:
    """Bots that get a verdict between the Shell's deletion and return must be updated too."""
    slow = OperatorProcess(
        operator_kubeconfig, operator_kubeconfig.with_name("slow.log"), writers="1"
    )
    await api.create("models", namespace, "m", {"provider": "openai", "model": "gpt-4"})
    await api.create("shells", namespace, "s", {"type": "Chat"})
    bot: dict[str, object] = {
        "ghostRef": {"name": "g"},
        "modelRef": {"name": "m"},
        "shellRef": {"name": "s"},
    }
    assert operator.stop() == 0
    slow.start()
    try:
        await many(api, "bots", namespace, {f"b{n}": bot for n in range(200)})
        await all_say(api, "bots", namespace, "RefNotFound", 200)
        await api.ask_to_delete("shells", namespace, "s")
        await api.create("ghosts", namespace, "g", {"systemPrompt": "You help."})
        await api.gone("shells", namespace, "s")
        await api.create("shells", namespace, "s", {"type": "Chat"})
        await all_say(api, "bots", namespace, "Ready", 200)
    finally:
        slow.stop()
        operator.start()


async def test_under_kopf_run(
    api: Api, namespace: str, operator: OperatorProcess, operator_kubeconfig: Path
) -> None:
    kopf_run = OperatorProcess(
        operator_kubeconfig,
        operator_kubeconfig.with_name("kopf-run.log"),
        command=(
            "-m", "kopf", "run", "--all-namespaces", "--standalone",
            "-m", "wegent_operator.autoload",
        ),
    )  # fmt: skip
    assert operator.stop() == 0
    kopf_run.start()
    try:
        await api.create("ghosts", namespace, "g", {"systemPrompt": "You help."})
        await api.settled("ghosts", namespace, "g")
        assert kopf_run.stop() == 0, kopf_run.tail()
    finally:
        operator.start()
