"""``python -m wegent_operator``: the operator as a program."""

import argparse
import asyncio
import logging
import os
import socket
import sys
from collections.abc import Sequence

import kopf

from wegent_kube import ConnectionConfigError, KubeClient, KubeError, load_connection
from wegent_operator.app import register
from wegent_operator.release import release_everything, withdraw


def main(arguments: Sequence[str] | None = None) -> None:
    """Run until told to stop, or release everything. Exits with 2 where there is no cluster."""
    parser = argparse.ArgumentParser(prog="wegent-operator", description=__doc__)
    parser.add_argument(
        "--release-everything",
        action="store_true",
        help="take the trash's finalizer off every object and exit: for uninstalling, when the"
        " operator and the admission policies are gone",
    )
    parser.add_argument(
        "--withdraw",
        metavar="NAMESPACE/DEPLOYMENT",
        help="with --release-everything: first delete the operator, which is that Deployment, and"
        " the policy binding that puts the finalizer on",
    )
    options = parser.parse_args(arguments)
    kopf.configure(log_format=kopf.LogFormat.JSON)
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    try:
        load_connection()
    except ConnectionConfigError as error:
        sys.stderr.write(f"wegent-operator: {error}\n")
        sys.exit(2)
    if options.release_everything:
        sys.exit(asyncio.run(_release(options.withdraw)))
    # Else Kopf asks who we are, and in a container that may be a number without a name.
    os.environ.setdefault("POD_ID", socket.gethostname())
    registry = kopf.OperatorRegistry()
    register(registry)
    asyncio.run(kopf.operator(registry=registry, clusterwide=True, standalone=True))


async def _release(operator: str | None) -> int:
    async with KubeClient(load_connection(), user_agent="wegent-operator") as client:
        try:
            if operator is not None:
                namespace, _, deployment = operator.partition("/")
                await withdraw(client, namespace, deployment)
            released = await release_everything(client)
        except (KubeError, TimeoutError) as error:
            sys.stderr.write(f"wegent-operator: {error}\n")
            return 1
    sys.stdout.write(f"released {released} objects\n")
    return 0


if __name__ == "__main__":
    main()
