// Uses OpenAI's JavaScript SDK as a client does, and prints the outcome as JSON.
import OpenAI from "openai";

const [baseURL, apiKey, model] = process.argv.slice(2);
const sdk = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const told = {};

const models = [];
for await (const it of sdk.models.list()) models.push(it.id);
told.listed = models.includes(model);
told.retrieved = (await sdk.models.retrieve(model)).id;

const response = await sdk.responses.create({ model, input: "Hi" });
told.response = response.output_text;

const types = [];
let text = "";
for await (const event of await sdk.responses.create({
  model,
  input: "And then?",
  previous_response_id: response.id,
  stream: true,
})) {
  types.push(event.type);
  if (event.type === "response.output_text.delta") text += event.delta;
}
told.last = types.at(-1);
told.streamed = text;

const final = await sdk.responses.stream({ model, input: "Hi" }).finalResponse();
told.accumulated = final.output_text;

const runner = sdk.chat.completions.stream({
  model,
  messages: [{ role: "user", content: "Hi" }],
  stream_options: { include_usage: true },
});
told.chat = await runner.finalContent();
told.usage = (await runner.totalUsage()).total_tokens;

try {
  const [namespace] = model.split("/");
  await sdk.responses.create({ model: `${namespace}/nothing`, input: "Hi" });
} catch (error) {
  told.error = [error instanceof OpenAI.NotFoundError, error.code];
}
console.log(JSON.stringify(told));
