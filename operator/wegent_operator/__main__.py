"""``python -m wegent_operator``: the operator as a program."""

import asyncio
import logging
import sys

import kopf

from wegent_kube import ConnectionConfigError, load_connection
from wegent_operator.app import register


def main() -> None:
    """Run until told to stop. Exits with 2 where there is no cluster to talk to."""
    kopf.configure(log_format=kopf.LogFormat.JSON)
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    try:
        load_connection()
    except ConnectionConfigError as error:
        sys.exit(f"wegent-operator: {error}")
    registry = kopf.OperatorRegistry()
    register(registry)
    asyncio.run(kopf.operator(registry=registry, clusterwide=True, standalone=True))


if __name__ == "__main__":
    main()
