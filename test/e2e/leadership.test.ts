import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../../jepsen-lite/real/wait.ts";
import { connect, type RollcallClient, type Status } from "../../src/client/index.ts";
import { ELECTION_TICKS_MIN, TICK_MS } from "../../src/limits.ts";
import type { NodeStatus } from "../../src/server/status.ts";
import { Cluster, type ClusterNode } from "./cluster.ts";
import { within } from "./wait.ts";

/** Nobody who goes by the silence of a leader can replace it within this. */
const SILENCE_MS_MIN = ELECTION_TICKS_MIN * TICK_MS;

/** Writes one instance after the other through one client, and when each was acknowledged. */
class Stream {
  readonly #client: RollcallClient;
  readonly #writing: Promise<void>;
  readonly atMs: number[] = [];
  #isStopped = false;

  private constructor(client: RollcallClient) {
    this.#client = client;
    this.#writing = this.#write();
  }

  static async at(node: ClusterNode): Promise<Stream> {
    const client = await connect({ servers: [node.url] });
    const stream = new Stream(client);
    await stream.more(20);
    return stream;
  }

  async more(count: number): Promise<void> {
    const wanted = this.atMs.length + count;
    await until(20_000, `${count} more writes`, async () => this.atMs.length >= wanted || null);
  }

  get longestGapMs(): number {
    return Math.max(...this.atMs.slice(1).map((at, i) => at - (this.atMs[i] ?? at)));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await within(10_000, "the last write", this.#writing);
    await this.#client.close();
  }

  async #write(): Promise<void> {
    for (let port = 1; !this.#isStopped; port += 1) {
      const addr = `stream.example:${port}`;
      await this.#client.provider.register({ application: "stream", protocol: "http", addr });
      this.atMs.push(performance.now());
    }
  }
}

describe("the leadership of three nodes", () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await Cluster.start();
  });

  afterAll(async () => {
    await cluster.stop();
  });

  async function statusOf(node: ClusterNode): Promise<NodeStatus> {
    return await until(5_000, `the status of ${node.name}`, () => node.status());
  }

  async function termOf(node: ClusterNode): Promise<number> {
    return (await statusOf(node)).term;
  }

  test("outlives resets of every link, all at once and every second", async () => {
    const leader = await cluster.leader();
    const term = await termOf(leader);
    const stream = await Stream.at((await cluster.followers())[0]);
    for (let second = 0; second < 10; second += 1) {
      cluster.resetLinks();
      await sleep(1_000);
    }
    await stream.more(20);
    await stream.stop();
    console.info(`longest gap under resets: ${stream.longestGapMs.toFixed(0)} ms`);
    expect([(await cluster.leader()).name, await termOf(leader)]).toEqual([leader.name, term]);
  });

  test("outlives a follower that stands still for 300 ms, again and again", async () => {
    const leader = await cluster.leader();
    const term = await termOf(leader);
    const [follower] = await cluster.followers();
    for (let stall = 0; stall < 8; stall += 1) {
      follower.signal("SIGSTOP");
      await sleep(300);
      follower.signal("SIGCONT");
      await sleep(200);
    }
    expect([(await cluster.leader()).name, await termOf(leader)]).toEqual([leader.name, term]);
  });

  test("is handed over at SIGTERM, with no more than a gap in a stream of writes", async () => {
    const leader = await cluster.leader();
    const term = await termOf(leader);
    const [follower] = await cluster.followers();
    const stream = await Stream.at(follower);
    leader.signal("SIGTERM");
    expect(await leader.exited()).toEqual({ code: 0, signal: null });
    await stream.more(20);
    await stream.stop();
    console.info(`longest gap at SIGTERM: ${stream.longestGapMs.toFixed(0)} ms`);
    expect(stream.longestGapMs).toBeLessThan(SILENCE_MS_MIN);
    expect(await termOf(follower)).toBe(term + 1);
    leader.start();
    await cluster.leader();
  });

  test("goes to another at once when the leader's process is killed", async () => {
    const leader = await cluster.leader();
    const [follower] = await cluster.followers();
    const stream = await Stream.at(follower);
    await leader.kill();
    await stream.more(20);
    await stream.stop();
    console.info(`longest gap at kill -9: ${stream.longestGapMs.toFixed(0)} ms`);
    expect(stream.longestGapMs).toBeLessThan(SILENCE_MS_MIN);
    leader.start();
    await cluster.leader();
  });

  test("goes to another within the election timeouts when the leader stands still", async () => {
    const leader = await cluster.leader();
    const stream = await Stream.at((await cluster.followers())[0]);
    leader.signal("SIGSTOP");
    await sleep(SILENCE_MS_MIN);
    await stream.more(20);
    await stream.stop();
    leader.signal("SIGCONT");
    console.info(`longest gap at SIGSTOP: ${stream.longestGapMs.toFixed(0)} ms`);
    expect(stream.longestGapMs).toBeGreaterThan(SILENCE_MS_MIN / 2);
    await cluster.leader();
  });
});

describe("a leader that stands still for longer than a TTL", () => {
  test("expires nobody on that account who is there when it goes on", async () => {
    const cluster = await Cluster.start();
    const leader = await cluster.leader();
    const others = await cluster.followers();
    const client = await connect({ servers: [leader.url], ttlMs: 3_000, graceMs: 3_000 });
    const ended: Status[] = [];
    const reading = (async () => {
      for await (const status of client.status()) {
        if (status.type === "sessionExpired") {
          ended.push(status);
        }
      }
    })();
    await client.provider.register({ application: "still", protocol: "http", addr: "h:1" });
    // All stand still, so that nobody else can lead meanwhile; it is the leader that wakes first.
    for (const node of [leader, ...others]) {
      node.signal("SIGSTOP");
    }
    await sleep(4_500);
    for (const node of [leader, ...others]) {
      node.signal("SIGCONT");
    }
    await cluster.leader();
    const { instances } = await client.consumer.get("still", { timeoutMs: 10_000 });
    expect(instances.map(({ addr }) => addr)).toEqual(["h:1"]);
    expect(ended).toEqual([]);
    await client.close();
    await reading;
    await cluster.stop();
  });
});
