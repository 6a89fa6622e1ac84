"""Bodies for the tests: the documented examples, under unique names."""

import json
from typing import Any

from wegent_api.http.examples import KINDS

BASE = "/api/v1/kinds"
Body = dict[str, Any]


def example(plural: str, tag: str, **metadata: Any) -> Body:
    """Return the kind's example with each name, also in references, made unique by ``tag``."""
    text = json.dumps(KINDS[plural])
    for other in KINDS.values():
        name = other["metadata"]["name"]
        text = text.replace(f'"name": "{name}"', f'"name": "{name}-{tag}"')
    body: Body = json.loads(text)
    body["metadata"].update(metadata)
    return body


def ghost(name: str, prompt: str = "You are helpful.", **metadata: Any) -> Body:
    """Return a Ghost, which has no references."""
    return {"metadata": {"name": name, **metadata}, "spec": {"systemPrompt": prompt}}


def bot(name: str, **references: Body) -> Body:
    """Return a Bot whose references don't resolve, except for ``references``."""
    absent = {field: {"name": f"no-{name}"} for field in ("ghostRef", "modelRef", "shellRef")}
    return {"metadata": {"name": name}, "spec": {**absent, **references}}
