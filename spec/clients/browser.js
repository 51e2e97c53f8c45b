// One Chromium for all clients of a spec file, since each start of it takes seconds. Prints
// {"event":"ready","at":A}, A for POMELUA_BROWSER_AT, and ends when its input ends.
const { serve } = require('./chromium');

async function main() {
  const server = await serve();
  process.stdout.write(`${JSON.stringify({ event: 'ready', at: server.wsEndpoint() })}\n`);
  for await (const chunk of process.stdin) void chunk;
  await server.close();
}

main();
