"""The hash of a definition as users compute it."""

import shutil
import subprocess
from typing import Final

import pytest

COMMAND: Final = "jq -cS .spec | sha256sum"
"""As docs/kinds/task.md has it, after ``kubectl get -o json``."""
NEEDS_JQ: Final = pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")


def hash_by_jq(body: str) -> str:
    """Return the hash of an object's spec, in hexadecimal. ``body`` is the object's JSON."""
    done = subprocess.run(
        COMMAND, shell=True, input=body, capture_output=True, encoding="utf-8", check=True
    )
    return done.stdout.split()[0]
