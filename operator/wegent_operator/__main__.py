"""``python -m wegent_operator``: the operator as a program."""

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from typing import Final

import kopf
import uvloop

from wegent_kube import ConnectionConfigError, KubeClient, KubeError, load_connection
from wegent_kube.garbage import leave_out_existing
from wegent_kube.logs import configure_logging
from wegent_kube.usage import argument_parser
from wegent_operator.app import register
from wegent_operator.settings import Settings
from wegent_operator.trash.uninstall import stop_operator, uninstall
from wegent_operator.watch.kopf_settings import EXIT_S

MAX_NAMED: Final = 20
"""Maximum of objects to name if the finalizer stays on some."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run until told to stop, or remove all finalizers. Exit with 2 if there is no cluster."""
    parser = argument_parser("wegent-operator", "Wegent's operator: runs until SIGTERM.", Settings)
    parser.add_argument(
        "--remove-finalizers",
        action="store_true",
        help="remove the trash's finalizer from every object, then exit; to uninstall Wegent after"
        " the operator and the admission policies have been deleted",
    )
    parser.add_argument(
        "--stop-operator",
        metavar="NAMESPACE/DEPLOYMENT",
        help="with --remove-finalizers: first delete the operator's Deployment and the policy"
        " binding that adds the finalizer",
    )
    options = parser.parse_args(arguments)
    configure_logging("INFO")
    try:
        load_connection()
    except ConnectionConfigError as error:
        sys.stderr.write(f"wegent-operator: {error}\n")
        sys.exit(2)
    if options.remove_finalizers:
        sys.exit(asyncio.run(_uninstall(options.stop_operator)))
    # Otherwise Kopf looks up the user's name, and a container's user may have only a number.
    os.environ.setdefault("POD_ID", socket.gethostname())
    registry = kopf.OperatorRegistry()
    register(registry)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(_operate(registry)))


async def _operate(registry: kopf.OperatorRegistry) -> int:
    """Run the operator and return the exit status: 1 if it ends without a request to stop.

    An operator without watches must not go on running, so the process ends when Kopf ends. If
    that hangs, ``kopf_settings.EXIT_S`` limits it. After a signal Kopf's own limit doesn't apply,
    and a thread ends the process instead.
    """
    ready, stop = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(
        kopf.operator(
            registry=registry, clusterwide=True, standalone=True, ready_flag=ready, stop_flag=stop
        )
    )
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
    if not ready.is_set():
        waiting.cancel()
        await running  # raises Kopf's error, or returns if Kopf was told to end at once
        return 0
    leave_out_existing()

    def asked() -> None:
        stop.set()
        killer = threading.Timer(EXIT_S, os._exit, [1])
        killer.daemon = True
        killer.start()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked)
    await running
    return 0 if stop.is_set() else 1


async def _uninstall(operator: str | None) -> int:
    async with KubeClient(load_connection(), user_agent="wegent-operator") as client:
        try:
            if operator is not None:
                namespace, _, deployment = operator.partition("/")
                await stop_operator(client, namespace, deployment)
            result = await uninstall(client)
        except (KubeError, TimeoutError) as error:
            sys.stderr.write(f"wegent-operator: {error}\n")
            return 1
    sys.stdout.write(f"removed the finalizer from {result.count} objects\n")
    if not result.left:
        return 0
    for line in result.left[:MAX_NAMED]:
        sys.stderr.write(f"wegent-operator: finalizer not removed: {line}\n")
    if len(result.left) > MAX_NAMED:
        sys.stderr.write(f"wegent-operator: and {len(result.left) - MAX_NAMED} more\n")
    sys.stderr.write(
        f"wegent-operator: {len(result.left)} objects still have the finalizer and can't be"
        " deleted; fix the cause of the refusal, then run this again\n"
    )
    return 1


if __name__ == "__main__":
    main()
