// A user of the client that openapi-generator makes (typescript-fetch).
import { AuthApi, Configuration, GhostsApi, ResponseError } from "./made";

declare const process: { argv: string[] };

async function main(basePath: string, username: string, password: string): Promise<void> {
  const login = await new AuthApi(new Configuration({ basePath })).login({
    credentials: { username, password },
  });
  const ghosts = new GhostsApi(new Configuration({ basePath, accessToken: login.accessToken }));
  const name = username;
  const made = await ghosts.createGhost({
    ghostBody: { metadata: { name }, spec: { systemPrompt: "One." } },
  });
  const listed = await ghosts.listGhosts({ namespace: "default" });
  const read = await ghosts.getGhost({ name });
  await ghosts.deleteGhost({ name });
  let absent = 0;
  try {
    await ghosts.getGhost({ name: `${name}-absent` });
  } catch (error) {
    if (!(error instanceof ResponseError)) throw error;
    absent = error.response.status;
  }
  console.log(
    JSON.stringify({
      made: made.metadata?.name,
      listed: listed.items.some((it) => it.metadata?.name === name),
      prompt: read.spec.systemPrompt,
      absent,
    }),
  );
}

main(process.argv[2], process.argv[3], process.argv[4]);
