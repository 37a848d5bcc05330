import { describe, expect, test } from "vitest";
import type { PeerMessage } from "../../src/replica/peer-messages.ts";
import { CHUNK_KEYS } from "../../src/storage/snapshot-layout.ts";
import { must } from "../../src/util/assert.ts";
import { commandCodec } from "../../src/wire/command-codec.ts";
import { type Client, Cluster, type ClusterOptions, type Node } from "./harness.ts";
import { weighing, wrongCodec } from "./wrong-codec.ts";

const EVERY = 8;
/** Every entry is one too many for the log, and nothing stays behind a snapshot. */
const EAGER = { logBytesMin: 1, tailBytes: 0, laggardBytesMax: 0, chunkBytes: 64 };

function led(options: ClusterOptions = {}): { cluster: Cluster; provider: Client } {
  const cluster = Cluster.led({ checkpointEntries: EVERY, snapshotLimits: EAGER, ...options });
  const provider = cluster.connect("n1");
  provider.open("s1");
  cluster.deliver();
  return { cluster, provider };
}

/** One entry each, until the last one has `index`. */
function writeUntil(cluster: Cluster, provider: Client, index: number): void {
  while (provider.node.status.commitIndex < index) {
    provider.register(`a:${provider.node.status.commitIndex}`);
    cluster.deliver();
  }
}

function isClaim({ type }: PeerMessage): boolean {
  return type === "checkpoint";
}

function chunksOnDisk({ log, disk }: Node): number {
  while (log?.hasLeftovers === true) log.sweep();
  return disk.recordsIn(CHUNK_KEYS).length;
}

describe("a snapshot", () => {
  test("is begun at a checkpoint and nowhere else", () => {
    const { cluster, provider } = led();
    writeUntil(cluster, provider, EVERY - 1);
    expect(chunksOnDisk(cluster.node("n1"))).toBe(0);
    writeUntil(cluster, provider, 3 * EVERY + 2);
    for (const { notices } of cluster.nodes) {
      const taken = notices.filter(({ type }) => type === "snapshot");
      expect(taken).toMatchObject([8, 16, 24].map((index) => ({ how: "taken", index })));
    }
  });

  // Somebody reads a backup from n2 meanwhile: the state is frozen once at a time.
  test("is not begun while the state is read for a backup, but at the next checkpoint", () => {
    const { cluster, provider } = led();
    const view = must(cluster.node("n2").replica).registry.freeze();
    const items = view.items();
    items.next();
    writeUntil(cluster, provider, EVERY + 1);
    const indexes = () => cluster.nodes.map(({ status }) => status.snapshotIndex);
    expect(indexes()).toEqual([EVERY, 0, EVERY]);
    view.release();
    writeUntil(cluster, provider, 2 * EVERY);
    expect(indexes()).toEqual([2 * EVERY, 2 * EVERY, 2 * EVERY]);
  });

  test("waits on the disk, and the log stays, until a majority has agreed on it", () => {
    const { cluster, provider } = led();
    cluster.holds = isClaim;
    writeUntil(cluster, provider, EVERY + 3);
    const waiting = { snapshotIndex: 0, snapshotWaitingIndex: EVERY, firstIndex: 1 };
    for (const node of cluster.nodes) {
      expect(node.status).toMatchObject(waiting);
      expect(chunksOnDisk(node)).toBeGreaterThan(0);
    }
    // n1 and n3 hear of one that agrees, which is a majority; n2 hears of nobody.
    cluster.release((message) => isClaim(message) && message.from === "n2");
    const agreed = { snapshotIndex: EVERY, snapshotWaitingIndex: 0, firstIndex: EVERY + 1 };
    expect(cluster.node("n1").status).toMatchObject(agreed);
    expect(cluster.node("n3").status).toMatchObject(agreed);
    expect(cluster.node("n2").status).toMatchObject(waiting);
  });

  test("is agreed on by what is said of a later checkpoint, too", () => {
    const { cluster, provider } = led();
    cluster.passes = (message) => !isClaim(message);
    writeUntil(cluster, provider, EVERY);
    cluster.passes = () => true;
    expect(cluster.node("n1").status.snapshotWaitingIndex).toBe(EVERY);
    writeUntil(cluster, provider, 2 * EVERY);
    expect(cluster.node("n1").status.snapshotIndex).toBe(EVERY);
  });

  test("needs no member beyond the majority, and none where one decides alone", () => {
    const { cluster, provider } = led();
    cluster.crash("n3");
    writeUntil(cluster, provider, EVERY);
    expect(cluster.node("n1").status.snapshotIndex).toBe(EVERY);
    expect(cluster.node("n2").status.snapshotIndex).toBe(EVERY);
    const alone = led({ size: 1 });
    writeUntil(alone.cluster, alone.provider, EVERY);
    expect(alone.cluster.node("n1").status.snapshotIndex).toBe(EVERY);
  });

  test("does not wait for the next write where what agrees with it was lost", () => {
    const { cluster, provider } = led();
    cluster.passes = (message) => !isClaim(message);
    writeUntil(cluster, provider, EVERY);
    cluster.passes = () => true;
    cluster.pass(2_000);
    for (const { status } of cluster.nodes) {
      expect(status).toMatchObject({ lastIndex: EVERY, snapshotIndex: EVERY });
    }
  });

  test("that waits keeps others from being begun, and the member says so once", () => {
    const { cluster, provider } = led();
    cluster.passes = (message) => !isClaim(message);
    writeUntil(cluster, provider, 5 * EVERY);
    const n1 = cluster.node("n1");
    expect(n1.status.snapshotWaitingIndex).toBe(EVERY);
    const told = n1.notices.filter(({ type }) => type === "snapshotWaits");
    expect(told).toEqual([{ type: "snapshotWaits", index: EVERY }]);
    cluster.passes = () => true;
    writeUntil(cluster, provider, 6 * EVERY);
    expect(n1.status.snapshotIndex).toBe(EVERY);
    writeUntil(cluster, provider, 7 * EVERY);
    expect(n1.status.snapshotIndex).toBe(7 * EVERY);
  });

  test("that waits at a crash is gone, and another one takes its place", () => {
    const { cluster, provider } = led();
    cluster.passes = (message) => !isClaim(message);
    writeUntil(cluster, provider, EVERY);
    const n3 = cluster.node("n3");
    expect(n3.status.snapshotWaitingIndex).toBe(EVERY);
    cluster.crash("n3");
    cluster.restart("n3");
    expect(n3.status).toMatchObject({ snapshotIndex: 0, firstIndex: 1 });
    cluster.passes = () => true;
    cluster.pass(2_000);
    writeUntil(cluster, provider, 3 * EVERY);
    const { snapshotIndex } = n3.status;
    expect(snapshotIndex).toBeGreaterThan(0);
    const verdict = n3.disk.read();
    const current = verdict?.type === "intact" ? verdict.loaded.snapshot : null;
    expect(current?.index).toBe(snapshotIndex);
    expect(chunksOnDisk(n3)).toBe(current?.chunks);
  });

  test("that was given up while its switch was on its way leaves nothing behind", () => {
    const { cluster, provider } = led();
    const n3 = cluster.node("n3");
    writeUntil(cluster, provider, EVERY);
    cluster.holds = (message) => isClaim(message) && message.to === "n3";
    writeUntil(cluster, provider, 2 * EVERY);
    n3.isDiskHeld = true;
    cluster.release(isClaim);
    expect(n3.writing?.snapshot?.type).toBe("switch");
    cluster.passes = ({ type, to }) => type !== "appendEntries" || to !== "n3";
    writeUntil(cluster, provider, 4 * EVERY);
    cluster.passes = () => true;
    cluster.heal();
    cluster.pass(500);
    expect(n3.status.snapshotIndex).toBe(EVERY);
    n3.isDiskHeld = false;
    n3.completeWrite();
    cluster.pass(3_000);
    expect(n3.notices).toContainEqual(expect.objectContaining({ how: "installed" }));
    const verdict = n3.disk.read();
    const current = verdict?.type === "intact" ? verdict.loaded.snapshot : null;
    expect(chunksOnDisk(n3)).toBe(current?.chunks);
  });

  test("that waits gives way to one that is received", () => {
    const { cluster, provider } = led();
    cluster.passes = (message) => !isClaim(message) || message.to !== "n3";
    writeUntil(cluster, provider, EVERY);
    const n3 = cluster.node("n3");
    expect(n3.status.snapshotWaitingIndex).toBe(EVERY);
    cluster.isolate("n3");
    cluster.pass(2_000);
    writeUntil(cluster, provider, 4 * EVERY);
    cluster.passes = () => true;
    cluster.pass(2_000);
    const installed = n3.notices.filter((notice) => "how" in notice && notice.how === "installed");
    expect(installed.length).toBe(1);
    expect(n3.status).toMatchObject({ snapshotWaitingIndex: 0, agreedIndex: 4 * EVERY });
  });

  test("that was installed is agreed on by who has it, though nobody writes any more", () => {
    const { cluster, provider } = led();
    cluster.isolate("n3");
    writeUntil(cluster, provider, EVERY);
    cluster.pass(500);
    cluster.heal();
    cluster.pass(2_000);
    const { snapshotIndex, lastIndex, agreedIndex } = cluster.node("n3").status;
    expect([snapshotIndex, lastIndex, agreedIndex]).toEqual([EVERY, EVERY, EVERY]);
  });

  test("of a state that is wrong never becomes the current one", () => {
    const wrong = wrongCodec((command) => weighing(7, command));
    const { cluster, provider } = led({
      codecOf: (id) => (id === "n3" ? wrong : commandCodec),
    });
    cluster.holds = (message) => isClaim(message) && message.to === "n3";
    writeUntil(cluster, provider, EVERY + 1);
    const n3 = cluster.node("n3");
    expect(chunksOnDisk(n3)).toBeGreaterThan(0);
    expect(n3.status).toMatchObject({ snapshotIndex: 0, snapshotWaitingIndex: EVERY });
    cluster.release();
    expect(n3.divergence?.index).toBe(EVERY);
    const verdict = n3.disk.read();
    expect(verdict?.type === "intact" && verdict.loaded.snapshot).toBe(null);
  });
});
