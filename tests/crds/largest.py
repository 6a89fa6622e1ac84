"""The largest object of a kind: every bound reached, in characters that grow when stored."""

import copy
import json
import re
from typing import Any

from tests.crds.edges import distinct, keys_like
from tests.crds.samples import FULL, body
from tests.crds.schemas import Schema, root_schema

ESCAPED = "<"
"""One character; the API server stores it as six (``\\u003c``)."""


def largest_body(plural: str) -> dict[str, Any]:
    """Return the largest object of the kind that the schema accepts."""
    spec = _largest(root_schema(plural)["properties"]["spec"], FULL[plural][0])
    if plural in ("ghosts", "skills"):
        # All fields together have at most 4,096 characters, and each could take them all.
        server = {"type": "stdio", "command": ESCAPED * 1024, "args": [ESCAPED * 1024] * 3}
        spec["mcpServers"] = dict.fromkeys(spec["mcpServers"], server)
    if plural == "teams":
        # All prompts together have at most 131,072 characters, which eight members can fill.
        for bot in spec["bots"][8:]:
            del bot["prompt"]
    if plural == "tasks":
        # Prompt, instructions and history together have at most 131,072 characters.
        spec["instructions"] = ESCAPED
        spec["history"] = [{"role": "assistant", "content": ESCAPED}] * 256
        # So have they with the answers, of which each counts 32 more.
        answer = {"decision": "approve", "text": ESCAPED, "by": ESCAPED * 384}
        spec["answers"] = [{"id": f"{number:0>128}", **answer} for number in range(64)]
        schema = 2 * len(json.dumps(spec.get("outputSchema", "")))  # it counts as CEL writes it
        spec["prompt"] = ESCAPED * (131072 - 1 - 256 - 64 * (1 + 384 + 32) - schema)
    return body(plural, spec, name="largest")


def stored_size(stored: Any) -> int:
    """Return the object's size in etcd in bytes; it is stored as Go's JSON."""
    text = json.dumps(stored, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode()) + 5 * sum(text.count(character) for character in "<>&")


def _largest(schema: Schema, sample: Any) -> Any:
    if isinstance(sample, str):
        return _longest(schema, sample)
    if isinstance(sample, list):
        item = _largest(schema["items"], sample[0])
        return distinct(item, schema["maxItems"])
    if "additionalProperties" in schema:
        item = _largest(schema["additionalProperties"], next(iter(sample.values())))
        keys = keys_like(next(iter(sample)), schema["maxProperties"])
        return {key: copy.deepcopy(item) for key in keys}
    if isinstance(sample, dict) and "properties" in schema:
        return {name: _largest(schema["properties"][name], item) for name, item in sample.items()}
    return sample


def _longest(schema: Schema, sample: str) -> str:
    if "enum" in schema:
        return sample
    if "pattern" not in schema:
        return ESCAPED * int(schema["maxLength"])
    padded = sample + "a" * (schema["maxLength"] - len(sample))
    return padded if re.fullmatch(schema["pattern"], padded) else sample
