"""An LLM that says hello, by OpenAI's chat completions: ``python3 -c SCRIPT PORT`` in a Pod."""

import json
import sys

from aiohttp import web

PIECES = ("Hello", ", ", "world", ".")


async def complete(request: web.Request) -> web.StreamResponse:
    """Stream the answer."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    usage = {"prompt_tokens": 5, "completion_tokens": len(PIECES), "total_tokens": 9}
    choices = [
        *({"index": 0, "delta": {"role": "assistant", "content": it}} for it in PIECES),
        {"index": 0, "delta": {}, "finish_reason": "stop"},
    ]
    for choice in choices:
        chunk = {
            "id": "1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "hello",
            "choices": [choice],
            "usage": usage if "finish_reason" in choice else None,
        }
        await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
    await response.write(b"data: [DONE]\n\n")
    return response


application = web.Application()
application.router.add_post("/v1/chat/completions", complete)
web.run_app(application, port=int(sys.argv[1]), print=None)
