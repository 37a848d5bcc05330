import { connect } from "../../dist/src/client/index.js";

const [url, application, addr, ttlMs, graceMs] = process.argv.slice(2);
const client = connect({ servers: [url], ttlMs: Number(ttlMs), graceMs: Number(graceMs) });
process.on("SIGTERM", async () => {
  await (await client).close();
  process.exit(0);
});
await (await client).provider.register({ application, protocol: "http", addr });
process.stdout.write("registered\n");
