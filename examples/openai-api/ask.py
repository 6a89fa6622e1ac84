"""Two questions to a Team with OpenAI's SDK; the answer to the second one is streamed.

With `make up`:

    export OPENAI_BASE_URL=http://127.0.0.1:8000/v1 OPENAI_API_KEY=$(make -s token)
    .venv/bin/python examples/openai-api/ask.py
"""

import sys

from openai import OpenAI

TEAM = sys.argv[1] if len(sys.argv) > 1 else "default/assistant"  # a model is a Team

client = OpenAI()  # URL and key come from the environment
first = client.responses.create(model=TEAM, input="What is the capital of Germany?")
print(first.output_text)

second = client.responses.create(
    model=TEAM,
    input="Repeat that in one short sentence.",
    previous_response_id=first.id,  # continues the conversation
    stream=True,
)
for event in second:
    if event.type == "response.output_text.delta":
        print(event.delta, end="", flush=True)
print()
