import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect, type RollcallClient, type WatchEvent } from "../../src/client/index.ts";
import { Cluster } from "./cluster.ts";
import { Inbox, within } from "./wait.ts";

const PROVIDER = fileURLToPath(new URL("./provider-process.mjs", import.meta.url));
const TTL_MS = 5_000;
const GRACE_MS = 1_000;
/** What a heartbeat, a report, a round and a commit may add on a busy machine. */
const SLACK_MS = 2_500;

let cluster: Cluster;
let client: RollcallClient;

beforeAll(async () => {
  cluster = await Cluster.start();
  client = await connect({ servers: cluster.urls });
  await client.ready();
});

afterAll(async () => {
  await client.close();
  await cluster.stop();
});

interface Provider {
  readonly process: ChildProcess;
  readonly exited: Promise<void>;
}

/** A provider of its own process that registers, says so, and then only lives. */
async function startProvider(application: string, addr: string): Promise<Provider> {
  const node = (await cluster.followers())[0];
  const child = spawn(
    process.execPath,
    [PROVIDER, node.url, application, addr, String(TTL_MS), String(GRACE_MS)],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const exited = new Promise<void>((resolve) => child.on("exit", () => resolve()));
  const registered = new Promise<void>((resolve) => child.stdout?.once("data", () => resolve()));
  await within(15_000, "a provider to register", registered);
  return { process: child, exited };
}

/** When the consumer, on the leader, is told that the application has no instance any more. */
async function watchUntilGone(
  application: string,
  act: (provider: Provider) => void,
): Promise<number> {
  const events = new Inbox<WatchEvent>();
  const stream = client.consumer.watch(application);
  const reading = (async () => {
    for await (const event of stream) {
      events.push(event);
    }
  })();
  const provider = await startProvider(application, "127.0.0.1:9000");
  await events.next(10_000, "the instance", ({ instances }) => instances.length === 1);
  const actedMs = performance.now();
  act(provider);
  await events.next(
    TTL_MS + 10_000,
    "its removal",
    ({ instances, remove }) => instances.length === 0 && remove.length === 1,
  );
  const goneMs = performance.now() - actedMs;
  provider.process.kill("SIGCONT");
  provider.process.kill("SIGKILL");
  await within(5_000, "the provider to end", provider.exited);
  await stream[Symbol.asyncDispose]();
  await reading;
  return goneMs;
}

describe("a provider that", () => {
  test("is killed with -9 is gone after its grace, long before its TTL", async () => {
    const goneMs = await watchUntilGone("killed", (provider) => provider.process.kill("SIGKILL"));
    console.info(`kill -9 to push: ${goneMs.toFixed(0)} ms (grace ${GRACE_MS}, TTL ${TTL_MS})`);
    expect(goneMs).toBeGreaterThanOrEqual(GRACE_MS);
    expect(goneMs).toBeLessThan(TTL_MS - 1_000);
  });

  test("closes cleanly is gone at once", async () => {
    const goneMs = await watchUntilGone("closed", (provider) => provider.process.kill("SIGTERM"));
    console.info(`clean close to push: ${goneMs.toFixed(0)} ms`);
    expect(goneMs).toBeLessThan(GRACE_MS);
  });

  test("is frozen is gone after its TTL, and not before", async () => {
    const goneMs = await watchUntilGone("frozen", (provider) => provider.process.kill("SIGSTOP"));
    console.info(`SIGSTOP to push: ${goneMs.toFixed(0)} ms (TTL ${TTL_MS})`);
    // Its last keepalive may be a third of the TTL old when it stops.
    expect(goneMs).toBeGreaterThanOrEqual(TTL_MS - TTL_MS / 3 - 100);
    expect(goneMs).toBeLessThan(TTL_MS + SLACK_MS);
  });
});
