"""Events as a runner sends them."""

import json

from wegent_api.runs.blocks import RunEvent


def encoded(*events: RunEvent) -> bytes:
    return b"".join(
        f"id: {it.id}\nevent: {it.type}\ndata: {json.dumps(it.data)}\n\n".encode() for it in events
    )
