import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Timers } from "../../src/env/env.ts";
import { nodeTimers } from "../../src/env/node-env.ts";
import { BACKUP_MS_MAX, BACKUP_REST_MS, BACKUP_TURN_MS_MAX } from "../../src/limits.ts";
import { Registry } from "../../src/registry/registry.ts";
import { BackupBytes } from "../../src/server/backup-bytes.ts";
import { checkBackup } from "../../src/server/check-backup.ts";
import { BareClient, Cluster } from "./world.ts";

/** Enough that a socket does not take all of it at once. */
const INSTANCES = 3_000;
const TOGETHER = 500;
const META_BYTES = 4_000;

let cluster: Cluster;
let provider: BareClient;
let backupMs: number;

/** The ones of the process, but that a backup may be read for `backupMs` and no longer. */
const timers: Timers = {
  ...nodeTimers,
  after: (delayMs, run) => nodeTimers.after(delayMs === BACKUP_MS_MAX ? backupMs : delayMs, run),
};

beforeAll(async () => {
  cluster = await Cluster.make(1);
  await cluster.start("n1", {}, { timers });
  await cluster.until(() => cluster.isReady("n1"));
  provider = await BareClient.open(cluster.address("n1"));
  for (let first = 1; first <= INSTANCES; first += TOGETHER) {
    for (let port = first; port < first + TOGETHER; port += 1) {
      const meta = { a: String(port).padEnd(META_BYTES, "x") };
      provider.send({ application: "big", protocol: "http", addr: `127.0.0.1:${port}`, meta });
    }
    for (let port = first; port < first + TOGETHER; port += 1) {
      expect(await provider.next()).toMatchObject({ ok: true });
    }
  }
}, 30_000);

afterAll(async () => {
  provider.ws.terminate();
  await cluster.close();
});

beforeEach(() => {
  backupMs = BACKUP_MS_MAX;
});

async function ask(query = ""): Promise<IncomingMessage> {
  const url = `http://${cluster.address("n1")}/v1/snapshot${query}`;
  const asked = request(url, { agent: false });
  asked.end();
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  response.on("error", () => {});
  return response;
}

const read = (response: IncomingMessage) => checkBackup(response, () => {});

describe("a backup of a node", () => {
  it("is of the moment in which it was asked for, however long it is read", async () => {
    const response = await ask();
    const before = cluster.nodes.get("n1")?.status();
    for (let port = 1; port <= 200; port += 1) {
      provider.send({ application: "big", protocol: "http", addr: `127.0.0.1:${port}` });
      expect(await provider.next()).toMatchObject({ ok: true });
    }
    const { header, registry } = await read(response);
    expect(header).toMatchObject({ digest: before?.digest, revision: before?.revision });
    expect(registry.instanceCount).toBe(INSTANCES);
    expect(cluster.nodes.get("n1")?.status()?.digest).not.toBe(header.digest);
  });

  it("is read by one at a time: another one waits, and then has its turn", async () => {
    const order: string[] = [];
    const first = await ask();
    const second = ask().finally(() => order.push("the second is answered"));
    await read(first);
    order.push("the first is read");
    const readMs = performance.now();
    expect((await second).statusCode).toBe(200);
    // A snapshot that is due comes between.
    expect(performance.now() - readMs).toBeGreaterThan(BACKUP_REST_MS / 2);
    expect(order).toEqual(["the first is read", "the second is answered"]);
    expect((await read(await second)).header.instances).toBe(INSTANCES);
  });

  it("is refused where the one before is read for longer than another one waits", async () => {
    const first = await ask();
    const second = await ask();
    expect(second.statusCode).toBe(503);
    expect(JSON.parse((await second.setEncoding("utf8").toArray()).join(""))).toMatchObject({
      error: { code: "OVERLOADED", message: expect.stringContaining("another backup") },
    });
    await read(first);
  }, 15_000);

  it("is let go of when its reader leaves", async () => {
    const first = await ask();
    first.destroy();
    const begunMs = performance.now();
    const second = await ask();
    expect(second.statusCode).toBe(200);
    expect(performance.now() - begunMs).toBeLessThan(BACKUP_TURN_MS_MAX);
    await read(second);
  });

  it("is let go of by who does not even begin to read it", async () => {
    const { header } = await read(await ask());
    const registry = new Registry();
    const bytes = new BackupBytes(registry.freeze(), header, nodeTimers)[Symbol.asyncIterator]();
    expect(registry.isFrozen).toBe(true);
    await bytes.return?.();
    expect(registry.isFrozen).toBe(false);
  });

  it("is let go of when it is not read in time, and what was sent is no backup", async () => {
    backupMs = 100;
    const first = await ask();
    const second = await ask();
    expect(second.statusCode).toBe(200);
    await expect(read(first)).rejects.toThrow(/its end is missing|aborted/);
    second.destroy();
  });

  it("takes nothing but how it is to be read", async () => {
    for (const query of ["?read=lease", "?colour=red", "?read=stale&application=a"]) {
      expect((await ask(query)).statusCode).toBe(400);
    }
    const response = await ask("?read=linearizable");
    expect(response.headers["content-type"]).toBe("application/vnd.rollcall.snapshot");
    expect((await read(response)).header.instances).toBe(INSTANCES);
  });
});
