"""A hook of schemathesis: created objects are valid, so that there is an object to follow links to.

schemathesis' own bodies are nearly all refused, which `test_schema` is about. Bodies of changes
stay as they are generated.
"""

import hashlib
import json
from typing import Any

import schemathesis

SPECS = {
    "ghosts": {"systemPrompt": "You are terse."},
    "shells": {"type": "Chat"},
}


@schemathesis.hook
def map_body(context: schemathesis.HookContext, body: Any) -> Any:
    """Return a valid object in place of the body of a POST.

    Its name follows from the body: schemathesis must be able to repeat a sequence.
    """
    operation = context.operation
    if operation is None or operation.method != "post":
        return body
    drawn = json.dumps(body, sort_keys=True, default=repr).encode()
    name = f"drawn-{hashlib.sha256(drawn).hexdigest()[:12]}"
    return {"metadata": {"name": name}, "spec": SPECS[operation.path.rpartition("/")[2]]}
