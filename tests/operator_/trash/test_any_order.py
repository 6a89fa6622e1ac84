"""Random steps on the trash in any order: no object is lost, and no deletion hangs unreported.

``WEGENT_TRASH_EXAMPLES`` and ``WEGENT_TRASH_STEPS`` make the test longer. ``WEGENT_TRASH_SEED``
selects other steps.
"""

import asyncio
import os
import threading
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from devcluster.controlplane import ControlPlane
from tests.operator_.trash.machine import TrashMachine, World
from tests.support.api import Api
from tests.support.operator import OperatorProcess
from wegent_kube import KubeClient, load_connection

EXAMPLES = int(os.environ.get("WEGENT_TRASH_EXAMPLES", "3"))
STEPS = int(os.environ.get("WEGENT_TRASH_STEPS", "15"))
SEED = int(os.environ.get("WEGENT_TRASH_SEED", "20260131"))


@pytest.fixture
def world(control_plane: ControlPlane, operator: OperatorProcess) -> Iterator[World]:
    """A loop on a thread of its own: hypothesis knows no coroutines."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def connect() -> KubeClient:
        return KubeClient(load_connection(control_plane.kubeconfig))

    client = asyncio.run_coroutine_threadsafe(connect(), loop).result(30)
    world = World(Api(client), operator, loop)
    yield world
    if not operator.running():
        operator.start()
    world.run(client.close())
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.mark.timeout(60 + 120 * EXAMPLES)
def test_nothing_is_lost_and_nothing_hangs_in_silence(world: World) -> None:
    class Machine(TrashMachine):
        pass

    Machine.world = world
    # Neither shrunk nor kept: a step takes real time, and the failure names every step.
    run = seed(SEED)(Machine)
    bounds = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(run, settings=bounds)
    except BaseException:
        print(f"WEGENT_TRASH_SEED={SEED}", *world.steps, sep="\n  ")  # noqa: T201 - for pytest
        raise
